"""The machine is held up until a deadline has passed: what has come by then is seen, wherever the lab was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lab import Lab, Peer
from lab.session.errors import Inconclusive, KernelDiffers
from lab.session.polling import poll_until_gone
from lab.wire.faults import lost
from lab.wire.link import Frame

WITHIN_S = 0.02
"""How long the waits below would last."""
HELD_UP_S = 20
READINGS = 25
"""The lab is held up at each of the first readings of the clock in a wait, one after the other."""

Case = tuple[Callable[[], object], Callable[[], object]]
"""What happens while the lab is held up, and the wait for it."""


def data(lab: Lab) -> Case:
    peer = lab.peer(to=lab.kernel.listen(port=0x1000 + len(lab.recording.connections)))
    connection = peer.open()
    return lambda: connection.send("x"), lambda: peer.expect("PA", payload="x", within=WITHIN_S)


def data_over_a_faulty_wire(lab: Lab) -> Case:
    lab.disturb(1, from_kernel=[lost("R")])
    return data(lab)


def retransmissions_ignored(lab: Lab) -> Case:
    peer = lab.peer(to=lab.kernel.listen(port=0x1000 + len(lab.recording.connections)))
    connection = peer.open()
    wait = lab.switchboard.wait_for_new_segment
    return lambda: connection.send("x"), lambda: expect(wait(peer.conversation, deadline_ns(), ""))


def polled(lab: Lab) -> Case:
    peer = lab.peer(to=lab.kernel.listen(port=0x1000 + len(lab.recording.connections)))
    connection = peer.open()
    return lambda: connection.send("x"), lambda: expect(poll(lab, peer) and peer.conversation.inbox)


def polled_until_a_reset(lab: Lab) -> Case:
    """The connection is gone, but its last segment came before that."""
    peer = lab.peer(to=lab.kernel.listen(port=0x1000 + len(lab.recording.connections)))
    connection = peer.open()
    return connection.abort, lambda: expect(poll(lab, peer) and peer.conversation.inbox)


def state(lab: Lab) -> Case:
    peer = lab.peer(to=lab.kernel.listen(port=0x1000 + len(lab.recording.connections))).established()
    return lambda: peer.send("FA"), lambda: lab.kernel.expect_state(peer, "CLOSE-WAIT", within=WITHIN_S)


def accepted(lab: Lab) -> Case:
    server = lab.kernel.listen(port=0x1000 + len(lab.recording.connections))
    peer = lab.peer(to=server).syn_received()
    return lambda: peer.send("A"), lambda: server.accept(within=WITHIN_S)


def connected(lab: Lab) -> Case:
    peer = lab.peer(port=0x1000 + len(lab.recording.connections))
    client = lab.kernel.connect(to=peer)
    peer.expect("S")
    return lambda: peer.send("SA"), lambda: client.expect_connected(within=WITHIN_S)


def received(lab: Lab) -> Case:
    peer = lab.peer(to=lab.kernel.listen(port=0x1000 + len(lab.recording.connections)))
    connection = peer.open()
    return lambda: peer.send("PA", payload="x"), lambda: connection.expect_data("x", within=WITHIN_S)


def deadline_ns() -> int:
    return time.monotonic_ns() + int(WITHIN_S * 1e9)


def poll(lab: Lab, peer: Peer) -> bool:
    now_ns = time.monotonic_ns()
    return poll_until_gone(lab.switchboard, peer.conversation, now_ns, now_ns, deadline_ns()).gone_ns is None


def expect(found: object) -> None:
    if not found:
        raise TimeoutError


@pytest.mark.parametrize(
    "case",
    [
        data,
        data_over_a_faulty_wire,
        retransmissions_ignored,
        polled,
        polled_until_a_reset,
        state,
        accepted,
        connected,
        received,
    ],
    ids=lambda case: case.__name__,
)
def test_what_came_while_the_lab_was_held_up_is_seen(
    lab4: Lab, monkeypatch: pytest.MonkeyPatch, case: Callable[[Lab], Case]
) -> None:
    for nth in range(READINGS):
        happens, wait = case(lab4)
        with monkeypatch.context() as patch:
            hold_up = HoldUp(patch, nth, happens)
            try:
                wait()
            except (KernelDiffers, TimeoutError):
                assert not hold_up.over, f"held up at reading {nth} of the clock"


def test_what_a_timer_sends_after_the_time_of_silence_is_the_next_segment(
    lab4: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = lab4.peer(to=lab4.kernel.listen(port=80))
    connection = peer.open()
    clock = time.monotonic_ns
    late = iter([lambda: connection.send("late")])
    readings: list[int] = []

    def read() -> int:
        readings.append(clock())
        if readings[-1] > readings[0] + int(WITHIN_S * 1e9):
            while clock() < readings[-1] + 1_000_000:  # the clock of frames may differ by some microseconds
                pass
            next(late, lambda: 0)()
        return clock()

    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic_ns", read)
        peer.expect_silence(during=WITHIN_S)
    peer.expect("PA", payload="late")


def test_the_delay_of_a_late_frame_counts_from_when_the_lab_would_have_woken(
    lab4: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the whole machine stands still, the kernel's timers are late, and their frames come at once then."""
    began_ns = time.monotonic_ns()
    due_ns = began_ns + 10_000_000

    class StandingStill:
        def send(self, data: bytes) -> int:
            return len(data)

        def receive(self, deadline_ns: int) -> Frame:
            later_ns = deadline_ns + 500_000_000
            monkeypatch.setattr(time, "monotonic_ns", lambda: later_ns)
            return Frame(later_ns, bytes(60))

    lab4.switchboard.link = StandingStill()
    assert lab4.switchboard.wait(due_ns)
    assert lab4.switchboard.delays.since(began_ns).late >= 0.5
    monkeypatch.undo()


