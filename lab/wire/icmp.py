"""What a router or a host says when it cannot deliver a packet: the ICMP and ICMPv6 errors, by one name in both."""

from __future__ import annotations

from lab.wire import crafting, ip

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
_QUOTED_TCP = 8
"""The ports and the sequence number: all that RFC 792 promises to quote of a segment."""


def build_error(name: str, about: bytes) -> bytes:
    """A frame with the error of that name about the frame `about`, sent to its sender in its destination's name.

    ValueError for a name that is none of NAMES.
    """
    if name not in _ERRORS:
        raise ValueError(f"{name!r} is no ICMP error, use one of {', '.join(NAMES)}")
    packet = ip.packet_in(about)
    assert not isinstance(packet, str)  # nobody complains of a frame that carries none
    quoted = about[ip.ETHERNET : packet.start + _QUOTED_TCP]
    return crafting.build_icmp(about, _ERRORS[name][packet.family == 6], quoted)


def error_in(frame: bytes) -> str | None:
    """The name of the error that a frame carries, None when it carries none."""
    family, message = ip.icmp_message_in(frame)
    told = tuple(message[:2])
    return next((name for name, kinds in _ERRORS.items() if told == kinds[family == 6]), None)
