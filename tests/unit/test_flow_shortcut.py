"""The short cut for ordinary segments against the table of rules that it passes by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tcp.flags import ACK, FIN, PSH, RST, SYN
from lab.tcp.flow import Flow, Half
from lab.tcp.options import Options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

OURS, THEIRS = Seq(2**32 - 2), Seq(2**32 - 3)
NO_OPTIONS: Options = ()
TIMES: Options = (("NOP", None), ("NOP", None), ("Timestamp", (5, 7)))

segments = st.builds(
    Segment,
    seq=st.integers(-1, 4).map(lambda n: THEIRS + n),
    ack=st.integers(-1, 4).map(lambda n: OURS + n),
    flags=st.sampled_from([ACK, ACK, FIN | ACK, PSH | ACK, RST | ACK, FIN, SYN | ACK]),
    window=st.sampled_from([1000, 1000, 999, 0]),
    options=st.sampled_from([NO_OPTIONS, NO_OPTIONS, TIMES]),
    payload=st.sampled_from([b"", b"", b"x"]),
    urgent=st.sampled_from([0, 0, 0, 1]),
    reserved=st.sampled_from([0, 0, 0, 1]),
    faults=st.sampled_from([(), (), ("a wrong checksum",)]),
)
ours = st.builds(
    Segment,
    seq=st.integers(0, 3).map(lambda n: OURS + n),
    ack=st.integers(0, 3).map(lambda n: THEIRS + n),
    flags=st.sampled_from([ACK, FIN | ACK, RST]),
    window=st.just(100),
)


class WithoutShortCut(Flow):
    """Every segment goes through the table."""

    __slots__ = ()

    def _goes_on_as_before(self, segment: Segment) -> bool:  # noqa: ARG002  # an override
        return False


def opened(flow: Flow, syn_options: Options) -> Flow:
    ours: Options = (("Timestamp", (7, 0)),) if syn_options else ()
    flow.sent(Segment(OURS, Seq(0), SYN, 100, ours), 0)
    assert flow.judge(Segment(THEIRS, OURS + 1, SYN | ACK, 1000, syn_options), 0) == ()
    return flow


def known(half: Half) -> dict[str, object]:
    return {name: getattr(half, name) for name in Half.__slots__}


@given(st.lists(st.one_of(segments, segments, ours.map(lambda s: s._replace(reserved=8))), max_size=8))
@pytest.mark.parametrize("syn_options", [(), (("Timestamp", (5, 7)),)], ids=["plain", "with timestamps"])
def test_the_short_cut_says_what_the_table_says(syn_options: Options, exchange: list[Segment]) -> None:
    flow, table = opened(Flow(), syn_options), opened(WithoutShortCut(), syn_options)
    for segment in exchange:
        if segment.reserved == 8:  # marks our own
            flow.sent(segment._replace(reserved=0), 0)
            table.sent(segment._replace(reserved=0), 0)
            continue
        assert flow.judge(segment, 0) == table.judge(segment, 0)
        assert known(flow.theirs) == known(table.theirs)
        assert known(flow.ours) == known(table.ours)


def test_an_ordinary_ack_takes_the_short_cut() -> None:
    flow = opened(Flow(), ())
    assert flow._goes_on_as_before(Segment(THEIRS + 1, OURS + 1, ACK, 1000))
