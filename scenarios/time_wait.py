"""TIME-WAIT: the side that closed first keeps the connection for a while, against old segments in a new one."""

from dataclasses import dataclass

from lab import Lab, Listener, Peer, scenario
from lab.tcp.options import Option, timestamp
from lab.tcp.segment import Segment
from lab.wire.faults import lost

_BEYOND_THE_OLD = 65537
"""The largest window without scale, plus two: the distance from the old numbers to the new (Linux's choice)."""
_CLOCK_S = 64e-9
"""The tick of the clock that any other ISS follows, in seconds."""


@scenario(section="RFC 9293 3.6.1 MAY-2, 3.10.7.4 fourth")
def a_new_syn_with_a_higher_number(lab: Lab) -> None:
    """A SYN with a number above all earlier ones is not an old one: the kernel ends TIME-WAIT and opens at once.

    Its own numbers begin so far above the old ones that no old segment can be taken for a new one.
    """
    server = lab.kernel.listen(port=80)
    old = _time_wait(lab, server)
    peer = old.peer

    lab.step("A new connection of the same addresses and ports: its SYN has a number above the old FIN", claims="C111")
    peer.send("S", seq=3)
    beyond = _expect_numbers_above(lab, old, ack=4)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.measured("C111", f"new ISS = old SND.NXT + {beyond}")

    lab.step("The connection carries data as any other", claims="C111")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=9)
    server.accept().expect_data("hello")


@scenario(section="RFC 9293 3.6.1, 3.10.7.3; RFC 6191 2")
def a_new_syn_with_a_lower_number(lab: Lab) -> None:
    """A SYN with a number that was used already may be an old one: it is refused at first.

    RFC 6191 would drop it in silence. Linux answers with its last ACK; a host without the old connection answers that
    with a reset, and its next SYN opens the connection.
    """
    server = lab.kernel.listen(port=80)
    peer = _time_wait(lab, server).peer

    lab.step("The SYN has the number that comes next, which is one too low: refused", claims="C111")
    peer.send("S", seq=2)
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.conclude("C111", "a SYN with a lower number: A")

    lab.step("The connecting host has sent nothing yet that could be acknowledged: reset", claims="C111 C116")
    peer.send("R", seq=2)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("The SYN is sent again: the kernel has no old connection any more", claims="C111")
    peer.send("S", seq=2)
    peer.expect("SA", ack=3)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")


@scenario(section="RFC 6191 2; RFC 7323 5.3")
def timestamps_tell_old_from_new(lab: Lab) -> None:
    """With timestamps a newer SYN is accepted, whatever its sequence number, and an older one is refused."""
    server = lab.kernel.listen(port=80)

    lab.step("A lower number and a newer timestamp: accepted", claims="C111")
    old = _time_wait(lab, server, timestamps=True)
    old.peer.send("S", seq=-5000, options=_syn_options(old.recent + 1))
    _expect_numbers_above(lab, old, ack=-4999)

    lab.conclude("C111", "a lower number and a newer timestamp: SA")

    lab.step("A higher number and the same timestamp: the number decides", claims="C111")
    old = _time_wait(lab, server, timestamps=True)
    old.peer.send("S", seq=5000, options=_syn_options(old.recent))
    _expect_numbers_above(lab, old, ack=5001)

    lab.step("A higher number and no timestamp: the number decides", claims="C111")
    old = _time_wait(lab, server, timestamps=True)
    old.peer.send("S", seq=5000, options=_syn_options())
    _expect_numbers_above(lab, old, ack=5001)

    lab.step("A higher number and an older timestamp: refused", claims="C111")
    old = _time_wait(lab, server, timestamps=True)
    old.peer.send("S", seq=5000, options=_syn_options(old.recent - 1))
    old.peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(old.peer, "TIME-WAIT")

    lab.conclude("C111", "a higher number and an older timestamp: A")

    lab.step("A lower number and the same timestamp: refused", claims="C111")
    old = _time_wait(lab, server, timestamps=True)
    old.peer.send("S", seq=-5000, options=_syn_options(old.recent))
    old.peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(old.peer, "TIME-WAIT")

    lab.step("Linux needs timestamps on both connections: one on the new SYN alone does not count", claims="C111")
    old = _time_wait(lab, server)
    old.peer.send("S", seq=-5000, options=_syn_options(1))
    old.peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(old.peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.6.1 MAY-2; 3.10.7.4 second")
def what_becomes_of_the_shortened_wait(lab: Lab) -> None:
    """A SYN ends TIME-WAIT only if a program listens. TIME-WAIT does not return if the new connection fails.

    RFC 9293 returns to TIME-WAIT if the SYN turns out to be an old duplicate. Linux has dropped it by then.
    """
    server = lab.kernel.listen(port=80)

    lab.step("The new connection is reset before it is open: the old one's TIME-WAIT is gone too", claims="C111")
    peer = _time_wait(lab, server).peer
    peer.send("S", seq=500)
    peer.expect("SA", ack=501)
    peer.send("R", seq=501)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("No program listens any more: the SYN is answered from TIME-WAIT, which goes on", claims="C111")
    peer = _time_wait(lab, server).peer
    server.close()
    peer.send("S", seq=500)
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.6.1, 3.10.7.4 eighth")
def the_last_ack_may_be_lost_again_and_again(lab: Lab) -> None:
    """In TIME-WAIT the kernel sends the last ACK again, each time that the FIN is sent again."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open()
    peer.fin_wait_2()

    lab.step("The last ACK is lost, and so is the one after it", claims="C114 C115")
    lab.disturb(1, from_kernel=[lost("A"), lost("A", nth=2)])
    peer.send("FA")
    peer.send("FA", seq=1)
    peer.expect_silence()
    lab.verify("the peer's state", "LAST-ACK", str(peer.state))
    lab.kernel.expect_state(peer, "TIME-WAIT")

    lab.step("The third ACK arrives", claims="C114 C115")
    lab.disturb(1)
    peer.send("FA", seq=1)
    peer.expect("A", seq=2, ack=2)
    lab.verify("the peer's state", "CLOSED", str(peer.state))
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.conclude("C115", "each FIN is acknowledged again, the third ACK arrives")


@scenario(section="RFC 9293 3.6.1", sysctls={"net.ipv4.tcp_max_tw_buckets": 0})
def without_time_wait(lab: Lab) -> None:
    """Without TIME-WAIT a FIN that is sent again belongs to no connection, and is answered with a reset."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open()
    peer.fin_wait_2()

    lab.step("The kernel may keep no connection in TIME-WAIT: after its last ACK this one is gone", claims="C113 C115")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.verify("connections that should have waited", 1, lab.kernel.counter("TcpExtTCPTimeWaitOverflow"))
    lab.conclude("C113", "with tcp_max_tw_buckets = 0 no TIME-WAIT")

    lab.step("If that ACK was lost, an orderly close ends in an error for the peer's application", claims="C115")
    peer.send("FA", seq=1)
    peer.expect("R", seq=2)
    lab.conclude("C115", "without TIME-WAIT: R")


@scenario(section="RFC 1337 2, 3; RFC 9293 3.10.7.4 second", sysctls={"net.ipv4.tcp_rfc1337": 0})
def assassination(lab: Lab) -> None:
    """An old duplicate can end TIME-WAIT: the kernel answers it, and the closed other side resets the answer."""
    server = lab.kernel.listen(port=80)
    peer = _time_wait(lab, server).peer

    lab.step("A reset with another number than the next is ignored", claims="C116")
    peer.send("R", seq=1)
    peer.send("R", seq=3)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "TIME-WAIT")

    lab.step("Old data arrives late: the kernel sends its last ACK again", claims="C116")
    peer.send("PA", seq=1, ack=2, payload="x")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")

    lab.step("The peer has no connection: its reset has exactly the next number, and ends TIME-WAIT", claims="C116")
    peer.send("R", seq=2)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")
    lab.conclude("C116", "tcp_rfc1337=0: R with the next number ends TIME-WAIT, with another it does not")


