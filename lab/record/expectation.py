"""The segment that an author expects, compared field by field with the received one. Failures print the comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from lab.tcp import flags
from lab.tcp.options import NAMES, Option, Options, options_text
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


class _Zero(int):
    """The header field itself is zero, also where it means nothing: `ack` without ACK, `urgent` without URG."""

    def __repr__(self) -> str:
        return "zero"


ZERO = _Zero()


class Expected(NamedTuple):
    """The expected fields of the next segment. `seq` and `ack` are relative to each side's ISS.

    A field that is None is not compared. The standing rules check every segment independently of this.
    """

    flags: int
    seq: int | None = None
    ack: int | None = None
    window: int | None = None
    options: Options | None = None
    payload: bytes | None = b""
    urgent: int | None = None

    @classmethod
    def of(
        cls, letters: str, options: Iterable[Any] | None, payload: bytes | str | None, **numbers: int | None
    ) -> Expected:
        """The fields in an author's words. Raises ValueError or TypeError for a value that no segment could have."""
        ensure_numbers(**{name: value for name, value in numbers.items() if value is not ANY})
        listed = options if options is None or options is ANY else as_options(options)
        text = payload if payload is None or payload is ANY else octets(payload)
        return cls(letters if letters is ANY else flags.bits(letters), options=listed, payload=text, **numbers)


def ensure_numbers(**given: int | None) -> None:
    """Raise TypeError unless each value is an integer or None."""
    for name, value in given.items():
        if value is not None and not isinstance(value, int):
            raise TypeError(f"{name} takes a number, not {value!r}")


def octets(payload: bytes | str) -> bytes:
    """An author's payload as bytes. Raises TypeError for anything else."""
    if isinstance(payload, str):
        return payload.encode()
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise TypeError(f"the payload must be bytes or text, not {payload!r}")
    return bytes(payload)


class Bases(NamedTuple):
    """Initial sequence numbers, for relative numbers: the kernel's (0 until its SYN is seen) and the peer's."""

    kernel: Seq
    peer: Seq


class Row(NamedTuple):
    """One compared field: its name, the expected and the received value, and whether they agree."""

    field: str
    expected: str
    got: str
    agrees: bool

    @classmethod
    def of(cls, field: str, expected: object, got: object) -> Row:
        """A row for two values that should be equal."""
        return cls(field, str(expected), str(got), expected == got)


def payload_text(payload: bytes) -> str:
    """Length of the payload, and its first bytes."""
    if not payload:
        return "none"
    shown = repr(payload[:24])[1:] + ("..." if len(payload) > 24 else "")
    return f"{len(payload)} bytes {shown}"


class _Field(NamedTuple):
    """Comparison of a field of `Expected` with the field of the same name in a segment."""

    name: str
    text: Callable[[Any], str] = str
    base: Callable[[Bases], Seq] | None = None
    """The ISS that the expected number is relative to."""
    needs: int = 0
    """Control bit without which the segment does not carry this field."""
    absent: str = ""

    def agrees(self, given: Any, segment: Segment, bases: Bases) -> bool:
        """Whether the segment carries the given value."""
        got = getattr(segment, self.name)
        if given is ANY or given is ZERO:
            return bool(given == got)
        return self.is_in(segment) and got == (given if self.base is None else self.base(bases) + given)

    def is_in(self, segment: Segment) -> bool:
        """Whether the segment carries this field."""
        return segment.flags & self.needs == self.needs

    def row(self, given: Any, segment: Segment, bases: Bases) -> Row:
        """The comparison in words."""
        got, same = getattr(segment, self.name), self.agrees(given, segment, bases)
        expected = "ANY" if given is ANY else self.text(given)
        if given is ZERO:
            return Row(self.name, expected, expected if same else f"{'absolute ' * bool(self.base)}{int(got)}", same)
        if not self.is_in(segment):
            return Row(self.name, expected, self.absent, same)
        if self.base is None:
            return Row(self.name, expected, self.text(got), same)
        base = self.base(bases)
        distance = str(relative(got, base))
        if same:
            return Row(self.name, expected, distance, same)
        return Row(self.name, f"{given} (absolute {int(base + given)})", f"{distance} (absolute {int(got)})", same)


_FIELDS = (
    _Field("flags", flags.letters),
    _Field("seq", base=lambda bases: bases.kernel),
    _Field("ack", base=lambda bases: bases.peer, needs=flags.ACK, absent="no ACK"),
    _Field("window"),
    _Field("options", options_text),
    _Field("payload", payload_text),
    _Field("urgent", needs=flags.URG, absent="no URG"),
)
"""In the order of `Expected`."""


def _compared(expected: Expected) -> Iterator[tuple[_Field, Any]]:
    return ((field, given) for field, given in zip(_FIELDS, expected, strict=True) if given is not None)


def agrees(expected: Expected, segment: Segment, bases: Bases) -> bool:
    """Whether every given field has the expected value."""
    return all(field.agrees(given, segment, bases) for field, given in _compared(expected))


def compare(expected: Expected, segment: Segment, bases: Bases) -> tuple[Row, ...]:
    """A row for every given field."""
    return tuple(field.row(given, segment, bases) for field, given in _compared(expected))


def relative(number: Seq, base: Seq) -> int:
    """The distance from an ISS; the number itself if the ISS is unknown (the base is 0)."""
    return number - base if base else int(number)


_WITHOUT_VALUE = {"SAckOK": b"", "NOP": None, "EOL": None}


def as_options(given: Iterable[Any]) -> Options:
    """An author's list of options as a tuple; an option, its name or its value may be ANY.

    Raises ValueError for an unknown option. The value of an option that has none is ignored: Scapy accepts None and "".
    """
    return tuple(option if option is ANY else _as_option(option) for option in given)


def _as_option(option: Any) -> Option:
    is_pair = isinstance(option, tuple | list) and len(option) == 2
    if not is_pair or not (option[0] is ANY or isinstance(option[0], int) or option[0] in NAMES.values()):
        known = ", ".join(sorted(NAMES.values()))
        raise ValueError(f"{option!r} is not a TCP option, write a number or one of {known}, and a value: ('MSS', 9)")
    name, value = option
    if name is not ANY and name in _WITHOUT_VALUE:
        return name, _WITHOUT_VALUE[name]
    return name, tuple(value) if isinstance(value, list) else value
