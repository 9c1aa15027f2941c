"""A mutant's extra segment lies within the silence that is checked."""

from __future__ import annotations

from lab.mutate.mutant import Mutant, MutantLink, Mutation, Position
from lab.mutate.mutations import encoded
from lab.record.events import Event, FrameSeen
from lab.tcp.flags import SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire import crafting
from tests.unit.crafted import ends
from tests.unit.fake_link import START, FakeLink

ENDS = ends(4)


def test_an_extra_segment_comes_within_the_silence_however_late_the_fence_is() -> None:
    segment = Segment(seq=Seq(7), ack=Seq(0), flags=SYN)
    syn = encoded(ENDS, segment)
    events: list[Event] = [FrameSeen(START, from_peer=True, data=syn, segment=segment, connection=0)]
    mutant = Mutant(Mutation("fence", Position(0, 0), "one segment more"))
    mutant.begin(events)
    fake = FakeLink()
    link = MutantLink(fake, mutant)
    fake.now = wait_ends = START + 200_000_000
    fake.now += 5_000_000_000  # the machine is busy
    link.send(crafting.build_echo_request(4))
    extra = link.receive(fake.now)
    assert extra is not None
    assert START < extra.time_ns < wait_ends
