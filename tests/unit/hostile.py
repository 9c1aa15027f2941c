"""Frames that an attacker or a broken machine could send: near enough to the truth to get far, wrong in one way."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from lab.tcp.endpoint import Endpoint
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire.frames import Encoder
from tests.unit.crafted import DESTINATION_MAC, PORTS, SOURCE_MAC, hosts

_HEADER = {4: 34, 6: 54}
_FLAGS = (0x10, 0x10, 0x11, 0x11, 0x18, 0x04, 0x14, 0x02, 0x12, 0x01, 0x00, 0x07, 0x29, 0x3F, 0x1FF)
_OFFSETS = (0, 0, 0, 0, 1, -1, 2, 100, -100, 65535, 2**31 - 1, 2**31)


class Attacker:
    """Makes frames for one endpoint, from a seed."""

    def __init__(self, family: int, seed: int) -> None:
        self.family = family
        self.chance = random.Random(f"{family} {seed}")
        source, destination = hosts(family)
        self._encoder = Encoder(source, destination, SOURCE_MAC, DESTINATION_MAC)

    def frame(self, endpoint: Endpoint) -> bytes:
        """Any frame, perhaps a valid one."""
        frame = self._encoder.encode(*PORTS, self._segment(endpoint))
        wrong = self.chance.choice(_WAYS)
        return frame if wrong is None else wrong(self, bytearray(frame))

    def _segment(self, endpoint: Endpoint) -> Segment:
        chance = self.chance
        seq = endpoint.rcv_nxt + chance.choice(_OFFSETS)
        ack = chance.choice((endpoint.snd_nxt, endpoint.snd_nxt, endpoint.snd_una)) + chance.choice(_OFFSETS)
        flags = chance.choice(_FLAGS)
        payload = b"" if chance.random() < 0.7 else chance.randbytes(chance.choice((1, 5, 40)))
        return Segment(
            seq, ack if flags & 0x10 else Seq(0), flags, chance.choice((0, 1, 4096, 65535)), (), payload,
            chance.choice((0, 0, 0, 9)), chance.choice((0, 0, 0, 5)),
        )  # fmt: skip

    def sealed(self, frame: bytearray) -> bytes:
        """With the checksum that the changed TCP segment needs."""
        at = _HEADER[self.family]
        frame[at + 16 : at + 18] = b"\0\0"
        summed = bytes(frame[at - (32 if self.family == 6 else 8) :])
        total = int.from_bytes(summed + b"\0" * (len(summed) & 1), "big") + 6 + len(frame) - at
        struct.pack_into("!H", frame, at + 16, -total % 0xFFFF)
        return bytes(frame)

    def resized(self, frame: bytearray) -> bytearray:
        """With the length that the changed packet has."""
        if self.family == 6:
            struct.pack_into("!H", frame, 18, len(frame) - 54)
        else:
            struct.pack_into("!H", frame, 16, len(frame) - 14)
            _seal_ipv4(frame)
        return frame


def _seal_ipv4(frame: bytearray) -> None:
    frame[24:26] = b"\0\0"
    struct.pack_into("!H", frame, 24, -int.from_bytes(frame[14:34], "big") % 0xFFFF)


def _truncated(attacker: Attacker, frame: bytearray) -> bytes:
    return bytes(frame[: attacker.chance.randrange(len(frame))])


def _truncated_and_resized(attacker: Attacker, frame: bytearray) -> bytes:
    at = _HEADER[attacker.family]
    cut = attacker.resized(frame[: at + attacker.chance.randrange(len(frame) - at + 1)])
    return attacker.sealed(cut) if len(cut) >= at + 18 else bytes(cut)


def _with_options(attacker: Attacker, frame: bytearray) -> bytes:
    """Options at random: overlapping, of no length, longer than the header."""
    at, chance = _HEADER[attacker.family], attacker.chance
    words = chance.randrange(1, 11)
    junk = bytes(chance.choice((0, 1, 2, 3, 4, 5, 8, 10, 34, 255, chance.randrange(256))) for _ in range(4 * words))
    frame[at + 20 : at + 20] = junk
    frame[at + 12] = 5 + words << 4
    return attacker.sealed(attacker.resized(frame))


def _bad_offset(attacker: Attacker, frame: bytearray) -> bytes:
    frame[_HEADER[attacker.family] + 12] = attacker.chance.randrange(16) << 4
    return attacker.sealed(frame)


def _bad_checksum(attacker: Attacker, frame: bytearray) -> bytes:
    frame[_HEADER[attacker.family] + 16 + attacker.chance.randrange(2)] ^= 1 << attacker.chance.randrange(8)
    return bytes(frame)


def _fragment(attacker: Attacker, frame: bytearray) -> bytes:
    if attacker.family == 6:
        return _with_extension(attacker, frame, 44)
    struct.pack_into("!H", frame, 20, attacker.chance.choice((0x2000, 0x2001, 1, 0x1FFF)))
    _seal_ipv4(frame)
    return bytes(frame)


def _tagged(attacker: Attacker, frame: bytearray) -> bytes:
    tag = attacker.chance.choice((b"\x81\x00\x00\x07", b"\x88\xa8\x00\x07"))
    return bytes(frame[:12] + tag + frame[12:])


def _extended(attacker: Attacker, frame: bytearray) -> bytes:
    if attacker.family == 4:
        frame[14] = 0x40 | attacker.chance.choice((0, 1, 4, 6, 15))
        return bytes(frame)
    return _with_extension(attacker, frame, attacker.chance.choice((0, 43, 60)))


def _with_extension(attacker: Attacker, frame: bytearray, kind: int) -> bytes:
    frame[20] = kind
    frame[54:54] = bytes([6, 0]) + attacker.chance.randbytes(6)
    struct.pack_into("!H", frame, 18, len(frame) - 54)
    return bytes(frame)


def _wrong_address(attacker: Attacker, frame: bytearray) -> bytes:
    size = 16 if attacker.family == 6 else 4
    at = _HEADER[attacker.family] - attacker.chance.choice((1, 1 + size))
    frame[at] ^= 1 << attacker.chance.randrange(8)
    if attacker.family == 4:
        _seal_ipv4(frame)
    return attacker.sealed(frame)


def _wrong_port(attacker: Attacker, frame: bytearray) -> bytes:
    frame[_HEADER[attacker.family] + attacker.chance.randrange(4)] ^= 1 << attacker.chance.randrange(8)
    return attacker.sealed(frame)


def _garbled(attacker: Attacker, frame: bytearray) -> bytes:
    for _ in range(attacker.chance.randrange(1, 4)):
        frame[attacker.chance.randrange(len(frame))] = attacker.chance.randrange(256)
    return bytes(frame)


def _noise(attacker: Attacker, frame: bytearray) -> bytes:
    return bytes(frame[:14]) + attacker.chance.randbytes(attacker.chance.randrange(90))


Way = Callable[[Attacker, bytearray], bytes]
_WAYS: tuple[Way | None, ...] = (
    None, None, None, None, _truncated, _truncated_and_resized, _with_options, _bad_offset, _bad_checksum, _fragment,
    _tagged, _extended, _wrong_address, _wrong_port, _garbled, _noise,
)  # fmt: skip
