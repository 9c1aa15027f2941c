"""The ICMP errors, held against Scapy's own reading of them."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP, ICMPerror, IPerror, TCPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPerror6, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lab.tcp.flags import SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire import icmp
from lab.wire.frames import why_no_segment
from tests.unit.crafted import ADDRESSES, DESTINATION_MAC, PORTS, SOURCE_MAC, packet

SYN_SEGMENT = Segment(Seq(4321), Seq(0), SYN, 100, (("MSS", 1460),))
ICMPV6 = {
    "network unreachable": (ICMPv6DestUnreach, 0),
    "host unreachable": (ICMPv6DestUnreach, 3),
    "port unreachable": (ICMPv6DestUnreach, 4),
    "time exceeded": (ICMPv6TimeExceeded, 0),
    "parameter problem": (ICMPv6ParamProblem, 0),
}
ICMP_KINDS = {
    "network unreachable": ("dest-unreach", 0),
    "host unreachable": ("dest-unreach", 1),
    "port unreachable": ("dest-unreach", 3),
    "time exceeded": ("time-exceeded", 0),
    "parameter problem": ("parameter-problem", 0),
}


def error(family: int, name: str) -> Any:
    return Ether(icmp.build_error(name, bytes(packet(family, SYN_SEGMENT))))


def layer_of(family: int, name: str) -> Any:
    return ICMPV6[name][0] if family == 6 else ICMP


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("name", icmp.NAMES)
def test_an_error_goes_back_to_the_sender_in_the_destinations_name(family: int, name: str) -> None:
    frame = error(family, name)
    network = frame[IPv6 if family == 6 else IP]
    source, destination = ADDRESSES[family]
    assert (frame.src, frame.dst) == (DESTINATION_MAC, SOURCE_MAC)
    assert (network.src, network.dst) == (destination, source)
    kind = frame[layer_of(family, name)]
    port, other = PORTS
    what = f"{name} (type {kind.type}, code {kind.code}) about port {port} > {other}, seq 4321"
    assert icmp.error_in(bytes(frame)) == what
    assert why_no_segment(bytes(frame)) == f"ICMP {what}"


@pytest.mark.parametrize("name", icmp.NAMES)
def test_icmp_is_what_scapy_takes_it_for(name: str) -> None:
    told = error(4, name)[ICMP]
    assert (told.sprintf("%ICMP.type%"), told.code) == ICMP_KINDS[name]
    assert ICMPerror not in told
    assert (told[IPerror].src, told[TCPerror].sport, told[TCPerror].seq) == (ADDRESSES[4][0], PORTS[0], 4321)


@pytest.mark.parametrize("name", icmp.NAMES)
def test_icmpv6_is_what_scapy_takes_it_for(name: str) -> None:
    layer, code = ICMPV6[name]
    told = error(6, name)[layer]
    assert told.code == code
    assert (told[IPerror6].src, told[TCPerror].sport, told[TCPerror].seq) == (ADDRESSES[6][0], PORTS[0], 4321)


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_the_checksum_is_right(family: int) -> None:
    frame = error(family, "host unreachable")
    layer, field = (ICMPv6DestUnreach, "cksum") if family == 6 else (ICMP, "chksum")
    sent = getattr(frame[layer], field)
    delattr(frame[layer], field)
    assert getattr(Ether(bytes(frame))[layer], field) == sent


def test_an_error_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="'gone fishing' is not an ICMP error, use one of network unreachable, host"):
        icmp.build_error("gone fishing", bytes(packet(4, SYN_SEGMENT)))


@pytest.mark.parametrize(
    ("quoted", "text"),
    [
        (IP(src="1.2.3.4", dst="1.2.3.5") / UDP(), "error (type 3, code 4) about a packet of IP protocol 17"),
        (Raw(b""), "error (type 3, code 4) about a packet that it does not quote far enough"),
        (Raw(bytes([0x45])), "error (type 3, code 4) about a packet that it does not quote far enough"),
    ],
    ids=["UDP", "nothing", "one byte"],
)
def test_any_error_is_told_with_its_type_and_code(quoted: Any, text: str) -> None:
    frame = Ether() / IP(src="1.2.3.5", dst="1.2.3.4") / ICMP(type=3, code=4) / quoted
    assert icmp.error_in(bytes(frame)) == text


def test_other_frames_carry_no_error() -> None:
    assert icmp.error_in(bytes(packet(4, SYN_SEGMENT))) is None
    assert icmp.error_in(bytes(Ether() / IP() / ICMP(type="echo-request"))) is None
    assert icmp.error_in(b"") is None
    assert icmp.error_in(bytes(error(6, "host unreachable"))[:55]) is None
