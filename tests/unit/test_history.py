"""What was said on a connection so far: what caused it, and how long answers took."""

from __future__ import annotations

import pytest

from lab.record.events import CallMade, FrameSeen
from lab.session.history import History
from lab.tcp.flags import bits
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq


def frame(
    time_ns: int, letters: str, *, seq: int = 0, ack: int = 0, peer: bool = False, again: bool = False
) -> FrameSeen:
    return FrameSeen(time_ns, peer, b"", Segment(Seq(seq), Seq(ack), bits(letters)), 0, None, again)


def test_a_timer_is_set_between_the_cause_and_the_frame() -> None:
    history = History([frame(100, "S", peer=True), frame(700, "SA"), frame(900, "SA", again=True)])
    assert [history.earliest_set_ns(at) for at in range(3)] == [100, 100, 900]
    assert history.timer_set_ns(0) == 900


def test_the_cause_may_be_a_call_and_nothing_that_came_later() -> None:
    call = CallMade(200, "close", (), None, "", 0, None)
    history = History([frame(100, "A", peer=True), call, frame(400, "A", peer=True), frame(300, "FA")])
    assert history.earliest_set_ns(3) == 200


def test_without_a_cause_it_is_the_frame() -> None:
    assert History([frame(300, "S")]).earliest_set_ns(0) == 300


@pytest.mark.parametrize(
    ("answers", "longest"),
    [([], 0), ([frame(500, "A", ack=1, peer=True)], 400e-9), ([frame(500, "A", ack=0, peer=True)], 0)],
    ids=["none", "one", "one of something older"],
)
def test_the_longest_round_trip(answers: list[FrameSeen], longest: float) -> None:
    assert History([frame(100, "SA"), *answers]).longest_round_trip(0) == pytest.approx(longest)
