"""Segments at random, and the frames that Scapy makes of them: what our own codec is held against."""

from __future__ import annotations

import socket
from typing import Any

from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lab.tcp import options
from lab.tcp.options import Option
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints

SOURCE_MAC, DESTINATION_MAC = "02:00:00:00:0a:01", "02:00:00:00:0b:02"
ADDRESSES = {4: ("198.18.1.2", "198.18.1.1"), 6: ("2001:db8:7::2", "2001:db8:7::1")}
PORTS = (40001, 443)

WORDS = st.integers(0, 2**32 - 1)
KNOWN_OPTION: st.SearchStrategy[Option] = st.one_of(
    st.just(("NOP", None)),
    st.tuples(st.just("MSS"), st.integers(0, 65535)),
    st.tuples(st.just("WScale"), st.integers(0, 255)),
    st.just(("SAckOK", b"")),
    st.tuples(st.just("Timestamp"), st.tuples(WORDS, WORDS)),
    st.tuples(st.just("SAck"), st.integers(1, 4).flatmap(lambda n: st.tuples(*[WORDS] * (2 * n)))),
)
ANY_OPTION = st.one_of(
    KNOWN_OPTION,
    st.tuples(st.just("TFO"), st.binary(max_size=16)),
    st.tuples(st.sampled_from([9, 99, 253]), st.binary(max_size=10)),
)
SEGMENTS = st.builds(
    Segment,
    seq=WORDS.map(Seq),
    ack=WORDS.map(Seq),
    flags=st.integers(0, 511),
    window=st.integers(0, 65535),
    options=st.lists(ANY_OPTION, max_size=5).map(tuple).filter(lambda chosen: len(options.padded(chosen)) <= 40),
    payload=st.binary(max_size=40),
    urgent=st.integers(0, 65535),
    reserved=st.integers(0, 7),
    faults=st.just(()),
)


def hosts(family: int) -> tuple[bytes, bytes]:
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    source, destination = ADDRESSES[family]
    return socket.inet_pton(kind, source), socket.inet_pton(kind, destination)


def ends(family: int) -> Endpoints:
    source, destination = hosts(family)
    return Endpoints(source, PORTS[0], destination, PORTS[1])


def packet(family: int, segment: Segment, **network: Any) -> Any:
    """The segment as an author of Scapy packets writes it; `network` sets more fields of the IP header."""
    source, destination = ADDRESSES[family]
    below: Any = IPv6 if family == 6 else IP
    tcp = TCP(
        sport=PORTS[0],
        dport=PORTS[1],
        seq=int(segment.seq),
        ack=int(segment.ack),
        flags=segment.flags,
        window=segment.window,
        urgptr=segment.urgent,
        reserved=segment.reserved,
        options=[(34 if name == "TFO" else name, value) for name, value in segment.options],
    )
    link = Ether(src=SOURCE_MAC, dst=DESTINATION_MAC)
    payload = Raw(segment.payload) if segment.payload else b""
    return link / below(src=source, dst=destination, **network) / tcp / payload
