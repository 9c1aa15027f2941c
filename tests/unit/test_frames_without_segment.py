"""Every frame without a segment has a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, Dot1Q, Ether

from lab.wire.frames import decode, why_no_segment
from tests.unit.crafted import ADDRESSES, DESTINATION_MAC, SOURCE_MAC

LINK = Ether(src=SOURCE_MAC, dst=DESTINATION_MAC)
V4 = IP(src=ADDRESSES[4][0], dst=ADDRESSES[4][1])
V6 = IPv6(src=ADDRESSES[6][0], dst=ADDRESSES[6][1])


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (bytes(13), "13 bytes are too short for an Ethernet header"),
        (LINK / ARP(), "ARP"),
        (LINK / Dot1Q(vlan=7) / V4 / TCP(), "a VLAN tag"),
        (bytes(12) + b"\x12\x34", "EtherType 0x1234"),
        (LINK / V4 / ICMP(), "ICMP"),
        (LINK / V4 / UDP(), "UDP"),
        (LINK / IP(proto=99, src="1.2.3.4", dst="1.2.3.5"), "IP protocol 99"),
        (LINK / IP(flags="MF", src="1.2.3.4", dst="1.2.3.5") / TCP(), "an IPv4 fragment"),
        (LINK / IP(version=5, src="1.2.3.4", dst="1.2.3.5") / TCP(), "an IPv4 header of version 5 with 5 words"),
        (LINK / IP(proto=6, src="1.2.3.4", dst="1.2.3.5") / bytes(19), "19 bytes are too short for a TCP header"),
        (bytes(LINK / V4 / TCP())[:40], "IPv4 says 40 bytes, 26 came"),
        (bytes(LINK / V4)[:30], "16 bytes are too short for an IPv4 header"),
        (LINK / V6 / ICMPv6EchoReply(), "ICMPv6"),
        (LINK / V6 / IPv6ExtHdrDestOpt() / TCP(), "IPv6 extension header 60"),
        (LINK / V6 / IPv6ExtHdrFragment() / TCP(), "IPv6 extension header 44"),
        (bytes(LINK / V6 / TCP())[:60], "IPv6 says 20 bytes, 6 came"),
        (bytes(LINK / V6)[:50], "36 bytes are too short for an IPv6 header"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_reason_is_named(frame: Any, note: str) -> None:
    assert decode(bytes(frame)) is None
    assert why_no_segment(bytes(frame)) == note


@given(st.binary(max_size=90), st.sampled_from([b"\x08\x00", b"\x86\xdd", b""]))
def test_any_bytes_have_a_reason(noise: bytes, kind: bytes) -> None:
    assert why_no_segment(bytes(12) + kind + noise)
