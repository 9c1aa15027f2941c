"""The tap shows what came off the wire, whatever happens above it."""

from __future__ import annotations

from lab.wire.faults import Action, Fault, FaultyLink
from lab.wire.link import Frame
from lab.wire.tap import TappedLink
from tests.unit.fake_link import START, FakeLink


def test_a_frame_that_is_lost_above_was_shown() -> None:
    shown: list[bytes] = []

    def record(frame: Frame) -> int:
        shown.append(frame.data)
        return len(shown) + 40

    link = FaultyLink(
        TappedLink(FakeLink([Frame(1, b"one"), Frame(2, b"two")]), record),
        1,
        (),
        [Fault(Action.DROP, nth=1, matches=lambda _: True)],
    )
    arrived = link.receive(0)
    assert shown == [b"one", b"two"]
    assert arrived is not None
    assert (arrived.data, arrived.seen_as) == (b"two", 42)


def test_it_passes_on_what_is_sent_and_closes_what_it_wraps() -> None:
    wire = FakeLink()
    link = TappedLink(wire, lambda _: 0)
    assert link.send(b"out") == START
    assert link.receive(0) is None
    link.close()
    assert (wire.sent, wire.closed) == ([(START, b"out")], True)
