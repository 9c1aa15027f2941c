"""TCP options as Scapy writes them: a tuple of (name, value) pairs, in wire order (RFC 9293 3.1, 3.2).

| name        | value                              | source          |
|-------------|------------------------------------|-----------------|
| "EOL", "NOP"| None                               | RFC 9293 3.2    |
| "MSS"       | bytes of data, 0..65535            | RFC 9293 3.7.1  |
| "WScale"    | shift, 0..255 as it stands on the wire | RFC 7323 2.2 |
| "SAckOK"    | b""                                | RFC 2018 2      |
| "SAck"      | (left, right, left, right, ...)    | RFC 2018 3      |
| "Timestamp" | (TSval, TSecr)                     | RFC 7323 3.2    |
| "TFO"       | the cookie, b"" to ask for one     | RFC 7413 4.1.1  |
| an integer  | bytes behind kind and length       | any other kind, or a known kind of an odd length |
"""

from __future__ import annotations

import struct
from functools import lru_cache

Value = int | bytes | tuple[int, ...] | None
Option = tuple[str | int, Value]
Options = tuple[Option, ...]

KINDS = {"EOL": 0, "NOP": 1, "MSS": 2, "WScale": 3, "SAckOK": 4, "SAck": 5, "Timestamp": 8, "TFO": 34}
"""The options that have a name, and their kinds."""
NAMES = frozenset(KINDS)
_ALIGNED_TIMESTAMP = b"\x01\x01\x08\x0a"
_TWO_WORDS = struct.Struct("!II")
_NOP: Option = ("NOP", None)


def value_of(options: Options, name: str | int) -> Value:
    """The value of the first option of that name; None when there is none (or when it carries no value)."""
    for option in options:
        if option[0] == name:
            return option[1]
    return None


def has(options: Options, name: str | int) -> bool:
    """Whether an option of that name is there."""
    for option in options:  # noqa: SIM110  # any() takes twice as long, and this is asked of every segment
        if option[0] == name:
            return True
    return False


def timestamp(options: Options) -> tuple[int, int] | None:
    """(TSval, TSecr), or None without a timestamps option."""
    for name, value in options:
        if name == "Timestamp":
            return value  # type: ignore[return-value]  # decode() and encode() admit no other value under this name
    return None


def value_text(option: Option) -> str:
    """The value alone: `1460`, `7, 0` for a timestamp, `1:5 9:12` for SACK blocks, hexadecimal for bytes."""
    match option:
        case "SAck", tuple(edges):
            return " ".join(f"{left}:{right}" for left, right in zip(edges[::2], edges[1::2], strict=True))
        case _, tuple(numbers):
            return ", ".join(map(str, numbers))
        case _, bytes(data):
            return data.hex()
        case _, value:
            return "" if value is None else str(value)


def encode(options: Options) -> bytes:
    """The option bytes, unpadded; ValueError names an option whose value does not fit."""
    return b"".join([_encode_one(name, value) for name, value in options])


def padded(options: Options) -> bytes:
    """The option bytes filled with zeros (EOL) to whole 32-bit words, as a header carries them."""
    data = encode(options)
    return data + bytes(-len(data) % 4)


def decode(data: bytes) -> tuple[Options, str | None]:
    """The options in `data` and what is malformed, if anything: parsing ends there (RFC 9293 MUST-7).

    Everything behind the first EOL is padding and left out; so is the EOL when only zeros follow.
    """
    if len(data) == 12 and data.startswith(_ALIGNED_TIMESTAMP):
        return (_NOP, _NOP, ("Timestamp", _TWO_WORDS.unpack_from(data, 4))), None
    return _decode(data) if data else ((), None)


@lru_cache(maxsize=1024)
def _decode(data: bytes) -> tuple[Options, str | None]:
    options: list[Option] = []
    at, end = 0, len(data)
    while at < end:
        kind = data[at]
        if kind == 0:
            if any(data[at:]):
                options.append(("EOL", None))
                return tuple(options), "bytes other than zero behind the end of the option list"
            break
        if kind == 1:
            options.append(_NOP)
            at += 1
            continue
        length = data[at + 1] if at + 1 < end else 0
        if length < 2 or at + length > end:
            return tuple(options), f"option kind {kind} at byte {at} with length {length}, {end - at} left"
        options.append(_known(kind, data[at + 2 : at + length]))
        at += length
    return tuple(options), None


def _known(kind: int, body: bytes) -> Option:
    match kind, len(body):
        case 2, 2:
            return "MSS", int.from_bytes(body, "big")
        case 3, 1:
            return "WScale", body[0]
        case 4, 0:
            return "SAckOK", b""
        case 5, 8 | 16 | 24 | 32:
            return "SAck", struct.unpack(f"!{len(body) // 4}I", body)
        case 8, 8:
            return "Timestamp", _TWO_WORDS.unpack(body)
        case 34, size if size <= 16:
            return "TFO", body
        case _:
            return kind, body


def _encode_one(name: str | int, value: Value) -> bytes:
    kind = name if isinstance(name, int) else KINDS.get(name)
    if kind is None:
        raise ValueError(f"{name!r} is not a TCP option, use a number or one of {', '.join(KINDS)}")
    try:
        body = _body(name, value)
    except (struct.error, TypeError):
        raise ValueError(f"option {name!r} cannot carry {value!r}") from None
    if kind < 2:
        return bytes([kind])
    return bytes([kind, len(body) + 2]) + body


def _body(name: str | int, value: Value) -> bytes:
    match name, value:
        case "EOL" | "NOP", None:
            return b""
        case "SAckOK", None:
            return b""
        case "MSS", int():
            return struct.pack("!H", value)
        case "WScale", int():
            return struct.pack("!B", value)
        case "Timestamp", (int(), int()):
            return struct.pack("!II", *value)
        case "SAck", tuple() if value and len(value) % 2 == 0:
            return struct.pack(f"!{len(value)}I", *value)
        case "SAckOK", b"":
            return b""
        case "TFO" | int(), bytes() if len(value) <= 253:
            return value
        case _:
            raise TypeError
