"""TCP options as Scapy writes them: a tuple of (name, value) pairs, in wire order (RFC 9293 3.1, 3.2).

`KNOWN` lists the options that have a name. An option of another kind, or of an invalid length, has its kind number as
name, and the bytes after kind and length as value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

Value = int | bytes | tuple[int, ...] | None
Option = tuple[str | int, Value]
Options = tuple[Option, ...]

MAX_SHIFT = 14
"""The largest window scale in use; a larger one counts as this one (RFC 7323 2.3)."""
_MOST_BYTES = 253  # after kind and length, in an option whose length field is 255
_TWO_WORDS = struct.Struct("!II")


class Known(NamedTuple):
    """An option that has a name; its body is what follows kind and length."""

    kind: int
    name: str
    sizes: Container[int]
    """Valid lengths of the body, in bytes."""
    to_body: Callable[[Any], bytes]
    """Raises struct.error or TypeError for an invalid value."""
    to_value: Callable[[bytes], Value]
    text: Callable[[Any], str]
    """The option with this value, as tcpdump writes it; a value, or a number in it, may be a wildcard."""


def _integer(body: bytes) -> int:
    return int.from_bytes(body, "big")


def _no_body(value: Any) -> bytes:
    if value is not None:
        raise TypeError
    return b""


def _permission(value: Any) -> bytes:
    return _no_body(None if value == b"" else value)


def _raw(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) > _MOST_BYTES:
        raise TypeError
    return value


def _times(value: Any) -> bytes:
    if not isinstance(value, tuple | list):
        raise TypeError
    return _TWO_WORDS.pack(*value)


def _edges(value: Any) -> bytes:
    if not isinstance(value, tuple) or not value or len(value) % 2:
        raise TypeError
    return struct.pack(f"!{len(value)}I", *value)


def _times_text(value: Any) -> str:
    return f"TS val {value[0]} ecr {value[1]}" if isinstance(value, tuple | list) else "TS"


def _edges_text(value: Any) -> str:
    if not isinstance(value, tuple | list):
        return f"sack {value}"
    return "sack " + value_text(("SAck", tuple(value)))


def _cookie_text(value: Any) -> str:
    return f"tfo {value.hex() if isinstance(value, bytes) else value}" if value else "tfo request"


KNOWN = (
    Known(0, "EOL", (), _no_body, lambda _: None, lambda _: "eol"),
    Known(1, "NOP", (), _no_body, lambda _: None, lambda _: "nop"),
    # Bytes of data, 0..65535 (RFC 9293 3.7.1).
    Known(2, "MSS", (2,), struct.Struct("!H").pack, _integer, lambda value: f"mss {value}"),
    # The shift, 0..255 as it stands on the wire (RFC 7323 2.2).
    Known(3, "WScale", (1,), struct.Struct("!B").pack, _integer, lambda value: f"wscale {value}"),
    Known(4, "SAckOK", (0,), _permission, lambda _: b"", lambda _: "sackOK"),  # RFC 2018 2
    # left, right, left, right, ... (RFC 2018 3)
    Known(5, "SAck", (8, 16, 24, 32), _edges, lambda body: struct.unpack(f"!{len(body) // 4}I", body), _edges_text),
    Known(8, "Timestamp", (8,), _times, _TWO_WORDS.unpack, _times_text),  # TSval, TSecr (RFC 7323 3.2)
    # The cookie, b"" to ask for one (RFC 7413 4.1.1).
    Known(34, "TFO", range(17), _raw, lambda body: body, _cookie_text),
)
"""The definitions of all options with a name. No other place depends on an option's kind."""
NAMES = {known.kind: known.name for known in KNOWN}
"""The options that have a name, by kind."""
_BY_KIND = {known.kind: known for known in KNOWN}
_BY_NAME: dict[str | int, Known] = {known.name: known for known in KNOWN}


