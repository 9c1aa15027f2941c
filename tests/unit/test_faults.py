from __future__ import annotations

import random

import pytest

from lab.tcp.flags import bits
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire.faults import Action, Fault, FaultyLink, lost
from lab.wire.frames import decode
from lab.wire.icmp import Echo
from lab.wire.link import Frame
from tests.unit.crafted import ADDRESSES, DESTINATION_MAC, SOURCE_MAC, packet
from tests.unit.fake_link import START, FakeLink

FRAMES = [bytes(packet(4, Segment(Seq(number), Seq(0), 0x10))) for number in range(200)]
MS = 1_000_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[FakeLink]:
    """The link whose time is the time."""
    links: list[FakeLink] = []
    monkeypatch.setattr("lab.wire.faults.time.monotonic_ns", lambda: links[-1].now)
    return links


def sends(clock: list[FakeLink], count: int, *faults: Fault, seed: int = 1) -> list[int]:
    """The numbers of the frames that leave when `count` are sent."""
    clock.append(FakeLink())
    link = FaultyLink(clock[-1], seed, sending=faults)
    for data in FRAMES[:count]:
        link.send(data)
    return [FRAMES.index(data) for _, data in clock[-1].sent]


def receives(clock: list[FakeLink], count: int, *faults: Fault, seed: int = 1) -> list[tuple[int, int]]:
    """Number and time (ms) of the frames that come through when one arrives every ms."""
    clock.append(FakeLink(Frame(START + number * MS, FRAMES[number]) for number in range(count)))
    link = FaultyLink(clock[-1], seed, receiving=faults)
    got = []
    while (frame := link.receive(START + 1000 * MS)) is not None:
        got.append((FRAMES.index(frame.data), (frame.time_ns - START) // MS))
    assert clock[-1].now == START + 1000 * MS
    return got


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault(Action.DROP, nth=2), [0, 2, 3]),
        (Fault(Action.DROP), []),
        (Fault(Action.DROP, probability=0.0), [0, 1, 2, 3]),
        (Fault(Action.DROP, matches=lambda data: data in FRAMES[1:3]), [0, 3]),
        (Fault(Action.DROP, nth=2, matches=lambda data: data in FRAMES[1:3]), [0, 1, 3]),
        (Fault(Action.DUPLICATE, nth=3), [0, 1, 2, 2, 3]),
        (Fault(Action.REORDER, nth=1), [1, 0, 2, 3]),
        (Fault(Action.REORDER, nth=4), [0, 1, 2]),
        (Fault(Action.DELAY, nth=1, delay_s=0.0), [0, 1, 2, 3]),
    ],
    ids=["drop", "drop all", "drop none", "drop some", "drop second of some", "duplicate", "reorder", "hold the last",
         "no delay"],
)  # fmt: skip
def test_one_fault_in_each_direction(clock: list[FakeLink], fault: Fault, left: list[int]) -> None:
    assert sends(clock, 4, fault) == left
    assert [number for number, _ in receives(clock, 4, fault)] == left


def test_faults_add_up(clock: list[FakeLink]) -> None:
    twice = Fault(Action.DUPLICATE, nth=1)
    assert sends(clock, 3, twice, twice, Fault(Action.REORDER, nth=1)) == [1, 0, 0, 0, 0, 2]
    assert sends(clock, 2, twice, Fault(Action.DROP, nth=1)) == [1]


def test_a_held_frame_waits_for_one_that_passes(clock: list[FakeLink]) -> None:
    assert sends(clock, 4, Fault(Action.REORDER, nth=1), Fault(Action.DROP, nth=2)) == [2, 0, 3]
    assert sends(clock, 4, Fault(Action.REORDER, nth=1), Fault(Action.REORDER, nth=2)) == [2, 0, 1, 3]


def test_a_delayed_frame_arrives_when_its_time_has_come(clock: list[FakeLink]) -> None:
    late = Fault(Action.DELAY, nth=1, delay_s=0.0025)
    assert receives(clock, 5, late) == [(1, 1), (2, 2), (0, 2), (3, 3), (4, 4)]


def test_a_delayed_frame_leaves_while_somebody_waits(clock: list[FakeLink]) -> None:
    clock.append(FakeLink())
    link = FaultyLink(clock[-1], 1, sending=[Fault(Action.DELAY, nth=1, delay_s=0.005)])
    assert link.send(FRAMES[0]) == START
    assert clock[-1].sent == []
    assert link.receive(START + 3 * MS) is None
    assert clock[-1].sent == []
    assert link.receive(START + 9 * MS) is None
    assert clock[-1].sent == [(START + 5 * MS, FRAMES[0])]


