from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import ARP, Dot1Q, Ether

from lab.tcp.options import Options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire.frames import Received, decode
from tests.unit.crafted import ADDRESSES, DESTINATION_MAC, SEGMENTS, SOURCE_MAC, ends, packet

PLAIN = Segment(Seq(2**32 - 1), Seq(7), 0x18, 512, (("MSS", 1460),), b"hello")
HEADER = {4: 34, 6: 54}
FAMILIES = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])


def faults_of(frame: bytes) -> tuple[str, ...]:
    received = decode(frame)
    assert received is not None
    return received.segment.faults


def without_empty_end(listed: Options) -> Options:
    return tuple(option for option in listed if option[0] != "EOL")


@FAMILIES
@given(segment=SEGMENTS)
def test_what_scapy_wrote_is_read_field_by_field(family: int, segment: Segment) -> None:
    assert decode(bytes(packet(family, segment))) == Received(ends(family), segment)


@FAMILIES
@given(frame=st.binary(max_size=120))
def test_any_bytes_are_read_without_an_error(family: int, frame: bytes) -> None:
    decode(frame)
    start = bytes(packet(family, PLAIN))[: HEADER[family]]
    decode(start[:16] + frame[:2] + start[18:] + frame)


@FAMILIES
def test_a_frame_cut_anywhere_is_no_segment(family: int) -> None:
    whole = bytes(packet(family, PLAIN))
    assert [size for size in range(len(whole)) if decode(whole[:size])] == []


@FAMILIES
def test_one_flipped_bit_is_always_noticed(family: int) -> None:
    whole = bytes(packet(family, PLAIN))
    unprotected = range(14 * 8, 18 * 8) if family == 6 else range(0)  # version, traffic class, flow label
    hop_limit = range(21 * 8, 22 * 8) if family == 6 else range(0)
    unnoticed = []
    for bit in range(14 * 8, len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 128 >> bit % 8
        received = decode(bytes(flipped))
        if received is not None and not received.segment.faults:
            unnoticed.append(bit)
    assert unnoticed == [*unprotected, *hop_limit]


@FAMILIES
def test_wrong_checksums_are_named(family: int) -> None:
    wrong = packet(family, PLAIN)
    wrong[TCP].chksum = 0x1234
    assert faults_of(bytes(wrong)) == ("the TCP checksum 0x1234 is wrong",)


def test_a_wrong_header_checksum_is_named() -> None:
    assert faults_of(bytes(packet(4, PLAIN, chksum=0x1234))) == ("the IPv4 header checksum is wrong",)


@FAMILIES
@pytest.mark.parametrize(("words", "said"), [(0, 0), (4, 4), (15, 15)])
def test_a_data_offset_outside_the_segment_is_named(family: int, words: int, said: int) -> None:
    wrong = packet(family, PLAIN)
    wrong[TCP].dataofs = words
    wrong[TCP].chksum = None
    found = faults_of(bytes(wrong))
    assert found[-1:] == (f"the data offset {said} points outside the segment",)


@FAMILIES
def test_a_malformed_option_is_a_fault_and_the_rest_is_read(family: int) -> None:
    wrong = packet(family, PLAIN._replace(options=((99, b"\1\1"), ("NOP", None))))
    data = bytearray(bytes(wrong))
    at = HEADER[family] + 20
    assert data[at : at + 4] == b"\x63\x04\1\1"
    data[at + 1] = 40
    found = decode(bytes(data))
    assert found is not None
    assert found.segment.payload == b"hello"
    assert found.segment.faults[-1] == "option kind 99 at byte 0 has length 40, but 8 bytes are left"


@FAMILIES
def test_padding_behind_the_packet_is_no_payload(family: int) -> None:
    assert decode(bytes(packet(family, PLAIN)) + bytes(6)) == Received(ends(family), PLAIN)


def test_ip_options_are_passed_over() -> None:
    frame = bytes(packet(4, PLAIN, options=[IPOption_Router_Alert()]))
    assert len(frame) == len(bytes(packet(4, PLAIN))) + 4
    assert decode(frame) == Received(ends(4), PLAIN)


LINK = Ether(src=SOURCE_MAC, dst=DESTINATION_MAC)  # without addresses Scapy would ask for them by ARP
V4 = IP(src=ADDRESSES[4][0], dst=ADDRESSES[4][1])
V6 = IPv6(src=ADDRESSES[6][0], dst=ADDRESSES[6][1])


@pytest.mark.parametrize(
    "other",
    [
        LINK / ARP(),
        LINK / V4 / UDP() / bytes(40),
        LINK / V6 / UDP() / bytes(40),
        LINK / Dot1Q(vlan=7) / V4 / TCP(),
        packet(4, PLAIN, flags="MF"),
        packet(4, PLAIN, frag=3),
        packet(4, PLAIN, version=5),
        packet(4, PLAIN, ihl=4),
        LINK / V6 / IPv6ExtHdrDestOpt() / TCP(),
        LINK / IP(src=ADDRESSES[4][0], dst=ADDRESSES[4][1], proto=6) / bytes(19),
    ],
    ids=["ARP", "UDP", "UDP6", "VLAN", "first fragment", "later fragment", "version 5", "short IP header",
         "extension header", "short TCP header"],
)  # fmt: skip
def test_what_is_not_plain_tcp_is_left_alone(other: Any) -> None:
    assert decode(bytes(other)) is None


def test_endpoints_read_well() -> None:
    assert str(ends(4)) == "198.18.1.2 port 40001 to 198.18.1.1 port 443"
    assert str(ends(6)) == "2001:db8:7::2 port 40001 to 2001:db8:7::1 port 443"


def test_changing_many_bytes_never_raises() -> None:
    chance = random.Random(1)
    for family in (4, 6):
        whole = bytes(packet(family, PLAIN))
        for _ in range(2000):
            changed = bytearray(whole)
            for _ in range(chance.randrange(1, 6)):
                changed[chance.randrange(12, len(changed))] = chance.randrange(256)
            decode(bytes(changed))
