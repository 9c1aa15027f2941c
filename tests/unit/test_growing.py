"""The ladder of `lab watch`: each rung once, with the states that both kernels have after it."""

from __future__ import annotations

import pytest

from lab.report.growing import SETTLED_NS, GrowingLadder, StateChange
from lab.report.ladder_model import Kind, Rung, Sides
from lab.tcp import flags
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.frames import Encoder, Endpoints
from lab.wire.ip import packed

S = State
KERNEL, PEER = packed("192.0.2.1"), packed("192.0.2.2")
ENDS = Endpoints(KERNEL, 80, PEER, 40001)
LATER_NS = 10**12
MS = 1_000_000


class Wire:
    """Two kernels whose segments and changes of state the test writes down; times in ms after 1 s."""

    def __init__(self) -> None:
        self.ladder = GrowingLadder()
        self.iss = {True: 1000, False: 9000}

    def segment(self, at_ms: float, letters: str, seq: int, ack: int = 0, *, from_peer: bool, size: int = 0) -> None:
        own, other = self.iss[from_peer], self.iss[not from_peer]
        acked = other + ack if "A" in letters else 0
        segment = Segment(Seq(own + seq), Seq(acked), flags.bits(letters), 500, payload=b"x" * size)
        ports, ends = ((40001, 80), (PEER, KERNEL)) if from_peer else ((80, 40001), (KERNEL, PEER))
        data = Encoder(*ends, "02:00:00:00:00:02", "02:00:00:00:00:01").encode(*ports, segment)
        self.ladder.frame(self.ns(at_ms), data, from_peer=from_peer)

    def state(self, at_ms: float, state: State, *, of_peer: bool, ends: Endpoints = ENDS) -> None:
        self.ladder.change(StateChange(self.ns(at_ms), of_peer, ends, state))

    def ns(self, at_ms: float) -> int:
        return 1_000_000_000 + int(at_ms * MS)

    def opened(self) -> None:
        """A handshake as the tracepoint reports it: SYN-RECEIVED late, SYN-SENT without a port."""
        self.segment(1, "S", 0, from_peer=True)
        self.segment(2, "SA", 0, 1, from_peer=False)
        self.segment(3, "A", 1, 1, from_peer=True)
        self.state(0.9, S.SYN_SENT, of_peer=True, ends=ENDS._replace(destination_port=0))
        self.state(2.5, S.ESTABLISHED, of_peer=True)
        self.state(3.1, S.SYN_RECEIVED, of_peer=False)
        self.state(3.2, S.ESTABLISHED, of_peer=False)

    def rungs(self, now_ns: int = LATER_NS) -> list[Rung]:
        return self.ladder.complete(now_ns).rungs


def test_a_handshake_has_the_states_of_both_kernels() -> None:
    wire = Wire()
    wire.opened()
    rungs = wire.rungs()
    assert [(rung.letters, rung.from_peer) for rung in rungs] == [("S", True), ("SA", False), ("A", True)]
    assert [rung.after for rung in rungs] == [
        Sides(S.SYN_SENT, S.SYN_RECEIVED),
        Sides(S.ESTABLISHED, S.SYN_RECEIVED),
        Sides(S.ESTABLISHED, S.ESTABLISHED),
    ]
    assert [rung.text for rung in rungs] == ["0:0(0) win 500", "0:0(0) ack 1 win 500", "1:1(0) ack 1 win 500"]
    assert [rung.time_ns for rung in rungs] == [0, MS, 2 * MS]
    assert wire.rungs() == [], "each rung comes once"


def test_a_state_that_a_segment_shows_waits_for_this_segment() -> None:
    """The application closes just after it has read the other side's FIN: LAST-ACK belongs to its own FIN."""
    wire = Wire()
    wire.opened()
    wire.segment(10, "FA", 1, 1, from_peer=True)
    wire.segment(10.2, "A", 1, 2, from_peer=False)
    wire.segment(12, "FA", 1, 2, from_peer=False)
    wire.segment(13, "A", 2, 2, from_peer=True)
    wire.state(9.9, S.FIN_WAIT_1, of_peer=True)
    wire.state(10.1, S.CLOSE_WAIT, of_peer=False)
    wire.state(10.3, S.FIN_WAIT_2, of_peer=True)
    wire.state(11.9, S.LAST_ACK, of_peer=False)
    wire.state(12.1, S.TIME_WAIT, of_peer=True)
    wire.state(13.1, S.CLOSED, of_peer=False)
    assert [rung.after for rung in wire.rungs()[3:]] == [
        Sides(S.FIN_WAIT_1, S.CLOSE_WAIT),
        Sides(S.FIN_WAIT_2, S.CLOSE_WAIT),
        Sides(S.TIME_WAIT, S.LAST_ACK),
        Sides(S.TIME_WAIT, S.CLOSED),
    ]
    assert list(wire.ladder.open) == [ENDS]