@scenario(section="RFC 1337 3 F1", sysctls={"net.ipv4.tcp_rfc1337": 1})
def assassination_prevented(lab: Lab) -> None:
    """With tcp_rfc1337 a kernel in TIME-WAIT ignores every reset, as RFC 1337 proposes."""
    server = lab.kernel.listen(port=80)
    peer = _time_wait(lab, server).peer

    lab.step("The reset that would have ended TIME-WAIT", claims="C116")
    peer.send("R", seq=2)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "TIME-WAIT")

    lab.conclude("C116", "tcp_rfc1337=1: R is ignored")

    lab.step("The FIN of the peer is still answered", claims="C114 C116")
    peer.send("FA", seq=1)
    peer.expect("A", seq=2, ack=2)


@dataclass(frozen=True)
class _Old:
    """A connection in TIME-WAIT."""

    peer: Peer
    opened_at: float
    """When the kernel chose its ISS, in seconds."""
    last: Segment
    """The kernel's last segment."""

    @property
    def recent(self) -> int:
        """The last timestamp that the kernel has seen."""
        stamp = timestamp(self.last.options)
        assert stamp is not None  # the standing rules make sure of it
        return stamp[1]


def _time_wait(lab: Lab, server: Listener, *, timestamps: bool = False) -> _Old:
    peer = lab.peer(to=server, timestamps=timestamps)
    peer.open()
    opened_at = peer.received_at
    peer.fin_wait_2()
    peer.send("FA")
    last = peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    return _Old(peer, opened_at, last)


def _expect_numbers_above(lab: Lab, old: _Old, ack: int) -> int:
    """Expect a SYN+ACK whose ISS is above the old connection's last number; return the distance.

    Linux before 6.10 lost the chosen ISS on the way to the listener (commit 41eecbd712b7), and used the clock instead.
    """
    answer = old.peer.expect("SA", ack=ack)
    beyond = answer.seq - old.last.seq
    least = most = float(_BEYOND_THE_OLD)
    if beyond != _BEYOND_THE_OLD:
        ticks, inexact = (old.peer.received_at - old.opened_at) / _CLOCK_S, 0.05 / _CLOCK_S
        least, most = max(1, ticks - inexact), ticks + inexact
    lab.verify_between("from the old numbers to the new ISS", least, beyond, most)
    return beyond


def _syn_options(tsval: int | None = None) -> list[Option]:
    stamp: list[Option] = [] if tsval is None else [("NOP", None), ("NOP", None), ("Timestamp", (tsval, 0))]
    return [("MSS", 1460), *stamp]
