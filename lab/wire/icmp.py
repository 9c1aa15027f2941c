"""What a router or a host says when it cannot deliver a packet: the ICMP and ICMPv6 errors, by one name in both."""

from __future__ import annotations

from lab.wire import crafting
from lab.wire.frames import ETHERNET

_ERRORS = {
    # name                   ICMP      ICMPv6     (type, code): RFC 792 and 1122 3.2.2, RFC 4443 3
    "network unreachable": ((3, 0), (1, 0)),
    "host unreachable": ((3, 1), (1, 3)),
    "port unreachable": ((3, 3), (1, 4)),
    "time exceeded": ((11, 0), (3, 0)),
    "parameter problem": ((12, 0), (4, 0)),
}
NAMES = tuple(_ERRORS)
"""The errors that there are."""
_ICMPV6 = 58
_PROTOCOL_AT = {b"\x08\x00": (23, 1, 20), b"\x86\xdd": (20, _ICMPV6, 40)}
"""By EtherType: where the protocol stands, its number for ICMP, and how long the IP header is."""
_QUOTED_TCP = 8
"""The ports and the sequence number: all that RFC 792 promises to quote of a segment."""


def build_error(name: str, about: bytes) -> bytes:
    """A frame with the error of that name about the frame `about`, sent to its sender in its destination's name.

    ValueError for a name that is none of NAMES.
    """
    if name not in _ERRORS:
        raise ValueError(f"{name!r} is no ICMP error, use one of {', '.join(NAMES)}")
    _, protocol, header = _PROTOCOL_AT[about[12:14]]
    quoted = about[ETHERNET : ETHERNET + header + _QUOTED_TCP]
    return crafting.build_icmp(about, _ERRORS[name][protocol == _ICMPV6], quoted)


def error_in(frame: bytes) -> str | None:
    """The name of the error that a frame carries, None when it carries none."""
    at, protocol, header = _PROTOCOL_AT.get(frame[12:14], (0, -1, 0))
    start = ETHERNET + header
    if len(frame) < start + 8 or frame[at] != protocol:
        return None
    told = frame[start], frame[start + 1]
    return next((name for name, kinds in _ERRORS.items() if told == kinds[protocol == _ICMPV6]), None)
