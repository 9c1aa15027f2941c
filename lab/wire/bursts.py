"""Many frames in one system call: sendmmsg(2) and recvmmsg(2), which Python does not offer."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

AT_ONCE = 256
"""The most frames that one call receives."""
_LONGEST = 2048  # bytes of a frame: more than any MTU that a veth of the lab is given
_PLACES = range(0, AT_ONCE * _LONGEST, _LONGEST)
_ANCILLARY = socket.CMSG_SPACE(16)
_libc = ctypes.CDLL(None, use_errno=True)


class _Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(ctypes.Structure):
    """struct mmsghdr: a message, and how long it was."""

    _fields_ = (("message", _Message), ("length", ctypes.c_uint))


_SIZE = ctypes.sizeof(_Header)
_LENGTHS = struct.Struct(f"={_Header.length.offset}xI{_SIZE - _Header.length.offset - 4}x")
_TIMES = struct.Struct(f"={socket.CMSG_LEN(0)}xqq{_ANCILLARY - socket.CMSG_LEN(16)}x")


class Bursts:
    """Sends and receives on one packet socket that stamps what it receives (SO_TIMESTAMPNS)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._outgoing = _Messages(0)
        self._incoming = _Messages(_ANCILLARY)

    def send(self, frames: Sequence[bytes]) -> None:
        """Put them on the wire in this order; OSError when the interface refuses."""
        for start in range(0, len(frames), AT_ONCE):
            count, sent = self._outgoing.fill(frames[start : start + AT_ONCE]), 0
            while sent < count:
                rest = ctypes.byref(self._outgoing.headers, sent * _SIZE)
                sent += _called(_libc.sendmmsg, self._descriptor, rest, count - sent, 0)

    def receive(self) -> list[tuple[int, bytes]]:
        """What is there, each with its wall clock time in ns; BlockingIOError when nothing is."""
        headers = self._incoming.cleared()
        count = _called(_libc.recvmmsg, self._descriptor, headers, AT_ONCE, socket.MSG_DONTWAIT, None)
        return self._incoming.taken(count)


class _Messages:
    """As many messages as one call takes, each with room for a frame, and for so many bytes that tell its time."""

    def __init__(self, ancillary: int) -> None:
        self.headers = (_Header * AT_ONCE)()
        self._pieces = (_Piece * AT_ONCE)()
        self._control = bytearray(AT_ONCE * ancillary or 1)
        self._data = bytearray(AT_ONCE * _LONGEST)
        self._view = memoryview(self._data)
        self._base = _address(self._data)
        piece, control = ctypes.addressof(self._pieces), _address(self._control)
        for at in range(AT_ONCE):
            self._pieces[at] = _Piece(self._base + at * _LONGEST, _LONGEST)
            self.headers[at].message = _Message(
                None,
                0,
                piece + at * ctypes.sizeof(_Piece),
                1,
                control + at * ancillary if ancillary else None,
                ancillary,
            )
        self._untouched = bytes(self.headers)

    def cleared(self) -> ctypes.Array[_Header]:
        """The headers without what the last call has written into them."""
        ctypes.memmove(self.headers, self._untouched, len(self._untouched))
        return self.headers

    def taken(self, count: int) -> list[tuple[int, bytes]]:
        """The first so many, as received."""
        view = self._view
        lengths = _LENGTHS.iter_unpack(bytes(self.headers)[: count * _SIZE])
        times = _TIMES.iter_unpack(self._control[: count * _ANCILLARY])
        return [
            (seconds * 1_000_000_000 + nanoseconds, bytes(view[at : at + length]))
            for at, (length,), (seconds, nanoseconds) in zip(_PLACES, lengths, times, strict=False)
        ]

    def fill(self, frames: Sequence[bytes]) -> int:
        """These are to be sent, one behind the other; how many they are."""
        joined = b"".join(frames)
        if len(joined) > len(self._data):
            raise ValueError(f"{len(frames)} frames take {len(joined)} bytes, there is room for {len(self._data)}")
        self._view[: len(joined)] = joined
        places: list[int] = []
        at = self._base
        for frame in frames:
            length = len(frame)
            places += (at, length)
            at += length
        struct.pack_into(f"@{len(places)}N", self._pieces, 0, *places)
        return len(frames)


def _address(of: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(of))


def _called(call: Callable[..., Any], *arguments: object) -> int:
    result = int(call(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