def test_deadline_zero_does_not_wait(clock: list[FakeLink]) -> None:
    clock.append(FakeLink([Frame(START, FRAMES[0]), Frame(START, FRAMES[1]), Frame(START + MS, FRAMES[2])]))
    link = FaultyLink(clock[-1], 1, receiving=[Fault(Action.DROP, nth=1)])
    assert link.receive(0) == Frame(START, FRAMES[1])
    assert link.receive(0) is None
    assert clock[-1].now == START


def test_chance_is_the_seed_alone(clock: list[FakeLink]) -> None:
    faults = Fault(Action.DROP, 0.2), Fault(Action.DUPLICATE, 0.2), Fault(Action.REORDER, 0.2)
    first = sends(clock, 200, *faults)
    assert sends(clock, 200, *faults) == first
    assert sends(clock, 200, *faults, seed=2) != first
    assert [number for number, _ in receives(clock, 200, *faults)] != first, "the directions have chances of their own"
    assert 10 < len(set(range(200)) - set(first)) < 70


def test_an_alteration_gets_the_frame_and_chance(clock: list[FakeLink]) -> None:
    def alter(data: bytes, chance: random.Random) -> bytes:
        assert data == FRAMES[0]
        return FRAMES[chance.randrange(5, 9)]

    numbers = {sends(clock, 1, Fault(Action.ALTER, alter=alter), seed=seed)[0] for seed in range(20)}
    assert numbers == {5, 6, 7, 8}


def test_by_itself_an_alteration_is_one_bit_that_a_checksum_notices(clock: list[FakeLink]) -> None:
    clock.append(FakeLink())
    link = FaultyLink(clock[-1], 3, sending=[Fault(Action.ALTER)])
    for data in FRAMES:
        link.send(data)
    for (_, altered), data in zip(clock[-1].sent, FRAMES, strict=True):
        difference = int.from_bytes(altered, "big") ^ int.from_bytes(data, "big")
        assert difference.bit_count() == 1
        received = decode(altered)
        assert received is None or received.segment.faults


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("action", list(Action), ids=lambda action: action.value)
def test_the_fence_is_never_struck(clock: list[FakeLink], family: int, action: Action) -> None:
    clock.append(FakeLink())
    request = Echo(family, *ADDRESSES[family], (SOURCE_MAC, DESTINATION_MAC)).request()
    FaultyLink(clock[-1], 1, sending=[Fault(action, delay_s=1.0)]).send(request)
    assert [data for _, data in clock[-1].sent] == [request]


def test_faulty_links_wrap_one_another(clock: list[FakeLink]) -> None:
    clock.append(FakeLink())
    inner = FaultyLink(clock[-1], 1, sending=[Fault(Action.DROP, nth=1)])
    outer = FaultyLink(inner, 1, sending=[Fault(Action.DUPLICATE, nth=1)])
    outer.send(FRAMES[0])
    assert [data for _, data in clock[-1].sent] == [FRAMES[0]]


def test_the_segment_that_is_meant_gets_lost_whatever_comes_before(clock: list[FakeLink]) -> None:
    frames = [bytes(packet(4, Segment(Seq(1), Seq(0), bits(letters)))) for letters in ("SA", "A", "FA", "PA", "FA")]
    clock.append(FakeLink())
    link = FaultyLink(clock[-1], 1, sending=[lost("FA"), lost("PA")])
    for data in frames:
        link.send(data)
    assert [data for _, data in clock[-1].sent] == [frames[0], frames[1], frames[4]]


def test_a_frame_that_gets_lost_was_recorded_before(clock: list[FakeLink]) -> None:
    shown: list[bytes] = []

    def record(frame: Frame) -> int:
        shown.append(frame.data)
        return len(shown) + 40

    clock.append(FakeLink([Frame(1, b"one"), Frame(2, b"two")]))
    lost_first = Fault(Action.DROP, nth=1, matches=lambda _: True)
    link = FaultyLink(clock[-1], 1, (), [lost_first], record)
    arrived = link.receive(0)
    assert shown == [b"one", b"two"]
    assert arrived is not None
    assert (arrived.data, arrived.seen_as) == (b"two", 42)