# A timer has ended the connection before the lab could look: nothing is known of the state before that.


@pytest.mark.parametrize("state", ["SYN-SENT", "FIN-WAIT-1", "SYN-RECEIVED", "FIN-WAIT-2"])
def test_a_state_that_timers_may_have_ended_cannot_be_told(lab4: Lab, state: str) -> None:
    for setting, value in ("tcp_orphan_retries", 1), ("tcp_synack_retries", 0), ("tcp_fin_timeout", 1):
        lab4.kernel.sysctl(f"net.ipv4.{setting}", value)
    if state == "SYN-SENT":
        peer = lab4.peer(port=80)
        lab4.kernel.connect(to=peer, options={"TCP_USER_TIMEOUT": 100})
        peer.expect("S")
    else:
        peer = lab4.peer(to=lab4.kernel.listen(port=80)).syn_received()
    if state.startswith("FIN"):
        peer.send("A")
        lab4.kernel.expect_state(peer, "ESTABLISHED")
        assert peer.listener is not None
        peer.listener.accept(of=peer).close()
        peer.expect("FA")
    if state == "FIN-WAIT-2":
        peer.send("A")
    lab4.kernel.expect_state(peer, state)
    lab4.kernel.expect_state(peer, "CLOSED", within=10)
    with pytest.raises(Inconclusive, match="this machine was held up for"):
        lab4.kernel.expect_state(peer, state)


def test_a_state_that_no_timer_can_have_ended_is_told(lab4: Lab) -> None:
    peer = lab4.peer(to=lab4.kernel.listen(port=80)).established()
    peer.send("R")
    lab4.kernel.expect_state(peer, "CLOSED")
    for wanted in "ESTABLISHED", "FIN-WAIT-1", "TIME-WAIT":
        with pytest.raises(KernelDiffers, match="the kernel is in state CLOSED"):
            lab4.kernel.expect_state(peer, wanted)


class HoldUp:
    """Stops the lab at the nth reading of the clock; meanwhile something `happens`."""

    def __init__(self, patch: pytest.MonkeyPatch, nth: int, happens: Callable[[], object]) -> None:
        self.over = False
        self._left, self._happens = nth, happens
        self._clock, self._later_ns = time.monotonic_ns, 0
        self._until_ns = deadline_ns()
        patch.setattr(time, "monotonic_ns", self._read)
        patch.setattr(time, "monotonic", lambda: self._read() / 1e9)

    def _read(self) -> int:
        self._left -= 1
        if self._left == -1 and self._clock() < self._until_ns:  # later the wait may be over
            self._happens()
            self._later_ns = HELD_UP_S * 1_000_000_000
            self.over = True
        return self._clock() + self._later_ns