class Offer(NamedTuple):
    """Features that the options of one SYN offer."""

    mss: int | None = None
    shift: int | None = None
    sack_permitted: bool = False
    tsval: int | None = None
    fast_open: bool = False

    @classmethod
    def of(cls, options: Options) -> Offer:
        """The offer in a SYN's options. Of a repeated option the last one counts."""
        last: dict[str | int, Any] = dict(options)  # with a known name decode() returns only valid values
        return cls(
            mss=last.get("MSS"),
            shift=last.get("WScale"),
            sack_permitted="SAckOK" in last,
            tsval=last["Timestamp"][0] if "Timestamp" in last else None,
            fast_open="TFO" in last,
        )


def value_of(options: Options, name: str | int) -> Value:
    """The value of the first option of that name; None when there is none (or when it carries no value)."""
    for option in options:
        if option[0] == name:
            return option[1]
    return None


def has(options: Options, name: str | int) -> bool:
    """Whether there is an option of that name."""
    return any(option[0] == name for option in options)


def timestamp(options: Options) -> tuple[int, int] | None:
    """(TSval, TSecr), or None without a timestamps option."""
    return value_of(options, "Timestamp")  # type: ignore[return-value]  # decode() returns no other type for this name


def text(name: Any, value: Any) -> str:
    """An option as tcpdump writes it: "mss 1460", "TS val 7 ecr 0", "kind 99 b'x'"."""
    known = _BY_NAME.get(name) if isinstance(name, str | int) else None
    return known.text(value) if known else f"kind {name} {value!r}"


def options_text(options: Iterable[Any]) -> str:
    """`mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 3`; "none" for no options. An option may be a wildcard."""
    return ",".join(text(*each) if isinstance(each, tuple) else str(each) for each in options) or "none"


def value_text(option: Option) -> str:
    """The value alone: `1460`, `7, 0` for a timestamp, `1:5 9:12` for SACK blocks, hexadecimal for bytes."""
    match option:
        case "SAck", tuple(edges):
            return " ".join(f"{left}:{right}" for left, right in zip(edges[::2], edges[1::2], strict=True))
        case _, tuple(numbers):
            return ", ".join(map(str, numbers))
        case _, bytes(data):
            return data.hex()
    return "" if option[1] is None else str(option[1])


def encode(options: Options) -> bytes:
    """The option bytes, unpadded. Raises ValueError for an unknown name or an invalid value."""
    return b"".join([_encode_one(name, value) for name, value in options])


def _encode_one(name: str | int, value: Value) -> bytes:
    known = _BY_NAME.get(name)
    if known is None and not isinstance(name, int):
        raise ValueError(f"{name!r} is not a TCP option, use a number or one of {', '.join(NAMES.values())}")
    kind, to_body = (known.kind, known.to_body) if known else (int(name), _raw)
    try:
        body = to_body(value)
    except (struct.error, TypeError):
        raise ValueError(f"option {name!r} cannot carry {value!r}") from None
    return bytes([kind]) if kind < 2 else bytes([kind, len(body) + 2]) + body


def padded(options: Options) -> bytes:
    """The option bytes filled with zeros (EOL) to whole 32-bit words, as a header carries them."""
    data = encode(options)
    return data + bytes(-len(data) % 4)


@lru_cache(maxsize=1024)
def decode(data: bytes) -> tuple[Options, str | None]:
    """The options in `data`, and a text about the first malformed one, where parsing ends, or None (RFC 9293 MUST-7).

    Bytes after the first EOL are padding and left out. The EOL is left out too if only zeros follow.
    """
    options: list[Option] = []
    at, end = 0, len(data)
    while at < end:
        kind = data[at]
        if kind == 0:
            if any(data[at:]):
                options.append(("EOL", None))
                return tuple(options), "nonzero bytes after the end of the option list"
            break
        if kind == 1:
            options.append(("NOP", None))
            at += 1
            continue
        length = data[at + 1] if at + 1 < end else 0
        if length < 2 or at + length > end:
            return tuple(options), f"option kind {kind} at byte {at} has length {length}, but {end - at} bytes are left"
        body = data[at + 2 : at + length]
        known = _BY_KIND.get(kind)
        options.append((known.name, known.to_value(body)) if known and len(body) in known.sizes else (kind, body))
        at += length
    return tuple(options), None
