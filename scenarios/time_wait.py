"""TIME-WAIT: who closed first remembers the connection for a while, to keep what is left of it out of the next one."""

from dataclasses import dataclass

from lab import Lab, Listener, Peer, scenario
from lab.tcp.options import Option, timestamp
from lab.tcp.segment import Segment
from lab.wire.faults import lost

_BEYOND_THE_OLD = 65537
"""A window without scale, and two: where the new numbers begin behind the old (Linux's choice)."""
_CLOCK_S = 64e-9
"""Otherwise, as for every connection, the ISS is a secret plus a clock of 64 ns."""


@scenario(section="RFC 9293 3.6.1 MAY-2, 3.10.7.4 fourth")
def a_new_syn_with_a_higher_number(lab: Lab) -> None:
    """A SYN numbered above all that came before is no old one: the kernel lets TIME-WAIT go and opens at once.

    Its own numbers begin far enough above the old ones that nothing left over can be taken for new.
    """
    server = lab.kernel.listen(port=80)
    old = _time_wait(lab, server)
    peer = old.peer

    lab.step("The new connection of the same four numbers: its SYN lies above the old FIN", claims="C111")
    peer.send("S", seq=3)
    beyond = _expect_numbers_above(lab, old, ack=4)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.measured("C111", f"new ISS = old SND.NXT + {beyond}")

    lab.step("It is a connection like any other", claims="C111")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=9)
    server.accept().expect_data("hello")


@scenario(section="RFC 9293 3.6.1, 3.10.7.3; RFC 6191 2")
def a_new_syn_with_a_lower_number(lab: Lab) -> None:
    """A SYN with a number that was used already may be an old one: it is refused, but not for long.

    RFC 6191 would drop it in silence. Linux answers with its last ACK; a host that knows nothing of it resets, and that
    clears the way for the SYN when it comes again.
    """
    server = lab.kernel.listen(port=80)
    peer = _time_wait(lab, server).peer

    lab.step("The SYN has the number that comes next, which is one too low: refused", claims="C111")
    peer.send("S", seq=2)
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.measured("C111", "a SYN with a lower number: A")

    lab.step(
        "The host that wants to connect has sent nothing yet that could be acknowledged: reset", claims="C111 C116"
    )
    peer.send("R", seq=2)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("The SYN comes again, to a kernel that has forgotten the old connection", claims="C111")
    peer.send("S", seq=2)
    peer.expect("SA", ack=3)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")


