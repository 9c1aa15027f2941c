"""The segment that an author expects, compared field by field with the received one. Failures print the comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from lab.tcp import flags
from lab.tcp.options import NAMES, Options, has, options_text
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


_FIELDS = (
    _Field("flags", flags.letters),
    _Field("seq", base=lambda bases: bases.kernel),
    _Field("ack", base=lambda bases: bases.peer),
    _Field("window"),
    _Field("options", options_text),
    _Field("payload", payload_text),
    _Field("urgent"),
)
"""In the order of `Expected`."""


def _compared(expected: Expected, segment: Segment, bases: Bases) -> Iterator[tuple[_Field, Any, Any, Any]]:
    """Each given field with three values: the author's, the one expected in the segment, and the segment's."""
    given: Any
    for field, given in zip(_FIELDS, expected, strict=True):
        if given is not None:
            name, _, base = field
            yield field, given, given if base is None else base(bases) + given, getattr(segment, name)


def agrees(expected: Expected, segment: Segment, bases: Bases) -> bool:
    """Whether every given field has the expected value."""
    return all(wanted == got for _, _, wanted, got in _compared(expected, segment, bases))


def compare(expected: Expected, segment: Segment, bases: Bases) -> tuple[Row, ...]:
    """A row for every given field."""
    return tuple(
        _row(field, given, wanted, got, bases) for field, given, wanted, got in _compared(expected, segment, bases)
    )


def _row(field: _Field, given: Any, wanted: Any, got: Any, bases: Bases) -> Row:
    same = wanted == got
    if field.base is None:
        return Row(field.name, field.text(given), field.text(got), same)
    distance = relative(got, field.base(bases))
    if same:
        return Row(field.name, str(given), str(distance), same)
    return Row(field.name, f"{given} (absolute {int(wanted)})", f"{distance} (absolute {int(got)})", same)


def relative(number: Seq, base: Seq) -> int:
    """The distance from an ISS; the number itself if the ISS is unknown (the base is 0)."""
    return number - base if base else int(number)


def as_options(given: Iterable[Any]) -> Options:
    """An author's list of options as a tuple. Raises ValueError for an unknown option.

    The value of SACK-permitted is ignored, as Scapy also accepts None and "".
    """
    listed, names = tuple(given), NAMES.values()
    for option in listed:
        if len(option) != 2 or not (option[0] in names or isinstance(option[0], int)):
            known = ", ".join(sorted(names))
            raise ValueError(
                f"{option!r} is not a TCP option, write a number or one of {known}, and a value: ('MSS', 9)"
            )
    if has(listed, "SAckOK"):
        listed = tuple([("SAckOK", b"") if option[0] == "SAckOK" else option for option in listed])
    return listed


EXPLANATIONS: tuple[tuple[str, int, str], ...] = (
    # field, control bits that must be expected (0: any), sentence
    ("ack", flags.SYN, "a SYN takes up one sequence number, so its answer has ack = its seq + 1   RFC 9293 3.4"),
    ("ack", flags.RST, "a reset that answers a segment without ACK has ack = its seq + its length   RFC 9293 3.5.2"),
    (
        "ack",
        0,
        "ack is the next sequence number expected: all bytes before it came, SYN and FIN count one each   RFC 9293 3.4",
    ),
    (
        "seq",
        flags.SYN,
        "a SYN carries the initial sequence number, and so does each retransmission of it   RFC 9293 3.4.1",
    ),
    ("seq", flags.RST, "a reset that answers a segment with ACK takes its seq from that ack   RFC 9293 3.5.2"),
    ("seq", 0, "a segment starts where the one before it ended; SYN and FIN take one number each   RFC 9293 3.4"),
    ("flags", flags.SYN | flags.ACK, "a listener answers a SYN with SYN and ACK in one segment   RFC 9293 3.10.7.2"),
    ("flags", flags.FIN, "closing sends FIN, always together with ACK   RFC 9293 3.6, 3.10.4"),
    ("flags", flags.RST, "what arrives for no connection is answered with a reset   RFC 9293 3.5.2"),
    ("flags", 0, "after the first SYN every segment carries ACK   RFC 9293 3.1"),
    ("window", flags.SYN, "the window of a segment with SYN is never scaled   RFC 7323 2.2"),
    ("window", 0, "the window is what the receiver takes beyond ack, shifted right by its scale   RFC 7323 2.3"),
    (
        "options",
        flags.SYN,
        "each side announces its own MSS; a SYN,ACK has other options only if offered   RFC 9293 3.7.1, RFC 7323",
    ),
    ("options", 0, "after the SYNs only timestamps and SACK blocks are left   RFC 7323 3.2, RFC 2018 3"),
    ("payload", 0, "bytes arrive once, in order and unchanged   RFC 9293 3.4"),
    ("urgent", 0, "the urgent pointer means something only with URG   RFC 9293 3.1"),
)
"""The rule of the documents behind a difference, chosen by the field that differs and the control bits expected."""


def explanation(field: str, expected_flags: int) -> str:
    """One sentence and its section for a field that differs; "" if there is none."""
    for name, needed, sentence in EXPLANATIONS:
        if name == field and expected_flags & needed == needed:
            return sentence
    return ""
