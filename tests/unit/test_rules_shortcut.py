"""The short cut for ordinary segments against the table of rules that it passes by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tcp.flags import ACK, FIN, PSH, RST, SYN
from lab.tcp.flow import Flow, Half
from lab.tcp.options import Options
from lab.tcp.rules import judge
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

OURS, THEIRS = Seq(2**32 - 2), Seq(2**32 - 3)
NO_OPTIONS: Options = ()
TIMES: Options = (("NOP", None), ("NOP", None), ("Timestamp", (5, 7)))

# What makes an ordinary segment another one: one field at a time, or none.
CHANGES: list[dict[str, object]] = [
    {},
    {"seq": 1},
    {"seq": -1},
    {"ack": 1},
    {"ack": -1},
    {"flags": PSH | ACK},
    {"flags": RST | ACK},
    {"flags": FIN},
    {"flags": SYN | ACK},
    {"window": 999},
    {"window": 2000},
    {"options": TIMES},
    {"payload": b"x"},
    {"urgent": 1},
    {"reserved": 1},
    {"faults": ("a wrong checksum",)},
]
steps = st.tuples(
    st.sampled_from([ACK, FIN | ACK]), st.one_of(st.just(CHANGES[0]), st.sampled_from(CHANGES)), st.booleans()
)


def changed(flow: Flow, flags: int, change: dict[str, object]) -> Segment:
    """Their next segment, but for the change; numbers in it count from the right ones."""
    assert flow.theirs.nxt is not None
    assert flow.ours.nxt is not None
    segment = Segment(flow.theirs.nxt, flow.ours.nxt, flags, 1000)
    moved = {"seq": segment.seq + change.get("seq", 0), "ack": segment.ack + change.get("ack", 0)}  # type: ignore[operator]
    return segment._replace(**{**change, **moved})  # type: ignore[arg-type]  # names of fields


class WithoutShortCut(Flow):
    """Every segment goes through the table."""

    __slots__ = ()

    def continues(self, segment: Segment) -> bool:  # noqa: ARG002  # an override
        return False


def opened(flow: Flow, syn_options: Options) -> Flow:
    ours: Options = (("Timestamp", (7, 0)),) if syn_options else ()
    flow.sent(Segment(OURS, Seq(0), SYN, 100, ours))
    assert judge(flow, Segment(THEIRS, OURS + 1, SYN | ACK, 1000, syn_options)) == ()
    return flow


def known(half: Half) -> dict[str, object]:
    return {name: getattr(half, name) for name in Half.__slots__}


@given(st.lists(steps, min_size=1, max_size=6))
@pytest.mark.parametrize("syn_options", [(), (("Timestamp", (5, 7)),)], ids=["plain", "with timestamps"])
def test_the_short_cut_says_what_the_table_says(
    syn_options: Options, exchange: list[tuple[int, dict[str, object], bool]]
) -> None:
    flow, table = opened(Flow(), syn_options), opened(WithoutShortCut(), syn_options)
    for flags, change, we_answer in exchange:
        segment = changed(flow, flags, change)
        assert judge(flow, segment) == judge(table, segment)
        assert known(flow.theirs) == known(table.theirs)
        if we_answer:
            assert flow.theirs.nxt is not None
            answer = Segment(OURS + 1, flow.theirs.nxt, flags, 100)
            flow.sent(answer)
            table.sent(answer)
            assert known(flow.ours) == known(table.ours)


@pytest.mark.parametrize("change", CHANGES[1:], ids=lambda change: next(iter(change)))
def test_only_ordinary_segments_take_it(change: dict[str, object]) -> None:
    flow = opened(Flow(), ())
    ordinary = change == {"window": 2000}
    assert flow.continues(changed(flow, ACK, change)) is ordinary


def test_an_ordinary_ack_takes_the_short_cut() -> None:
    flow = opened(Flow(), ())
    assert flow.continues(Segment(THEIRS + 1, OURS + 1, ACK, 1000))