@scenario(section="RFC 6191 2; RFC 7323 5.3")
def timestamps_tell_old_from_new(lab: Lab) -> None:
    """With timestamps the younger SYN is known by its clock, whatever its number. An older clock is never believed."""
    server = lab.kernel.listen(port=80)

    lab.step("A lower number and a newer timestamp: accepted", claims="C111")
    old = _time_wait(lab, server, timestamps=True)
    old.peer.send("S", seq=-5000, options=_syn_options(old.recent + 1))
    _expect_numbers_above(lab, old, ack=-4999)

    lab.measured("C111", "a lower number and a newer timestamp: SA")

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

    lab.measured("C111", "a higher number and an older timestamp: A")

    lab.step("A lower number and the same timestamp: refused", claims="C111")
    old = _time_wait(lab, server, timestamps=True)
    old.peer.send("S", seq=-5000, options=_syn_options(old.recent))
    old.peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(old.peer, "TIME-WAIT")

    lab.step("Linux asks for timestamps on both: a first one on the new SYN alone does not count", claims="C111")
    old = _time_wait(lab, server)
    old.peer.send("S", seq=-5000, options=_syn_options(1))
    old.peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(old.peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.6.1 MAY-2; 3.10.7.4 second")
def what_becomes_of_the_shortened_wait(lab: Lab) -> None:
    """TIME-WAIT gives way only to a listener, and does not come back if nothing comes of the new connection.

    RFC 9293 wants to return to TIME-WAIT if the SYN turns out to be an old duplicate. Linux has let it go by then.
    """
    server = lab.kernel.listen(port=80)

    lab.step("The new connection is reset before it is open: the old one's TIME-WAIT is gone too", claims="C111")
    peer = _time_wait(lab, server).peer
    peer.send("S", seq=500)
    peer.expect("SA", ack=501)
    peer.send("R", seq=501)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("Nobody listens any more: the SYN is answered from TIME-WAIT, which goes on", claims="C111")
    peer = _time_wait(lab, server).peer
    server.close()
    peer.send("S", seq=500)
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.6.1, 3.10.7.4 eighth")
def the_last_ack_may_be_lost_again_and_again(lab: Lab) -> None:
    """TIME-WAIT cannot make the last ACK arrive. It can send it again, each time that the FIN comes again."""
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

    lab.step("The third arrives: it was worth waiting", claims="C114 C115")
    lab.disturb(1)
    peer.send("FA", seq=1)
    peer.expect("A", seq=2, ack=2)
    lab.verify("the peer's state", "CLOSED", str(peer.state))
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.measured("C115", "each FIN is acknowledged again, the third ACK arrives")


@scenario(section="RFC 9293 3.6.1", sysctls={"net.ipv4.tcp_max_tw_buckets": 0})
def without_time_wait(lab: Lab) -> None:
    """What TIME-WAIT is for shows when there is none: the FIN that comes again finds nobody, and is reset."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open()
    peer.fin_wait_2()

    lab.step(
        "The kernel may keep no connection in TIME-WAIT: with its last ACK it forgets this one", claims="C113 C115"
    )
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.verify("connections that should have waited", 1, lab.kernel.counter("TcpExtTCPTimeWaitOverflow"))
    lab.measured("C113", "with tcp_max_tw_buckets = 0 no TIME-WAIT")

    lab.step("Had that ACK been lost: an orderly close ends in an error for the peer's application", claims="C115")
    peer.send("FA", seq=1)
    peer.expect("R", seq=2)
    lab.measured("C115", "without TIME-WAIT: R")


@scenario(section="RFC 1337 2, 3; RFC 9293 3.10.7.4 second", sysctls={"net.ipv4.tcp_rfc1337": 0})
def assassination(lab: Lab) -> None:
    """An old duplicate can kill TIME-WAIT: the kernel answers it, and the other side, which has closed, resets that."""
    server = lab.kernel.listen(port=80)
    peer = _time_wait(lab, server).peer

    lab.step("A reset with another number than the next is ignored", claims="C116")
    peer.send("R", seq=1)
    peer.send("R", seq=3)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "TIME-WAIT")

    lab.step("Old data, late: the kernel says once more what it has", claims="C116")
    peer.send("PA", seq=1, ack=2, payload="x")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")

    lab.step("The peer knows of no connection: its reset has exactly the next number, and ends the wait", claims="C116")
    peer.send("R", seq=2)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")
    lab.measured("C116", "tcp_rfc1337=0: R with the next number ends TIME-WAIT, with another it does not")


@scenario(section="RFC 1337 3 F1", sysctls={"net.ipv4.tcp_rfc1337": 1})
def assassination_prevented(lab: Lab) -> None:
    """With tcp_rfc1337 a kernel in TIME-WAIT ignores every reset, as RFC 1337 proposes."""
    server = lab.kernel.listen(port=80)
    peer = _time_wait(lab, server).peer

    lab.step("The reset that would have ended the wait", claims="C116")
    peer.send("R", seq=2)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "TIME-WAIT")

    lab.measured("C116", "tcp_rfc1337=1: R is ignored")

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
        assert stamp is not None  # the standing rules see to it
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
    """A SYN+ACK whose ISS lies above the old connection's last number; by how much.

    Linux before 6.10 mislaid its choice on the way to the listener (commit 41eecbd712b7), so that the clock decided.
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
