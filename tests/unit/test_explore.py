"""Endpoint against endpoint: every order of loss, duplication, delay and reordering, up to a number of faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.tcp.diagram import CLOSE_WAIT, CLOSED, ESTABLISHED, FIN_WAIT_2, LISTEN, SYN_RECEIVED, SYN_SENT
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.input import segment_arrives
from lab.tcp.output import segments_owed
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from tests.unit import explore
from tests.unit.explore import Action, Explorer, World, begin, told

LEFT = Config(syn_retries=30, synack_retries=30, retries=30)
RIGHT = Config(syn_retries=30, synack_retries=30, retries=30, iss=Seq(7000))
CLOSE: Action = ("close", b"")
ASK, ANSWER = b"ask", b"answer"
Plans = tuple[tuple[Action, ...], tuple[Action, ...]]
BOTH_CLOSE: Plans = ((CLOSE,), (CLOSE,))
LEFT_CLOSES: Plans = ((CLOSE,), ())
NOBODY_CLOSES: Plans = ((), ())
TALK: Plans = ((("send", ASK), CLOSE), (("send", ANSWER), CLOSE))
ASKS: Plans = ((("send", ASK), CLOSE), (CLOSE,))


def sound(plans: Plans) -> Callable[[World, bool], None]:
    """Nobody believes in what was not sent; at the end all text has been read once, and nobody has an error."""
    texts = [b"".join(text for _, text in plan) for plan in reversed(plans)]

    def check(world: World, at_its_end: bool) -> None:
        for (own, other), read, text in zip((world.ends, world.ends[::-1]), world.got, texts, strict=True):
            assert text.startswith(read), told(world)
            if CLOSED not in (own.state, other.state) and own.irs == other.iss:
                assert own.rcv_nxt <= other.snd_nxt, told(world)
        if at_its_end:
            assert [end.error for end in world.ends] == [None, None], told(world)
            assert list(world.got) == texts, told(world)
            assert world.plans == ((), ()), told(world)

    return check


@pytest.mark.parametrize(
    ("plans", "both_open", "faults", "ends"),
    [
        pytest.param(NOBODY_CLOSES, False, 3, (ESTABLISHED, ESTABLISHED), id="open"),
        pytest.param(NOBODY_CLOSES, True, 3, (ESTABLISHED, ESTABLISHED), id="simultaneous open"),
        pytest.param(LEFT_CLOSES, False, 2, (FIN_WAIT_2, CLOSE_WAIT), id="half-close"),
        pytest.param(BOTH_CLOSE, False, 2, (CLOSED, CLOSED), id="open and close"),
        pytest.param(BOTH_CLOSE, True, 2, (CLOSED, CLOSED), id="simultaneous open, and close"),
        pytest.param(ASKS, False, 1, (CLOSED, CLOSED), id="text one way"),
        pytest.param(TALK, False, 1, (CLOSED, CLOSED), id="text both ways"),
    ],
)
def test_every_schedule_ends_well(
    plans: Plans, both_open: bool, faults: int, ends: tuple[object, object], record_property: Callable[[str, Any], None]
) -> None:
    explorer = Explorer(sound(plans))
    schedules = explorer.explore(begin(LEFT, RIGHT, plans, faults, both_open=both_open))
    record_property("explored", f"{schedules:,} schedules of up to {faults} faults ({explorer.worlds:,} worlds)")
    assert explorer.ends == {ends}


@pytest.mark.parametrize(
    ("plans", "count"),
    [
        # S, SA, A arrive one after the other: there is nothing to choose.
        pytest.param(NOBODY_CLOSES, 1, id="open"),
        # The left side closes before or after its ACK has arrived; its FIN follows the ACK.
        pytest.param(LEFT_CLOSES, 2, id="half-close"),
    ],
)
def test_schedules_without_faults_can_be_counted_by_hand(plans: Plans, count: int) -> None:
    assert Explorer(sound(plans)).explore(begin(LEFT, RIGHT, plans, 0)) == count


def ignores_what_is_old(patch: pytest.MonkeyPatch) -> None:
    def arrive_unless_old(endpoint: Endpoint, segment: Segment, now: float) -> None:
        if endpoint.state in (LISTEN, SYN_SENT) or segment.end > endpoint.rcv_nxt or not segment.length:
            segment_arrives(endpoint, segment, now)

    patch.setattr(explore, "segment_arrives", arrive_unless_old)


def never_repeats_its_syn_ack(patch: pytest.MonkeyPatch) -> None:
    def owed_without_a_timer(endpoint: Endpoint, now: float) -> list[Segment]:
        segments = segments_owed(endpoint, now)
        if endpoint.state is SYN_RECEIVED:
            endpoint.retransmit_at = None
        return segments

    patch.setattr(explore, "segments_owed", owed_without_a_timer)


def reads_twice_what_comes_twice(patch: pytest.MonkeyPatch) -> None:
    def arrive_at_the_edge(endpoint: Endpoint, segment: Segment, now: float) -> None:
        if segment.payload and endpoint.state in (ESTABLISHED, CLOSE_WAIT):
            segment = segment._replace(seq=endpoint.rcv_nxt)
        segment_arrives(endpoint, segment, now)

    patch.setattr(explore, "segment_arrives", arrive_at_the_edge)


@pytest.mark.parametrize(
    ("broken", "plans"),
    [(ignores_what_is_old, BOTH_CLOSE), (never_repeats_its_syn_ack, BOTH_CLOSE), (reads_twice_what_comes_twice, TALK)],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_single_fault_shows_what_is_broken(
    broken: Callable[[pytest.MonkeyPatch], None], plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    explorer = Explorer(sound(plans))
    with pytest.raises(AssertionError):
        explorer.explore(begin(LEFT, RIGHT, plans, 1))
