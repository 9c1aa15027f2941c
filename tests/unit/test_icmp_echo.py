from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from lab.wire.icmp import Echo
from tests.unit.crafted import ADDRESSES, DESTINATION_MAC, SOURCE_MAC

pytestmark = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])


def echo(family: int) -> Echo:
    return Echo(family, *ADDRESSES[family], (SOURCE_MAC, DESTINATION_MAC))


def message(family: int, number: int, *, reply: bool, identifier: int = 0x7CB) -> bytes:
    source, destination = ADDRESSES[family]
    link = Ether(src=SOURCE_MAC, dst=DESTINATION_MAC)
    if family == 6:
        kind: Any = ICMPv6EchoReply if reply else ICMPv6EchoRequest
        return bytes(link / IPv6(src=source, dst=destination) / kind(id=identifier, seq=number))
    network = IP(src=source, dst=destination, flags="DF", id=0)
    return bytes(link / network / ICMP(type=0 if reply else 8, id=identifier, seq=number))


def test_requests_are_those_that_scapy_makes(family: int) -> None:
    made = echo(family)
    numbers = [number & 0xFFFF for number in range(1, 66000)]
    requests = [made.request() for _ in numbers]
    for at in (0, 1, 2, 254, 255, 256, 40000, 65533, 65534, 65535, 65999 - 1):
        assert requests[at] == message(family, numbers[at], reply=False)


def test_only_the_reply_to_the_last_request_counts(family: int) -> None:
    made = echo(family)
    made.request()
    made.request()
    assert made.answered_by(message(family, 2, reply=True))
    assert not made.answered_by(message(family, 1, reply=True))
    assert not made.answered_by(message(family, 2, reply=False))
    assert not made.answered_by(message(family, 2, reply=True, identifier=1))
    assert not made.answered_by(message(10 - family, 2, reply=True))


def test_a_reply_cut_short_is_none(family: int) -> None:
    made = echo(family)
    made.request()
    whole = message(family, 1, reply=True)
    assert [size for size in range(len(whole)) if made.answered_by(whole[:size])] == []
