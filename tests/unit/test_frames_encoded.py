from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given

from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire.frames import Encoder, Endpoints, Received, decode
from tests.unit.crafted import DESTINATION_MAC, PORTS, SEGMENTS, SOURCE_MAC, hosts, packet

ENCODERS = {family: Encoder(*hosts(family), SOURCE_MAC, DESTINATION_MAC) for family in (4, 6)}
NETWORK = {4: {"flags": "DF", "id": 0}, 6: {}}
PLAIN = Segment(Seq(1), Seq(2), 0x18, 512, payload=b"odd")

pytestmark = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])


def encoded(family: int, segment: Segment) -> bytes:
    return ENCODERS[family].encode(*PORTS, segment)


@given(segment=SEGMENTS)
def test_an_encoded_frame_is_the_frame_that_scapy_makes(family: int, segment: Segment) -> None:
    assert encoded(family, segment) == bytes(packet(family, segment, **NETWORK[family]))


def test_a_checksum_of_zero(family: int) -> None:
    checksum = int.from_bytes(encoded(family, PLAIN)[-23 + 16 : -23 + 18], "big")
    segment = PLAIN._replace(urgent=checksum)  # adding a sum's complement makes it 0xffff, whose complement is 0
    frame = encoded(family, segment)
    assert frame[-23 + 16 : -23 + 18] == b"\0\0"
    assert frame == bytes(packet(family, segment, **NETWORK[family]))


def test_connections_and_hosts_do_not_mix(family: int) -> None:
    source, destination = hosts(family)
    other = Encoder(destination, source, DESTINATION_MAC, SOURCE_MAC)
    before = encoded(family, PLAIN)
    answer = decode(other.encode(PORTS[1], PORTS[0], PLAIN))
    assert answer == Received(Endpoints(destination, PORTS[1], source, PORTS[0]), PLAIN)
    assert ENCODERS[family].encode(1, 2, PLAIN) != before == encoded(family, PLAIN)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"options": (("MSS", 65536),)}, "option 'MSS' cannot carry 65536"),
        ({"options": (("Timestamp", (1, 2**32)),)}, "option 'Timestamp' cannot carry (1, 4294967296)"),
        ({"options": (("WScale", None),)}, "option 'WScale' cannot carry None"),
        ({"options": (("XYZ", 1),)}, "'XYZ' is not a TCP option"),
        ({"options": ((99, bytes(39)),)}, "these options take 44 bytes, a header has room for 40"),
        ({"window": 65536}, "window 65536 does not fit into 16 bits"),
        ({"urgent": -1}, "urgent -1 does not fit into 16 bits"),
    ],
    ids=["MSS", "timestamps", "no shift", "unknown", "too many", "window", "urgent"],
)
def test_what_does_not_fit_is_named(family: int, change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        encoded(family, PLAIN._replace(**change))
