"""What a router does to a frame, and to nothing else in it: the hop limit (RFC 1812 5.3.1, RFC 8200 3)."""

from __future__ import annotations

from lab.wire.frames import ETHERNET

_TTL, _CHECKSUM, _HOP_LIMIT = ETHERNET + 8, ETHERNET + 10, ETHERNET + 7
_IPV4 = b"\x08\x00"


def hop_limit(frame: bytes) -> int:
    """IPv4's time to live, or IPv6's hop limit."""
    return frame[_TTL if frame[12:14] == _IPV4 else _HOP_LIMIT]


def forwarded(frame: bytes) -> bytes:
    """The frame of an IPv4 or IPv6 packet as it leaves a router: the hop limit one less, the checksum to match.

    It says nothing of link addresses: those are the next link's.
    """
    changed = bytearray(frame)
    if frame[12:14] != _IPV4:
        changed[_HOP_LIMIT] -= 1
        return bytes(changed)
    end = ETHERNET + (frame[ETHERNET] & 15) * 4
    changed[_TTL] -= 1
    changed[_CHECKSUM : _CHECKSUM + 2] = bytes(2)
    checksum = -int.from_bytes(changed[ETHERNET:end], "big") % 0xFFFF
    changed[_CHECKSUM : _CHECKSUM + 2] = checksum.to_bytes(2, "big")
    return bytes(changed)