@pytest.mark.parametrize("of_peer", [True, False], ids=["peer", "kernel"])
def test_a_timer_changes_the_state_without_a_segment(of_peer: bool) -> None:
    wire = Wire()
    wire.opened()
    before = wire.rungs(wire.ns(200))[-1].after
    wire.state(60_003, S.CLOSED, of_peer=of_peer)
    assert wire.rungs(wire.ns(60_050)) == [], "a segment could still follow"
    wait, changed = wire.rungs()
    assert (wait.kind, wait.waited_ns, changed.kind) == (Kind.WAIT, 60_000 * MS, Kind.STATE)
    assert changed.new == (Sides(S.CLOSED, None) if of_peer else Sides(None, S.CLOSED))
    assert changed.before == before
    wire.state(60_003, S.CLOSED, of_peer=not of_peer)
    wire.rungs()
    assert list(wire.ladder.open) == []


def test_a_rung_waits_until_its_states_are_known() -> None:
    wire = Wire()
    wire.segment(0, "S", 0, from_peer=True)
    assert wire.rungs(wire.ns(0) + SETTLED_NS - 1) == []
    wire.state(0.1, S.SYN_RECEIVED, of_peer=False)
    (rung,) = wire.rungs(wire.ns(0) + SETTLED_NS)
    assert rung.after == Sides(None, S.SYN_RECEIVED)


def test_a_retransmission_is_marked_and_a_keep_alive_is_not() -> None:
    wire = Wire()
    wire.opened()
    wire.segment(10, "PA", 1, 1, from_peer=True, size=5)
    wire.segment(310, "PA", 1, 1, from_peer=True, size=5)
    wire.segment(311, "A", 0, 6, from_peer=False)
    _, _, _, first, wait, second, keep_alive = wire.rungs()
    assert [each.retransmission for each in (first, second, keep_alive)] == [False, True, False]
    assert (wait.kind, wait.timer) == (Kind.WAIT, "retransmission")


def test_numbers_of_a_connection_that_was_open_before_begin_at_1() -> None:
    wire = Wire()
    wire.segment(0, "PA", 700, 300, from_peer=True, size=5)
    wire.segment(1, "A", 300, 705, from_peer=False)
    assert [rung.text for rung in wire.rungs()] == ["1:6(5) ack 1 win 500", "1:1(0) ack 6 win 500"]


def test_a_port_used_again_is_a_new_connection_of_the_same_name() -> None:
    wire = Wire()
    wire.opened()
    wire.state(20, S.CLOSED, of_peer=True)
    wire.state(20, S.CLOSED, of_peer=False)
    wire.rungs()
    wire.iss = {True: 500_000, False: 700_000}
    wire.segment(5000, "S", 0, from_peer=True)
    wire.segment(5001, "SA", 0, 1, from_peer=False)
    _, syn, answer = wire.rungs()
    assert (syn.text, answer.text, answer.retransmission) == ("0:0(0) win 500", "0:0(0) ack 1 win 500", False)
    assert (syn.connection, syn.before) == (0, Sides())


def test_a_change_read_too_late_changes_nothing() -> None:
    wire = Wire()
    wire.opened()
    wire.rungs()
    wire.state(2.4, S.SYN_SENT, of_peer=True)
    wire.state(3.1, S.SYN_RECEIVED, of_peer=False)
    assert wire.rungs() == []


def test_a_port_that_is_not_chosen_yet_is_that_of_the_next_connection() -> None:
    wire = Wire()
    wire.segment(0, "S", 0, from_peer=True)
    wire.state(5, S.SYN_SENT, of_peer=True, ends=ENDS._replace(destination_port=0))
    data = Encoder(PEER, KERNEL, "02:00:00:00:00:02", "02:00:00:00:00:01")
    wire.ladder.frame(wire.ns(6), data.encode(40002, 80, Segment(Seq(1), Seq(0), flags.SYN)), from_peer=True)
    assert [rung.after.peer for rung in wire.rungs()] == [None, S.SYN_SENT]


def test_connections_have_names_once_there_are_two() -> None:
    wire = Wire()
    wire.opened()
    assert wire.ladder.complete(LATER_NS).names == [""]
    data = Encoder(PEER, KERNEL, "02:00:00:00:00:02", "02:00:00:00:00:01")
    wire.ladder.frame(2 * 10**9, data.encode(40002, 80, Segment(Seq(1), Seq(0), flags.SYN)), from_peer=True)
    assert wire.ladder.complete(LATER_NS).names == ["40001", "40002"]
    wire.ladder.frame(3 * 10**9, b"no TCP", from_peer=True)
    assert wire.rungs() == []
