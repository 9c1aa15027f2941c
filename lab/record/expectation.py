"""What an author expects of a segment, compared field by field. The comparison is also what gets printed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from lab.tcp import flags
from lab.tcp.options import NAMES, Options, has
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq


class _Any:
    """Equal to everything: for one value inside an option list, or a field that need not be compared."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # it equals everything, so no hash could be right

    def __eq__(self, other: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "ANY"


ANY: Any = _Any()


class Expected(NamedTuple):
    """The fields of the next segment. Sequence and acknowledgement numbers are relative to each side's ISS.

    A field left None is not compared here; the standing rules look at every field of every segment all the same.
    """

    flags: int
    seq: int | None = None
    ack: int | None = None
    window: int | None = None
    options: Options | None = None
    payload: bytes | None = b""
    urgent: int | None = None


class Bases(NamedTuple):
    """What relative numbers are relative to: the kernel's ISS (0 as long as it has shown none) and the peer's."""

    kernel: Seq
    peer: Seq


class Row(NamedTuple):
    """One compared field: what it is called, what was expected, what came, and whether they agree."""

    field: str
    expected: str
    got: str
    agrees: bool


def agrees(expected: Expected, segment: Segment, bases: Bases) -> bool:
    """Whether every expected field is as it should be."""
    return (
        segment.flags == expected.flags
        and (expected.seq is None or segment.seq == bases.kernel + expected.seq)
        and (expected.ack is None or segment.ack == bases.peer + expected.ack)
        and (expected.payload is None or segment.payload == expected.payload)
        and (expected.window is None or segment.window == expected.window)
        and (expected.options is None or expected.options == segment.options)
        and (expected.urgent is None or segment.urgent == expected.urgent)
    )


def compare(expected: Expected, segment: Segment, bases: Bases) -> tuple[Row, ...]:
    """Every expected field beside what came. `agrees` is all rows agreeing, said faster."""
    rows = [_row("flags", flags.letters(expected.flags), segment.letters)]
    if expected.seq is not None:
        rows.append(_number("seq", bases.kernel, expected.seq, segment.seq))
    if expected.ack is not None:
        rows.append(_number("ack", bases.peer, expected.ack, segment.ack))
    if expected.window is not None:
        rows.append(_row("window", str(expected.window), str(segment.window)))
    if expected.options is not None:
        same = expected.options == segment.options
        rows.append(Row("options", options_text(expected.options), options_text(segment.options), same))
    if expected.payload is not None:
        rows.append(_row("payload", payload_text(expected.payload), payload_text(segment.payload)))
    if expected.urgent is not None:
        rows.append(_row("urgent", str(expected.urgent), str(segment.urgent)))
    return tuple(rows)


def relative(number: Seq, base: Seq) -> int:
    """The distance from an ISS, or the number itself where no ISS is known (the base is 0)."""
    return number - base if base else int(number)


def as_options(given: Iterable[Any]) -> Options:
    """An author's list of options as the model's tuple; ValueError for one that there is not.

    Scapy takes None or "" for SACK-permitted as well.
    """
    listed = tuple(given)
    for option in listed:
        if len(option) != 2 or not (option[0] in NAMES or isinstance(option[0], int)):
            known = ", ".join(sorted(NAMES))
            raise ValueError(
                f"{option!r} is not a TCP option, write a number or one of {known}, and a value: ('MSS', 9)"
            )
    if has(listed, "SAckOK"):
        listed = tuple([("SAckOK", b"") if option[0] == "SAckOK" else option for option in listed])
    return listed


def options_text(listed: Options) -> str:
    """`mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 3`, as tcpdump writes it; "none" for no options."""
    return ",".join(_option_text(name, value) for name, value in listed) or "none"


def payload_text(payload: bytes) -> str:
    """How many bytes, and the first of them."""
    if not payload:
        return "none"
    shown = repr(payload[:24])[1:] + ("..." if len(payload) > 24 else "")
    return f"{len(payload)} bytes {shown}"


def _option_text(name: str | int, value: Any) -> str:
    if value is ANY and name in {"SAck", "TFO"}:
        return f"{str(name).lower()} ANY"
    match name:
        case "MSS":
            return f"mss {value}"
        case "WScale":
            return f"wscale {value}"
        case "SAckOK":
            return "sackOK"
        case "SAck":
            edges = list(value)
            return "sack " + " ".join(f"{left}:{right}" for left, right in zip(edges[::2], edges[1::2], strict=True))
        case "Timestamp":
            return "TS" if value is ANY else f"TS val {value[0]} ecr {value[1]}"
        case "TFO":
            return f"tfo {value.hex()}" if value else "tfo request"
        case "NOP" | "EOL":
            return str(name).lower()
        case _:
            return f"kind {name} {value!r}"


def _row(field: str, expected: str, got: str) -> Row:
    return Row(field, expected, got, expected == got)


def _number(field: str, base: Seq, expected: int, got: Seq) -> Row:
    absolute = base + expected
    if absolute == got:
        return Row(field, str(expected), str(relative(got, base)), True)
    return Row(field, f"{expected} (absolute {int(absolute)})", f"{relative(got, base)} (absolute {int(got)})", False)
