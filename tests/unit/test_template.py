"""Frames that stand for many: what may differ from the example, and that nothing else may."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tcp import options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire.frames import Encoder
from lab.wire.template import FrameTemplate
from tests.unit.crafted import DESTINATION_MAC, PORTS, SEGMENTS, SOURCE_MAC, WORDS, hosts, packet

ENCODERS = {family: Encoder(*hosts(family), SOURCE_MAC, DESTINATION_MAC) for family in (4, 6)}
PORT = st.integers(0, 65535)
EXAMPLE = Segment(
    Seq(1), Seq(2), 0x10, 512, (("NOP", None), ("NOP", None), ("Timestamp", (3, 4))), payload=b"an odd number"
)

pytestmark = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])


def encoded(family: int, segment: Segment, ports: tuple[int, int] = PORTS) -> bytes:
    return ENCODERS[family].encode(*ports, segment)


@given(example=SEGMENTS, ports=st.tuples(PORT, PORT), seq=WORDS, ack=WORDS)
def test_what_is_made_is_the_example_with_other_ports_and_numbers(
    family: int, example: Segment, ports: tuple[int, int], seq: int, ack: int
) -> None:
    made = FrameTemplate(encoded(family, example)).make(*ports, seq, ack)
    assert made == encoded(family, example._replace(seq=Seq(seq), ack=Seq(ack)), ports)


@given(example=SEGMENTS, ports=st.tuples(PORT, PORT), seq=WORDS, ack=WORDS, window=PORT, times=st.tuples(WORDS, WORDS))
def test_a_frame_is_alike_whatever_its_ports_numbers_window_and_times(
    family: int, example: Segment, ports: tuple[int, int], seq: int, ack: int, window: int, times: tuple[int, int]
) -> None:
    listed = tuple((name, times if name == "Timestamp" else value) for name, value in example.options)
    other = example._replace(seq=Seq(seq), ack=Seq(ack), window=window, options=listed)
    assert FrameTemplate(encoded(family, example)).read(encoded(family, other, ports)) == (*ports, seq, ack)


def test_what_the_kernel_chooses_for_each_connection_may_differ_too(family: int) -> None:
    network = {"id": 4711, "flags": "DF"} if family == 4 else {"fl": 0xABCDE}
    other = bytes(packet(family, EXAMPLE, **network))
    assert other != encoded(family, EXAMPLE)
    assert FrameTemplate(encoded(family, EXAMPLE)).read(other) == (*PORTS, 1, 2)


@pytest.mark.parametrize(
    "other",
    [
        EXAMPLE._replace(flags=0x11),
        EXAMPLE._replace(urgent=1),
        EXAMPLE._replace(reserved=1),
        EXAMPLE._replace(payload=b"an odd numbes"),
        EXAMPLE._replace(payload=b"an odd number!"),
        EXAMPLE._replace(options=(("Timestamp", (3, 4)), ("NOP", None), ("NOP", None))),
        EXAMPLE._replace(options=()),
    ],
    ids=["flags", "urgent", "reserved", "payload", "longer", "order", "options"],
)
def test_another_segment_is_not_alike(family: int, other: Segment) -> None:
    assert FrameTemplate(encoded(family, EXAMPLE)).read(encoded(family, other)) is None


def test_each_bit_that_flips_is_seen(family: int) -> None:
    """Of what is open, too: then the checksum is wrong."""
    frame = encoded(family, EXAMPLE)
    alike = FrameTemplate(frame)
    # The kernel does not send wrong IPv6 flow labels: no checksum covers them.
    spared = set(range(14 * 8 + 12, 18 * 8)) if family == 6 else set()
    for bit in set(range(len(frame) * 8)) - spared:
        altered = bytearray(frame)
        altered[bit // 8] ^= 0x80 >> bit % 8
        assert alike.read(bytes(altered)) is None, f"bit {bit}"


def test_frames_at_random_are_not_alike(family: int) -> None:
    chance = random.Random(5)
    alike = FrameTemplate(encoded(family, EXAMPLE))
    for size in range(200):
        assert alike.read(chance.randbytes(size)) is None


def test_every_timestamp_is_open_wherever_it_stands(family: int) -> None:
    twice = EXAMPLE._replace(options=(("MSS", 9), ("Timestamp", (1, 2)), ("NOP", None), ("Timestamp", (3, 4))))
    other = twice._replace(options=(("MSS", 9), ("Timestamp", (5, 6)), ("NOP", None), ("Timestamp", (7, 8))))
    assert len(options.padded(twice.options)) <= 40
    assert FrameTemplate(encoded(family, twice)).read(encoded(family, other)) == (*PORTS, 1, 2)
