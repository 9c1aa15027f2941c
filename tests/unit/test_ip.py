"""What a router makes of a frame, held against Scapy's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, IPOption_NOP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from lab.wire.ip import forwarded, hop_limit

ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
SEGMENT = TCP(sport=80, dport=40001, flags="PA", seq=1, ack=2) / b"text"


@given(ttl=st.integers(1, 255), number=st.integers(0, 0xFFFF), options=st.integers(0, 2))
def test_ipv4_loses_a_hop_and_gets_the_checksum_to_match(ttl: int, number: int, options: int) -> None:
    def frame(left: int) -> bytes:
        listed = [IPOption_NOP()] * 4 * options
        return bytes(ETHER / IP(src="198.18.0.1", dst="198.18.0.2", id=number, ttl=left, options=listed) / SEGMENT)

    assert hop_limit(frame(ttl)) == ttl
    assert forwarded(frame(ttl)) == frame(ttl - 1)


@given(limit=st.integers(1, 255), label=st.integers(0, 0xFFFFF))
def test_ipv6_loses_a_hop_and_has_no_checksum(limit: int, label: int) -> None:
    def frame(left: int) -> bytes:
        return bytes(ETHER / IPv6(src="2001:db8::1", dst="2001:db8::2", fl=label, hlim=left) / SEGMENT)

    assert hop_limit(frame(limit)) == limit
    assert forwarded(frame(limit)) == frame(limit - 1)
