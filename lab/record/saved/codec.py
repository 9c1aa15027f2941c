"""Conversion of a recording to a JSON object, and back.

The names and types of a class's fields determine its JSON; `_BY_TYPE` has a conversion for each type. A field with its
default value is left out; a missing field has its default when read. So a later version can add fields with defaults
and still read older files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import isfinite
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from lab.record.events import (
    CallMade,
    CheckKind,
    CheckMade,
    Concluded,
    Connection,
    CrossingOver,
    Difference,
    Event,
    Executed,
    FrameSeen,
    Measured,
    Place,
    Recording,
    ReprOnly,
    StateSeen,
    StepBegun,
    Where,
    abbreviated,
)
from lab.record.expectation import Bases, Row
from lab.record.kernel_state import KernelState
from lab.record.results import BrokenFile
from lab.tcp import options
from lab.tcp.options import Option
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.frames import decode

Json = Any
LONGEST_TEXT = 1_000_000
"""In characters: no more of a title or a message is saved."""
_MOST_BITS = 62
"""Of an integer: a sum of three times in nanoseconds fits into 64."""
_NEEDED = object()
"""Marks a field without default."""


class Damaged(Exception):
    """The JSON is not a valid recording; the message gives place and reason."""


class JsonType(NamedTuple):
    """Conversion of the values of a type."""

    to_json: Callable[[Any], Json] | None
    """None: the values are JSON already."""
    from_json: Callable[[Json], Any]
    """Raises TypeError, ValueError or LookupError for an invalid value."""


class Fields:
    """The saved fields of a dataclass or NamedTuple, in order."""

    __slots__ = ("_from_json", "_needed", "_nones", "_to_json")

    def __init__(self, kind: type, leaving_out: Iterable[str] = ()) -> None:
        if dataclasses.is_dataclass(kind):
            given = [each for each in dataclasses.fields(kind) if each.init]  # the others are computed
            types = {each.name: str(each.type) for each in given}
            defaults = {each.name: _default_of(each) for each in given}
        else:
            types = {name: each.__forward_arg__ for name, each in kind.__annotations__.items()}
            defaults = dict.fromkeys(types, _NEEDED) | kind._field_defaults  # type: ignore[attr-defined]  # NamedTuple
        kept = [name for name in types if name not in leaving_out]
        self._nones = {name: None for name in kept if types[name].endswith(" | None")}
        defaults |= {name: None for name in self._nones if defaults[name] is _NEEDED}
        self._needed = frozenset(name for name in kept if defaults[name] is _NEEDED)
        json_types = {name: _BY_TYPE[types[name].removesuffix(" | None")] for name in kept}
        self._to_json = [(name, defaults[name], json_types[name].to_json) for name in kept]
        self._from_json = {name: json_types[name].from_json for name in kept}

    def to_object(self, value: Any) -> dict[str, Json]:
        """The JSON object for an instance of the class."""
        raw: dict[str, Json] = {}
        for name, default, to_json in self._to_json:
            held = getattr(value, name)
            if held is not default and held != default:
                raw[name] = held if to_json is None or held is None else to_json(held)
        return raw

    def from_object(self, raw: Json) -> dict[str, Any]:
        """Values of the fields in a JSON object. Raises Damaged for a missing required field or an invalid value."""
        if raw.__class__ is not dict:
            raise Damaged(f"{abbreviated(raw)} is not an object")
        values: dict[str, Any] = self._nones.copy()
        from_json = self._from_json
        name, held = "", None
        try:
            for name, held in raw.items():
                if name in from_json and (held is not None or name not in self._nones):
                    values[name] = from_json[name](held)
        except (TypeError, ValueError, LookupError):
            raise Damaged(f"{name!r} cannot be {abbreviated(held)}") from None
        if not self._needed.issubset(values):
            raise Damaged(f"{min(self._needed - values.keys())!r} is missing")
        return values


def _default_of(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _NEEDED if field.default is dataclasses.MISSING else field.default


def _exactly(*kinds: type) -> JsonType:
    """Values of these classes, which are JSON already."""

    def read(raw: Json) -> Any:
        if raw.__class__ not in kinds:
            raise TypeError
        return raw

    return JsonType(None, read)


def _array(one: JsonType, collect: Callable[[Iterable[Any]], Any]) -> JsonType:
    to_one, from_one = one

    def read(raw: Json) -> Any:
        if raw.__class__ is not list:
            raise TypeError
        return collect([from_one(each) for each in raw])

    return JsonType(list if to_one is None else lambda values: [to_one(each) for each in values], read)


def _object(kind: type) -> JsonType:
    fields = Fields(kind)
    return JsonType(fields.to_object, lambda raw: kind(**fields.from_object(raw)))


def parsed(text: bytes) -> Json:
    """The value of a JSON text. Raises ValueError for an invalid one, and for numbers that are not finite."""
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(digits: str) -> float:
    if not isfinite(number := float(digits)):
        raise ValueError(f"{digits} is not a finite number")
    return number


def text_to_json(text: str) -> str:
    """The text in a form that `text_from_json` accepts: cut if too long, lone surrogates as escape sequences."""
    return (text if text.isascii() else text.encode("utf-8", "backslashreplace").decode())[:LONGEST_TEXT]


def text_from_json(raw: Json) -> str:
    """A text of limited length that UTF-8 can encode."""
    if raw.__class__ is not str or len(raw) > LONGEST_TEXT:
        raise TypeError("it is not a text, or too long")
    if not raw.isascii():
        raw.encode()
    return str(raw)


def number_from_json(raw: Json) -> Any:
    """An integer or a float. Raises TypeError for other values, and for an integer too large for the views."""
    if raw.__class__ is not float and (raw.__class__ is not int or raw.bit_length() > _MOST_BITS):
        raise TypeError("it is not a number, or too large")
    return raw


def _integer_from_json(raw: Json) -> Any:
    if raw.__class__ is not int or raw.bit_length() > _MOST_BITS:
        raise TypeError
    return raw


def texts_from_json(raw: Json) -> dict[str, str]:
    """An object whose values are texts."""
    if raw.__class__ is not dict:
        raise TypeError
    return {text_from_json(name): text_from_json(value) for name, value in raw.items()}


def _environment_from_json(raw: Json) -> dict[str, Any]:
    if raw.__class__ is not dict:
        raise TypeError
    kinds: dict[str, Callable[[Json], Any]] = {"sysctls": texts_from_json, "witnesses": _array(_STR, list).from_json}
    return {"kernel": "", **{name: kinds.get(name, text_from_json)(value) for name, value in raw.items()}}


def _segment_from_json(raw: Json) -> Segment:
    segment = Segment(**_SEGMENT.from_object(raw))
    options.encode(segment.options)
    for name, end in _HEADER_FIELDS:
        if not 0 <= getattr(segment, name) < end:
            raise ValueError
    return segment


def _anything_to_json(value: object) -> Json:
    """Numbers, strings, bytes and None are saved as they are; of other values only the repr is saved."""
    if value is None or isinstance(value, bool | int | str):
        return value
    return {"hex": value.hex()} if isinstance(value, bytes) else {"shown": text_to_json(repr(value))}


def _anything_from_json(raw: Json) -> object:
    match raw:
        case None | bool() | int() | str():
            return raw
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
        case {"shown": str(text)}:
            return ReprOnly(text_from_json(text))
        case _:
            raise TypeError


def _option_to_json(option: Option) -> Json:
    name, value = option
    return [name, {"hex": value.hex()} if isinstance(value, bytes) else value]


def _option_from_json(raw: Json) -> Option:
    match raw:
        case [str() | int() as name, {"hex": str(digits)}]:
            return name, bytes.fromhex(digits)
        case [str() | int() as name, None | int() as value]:
            return name, value
        case [str() | int() as name, list(numbers)] if all(each.__class__ is int for each in numbers):
            return name, tuple(numbers)
        case _:
            raise TypeError


def _row_from_json(raw: Json) -> Row:
    field, expected, got, agrees = raw
    if not field.__class__ is expected.__class__ is got.__class__ is str or agrees.__class__ is not bool:
        raise TypeError
    text_from_json(field + expected + got)  # one look instead of three: most rows of a recording come from here
    return Row(field, expected, got, agrees)


def row_to_json(row: Row) -> Json:
    """The array for a comparison."""
    return [*map(text_to_json, row[:-1]), row.agrees]


@lru_cache(maxsize=256, typed=True)
def _bases(kernel: int, peer: int) -> Bases:
    """Cached, because almost all frames of a connection have the same bases."""
    if not kernel.__class__ is peer.__class__ is int:
        raise TypeError
    return Bases(Seq(kernel), Seq(peer))


_INT, _STR = JsonType(None, _integer_from_json), JsonType(text_to_json, text_from_json)
_ANYTHING = JsonType(_anything_to_json, _anything_from_json)
_VALUE_OF = attrgetter("value")
_BY_TYPE = {
    "bool": _exactly(bool),
    "int": _INT,
    "float": JsonType(None, number_from_json),
    "str": _STR,
    "object": _ANYTHING,
    "bytes": JsonType(bytes.hex, lambda raw: bytes.fromhex(text_from_json(raw))),
    "Path": JsonType(lambda path: text_to_json(str(path)), lambda raw: Path(text_from_json(raw))),
    "Seq": JsonType(int, Seq),
    "CheckKind": JsonType(_VALUE_OF, CheckKind),
    "State": JsonType(_VALUE_OF, {state.value: state for state in State}.__getitem__),
    "tuple[int, ...]": _array(_INT, tuple),
    "tuple[str, ...]": _array(_STR, tuple),
    "list[str]": _array(_STR, list),
    "dict[str, str]": JsonType(dict, texts_from_json),
    "Mapping[str, str]": JsonType(dict, texts_from_json),
    "dict[str, Any]": JsonType(None, _environment_from_json),
    "tuple[object, ...]": _array(_ANYTHING, tuple),
    "Options": _array(JsonType(_option_to_json, _option_from_json), tuple),
    "Bases": JsonType(lambda value: [int(each) for each in value], lambda raw: _bases(*raw)),
    "Where": _exactly(Place),  # events refer to them by number, see `Places`
    "tuple[Row, ...]": _array(JsonType(row_to_json, _row_from_json), tuple),
}
"""Fields of other types cannot be saved."""

_BY_TYPE["KernelState"] = _object(KernelState)
_SEGMENT = Fields(Segment)
_HEADER_FIELDS = ("flags", 1 << 9), ("window", 1 << 16), ("urgent", 1 << 16), ("reserved", 1 << 3)
_BY_TYPE["Segment"] = JsonType(_SEGMENT.to_object, _segment_from_json)
_BY_TYPE["Difference"] = _object(Difference)
_BY_TYPE["list[Connection]"] = _array(_object(Connection), list)
_BY_TYPE["list[BrokenFile]"] = _array(_object(BrokenFile), list)

# Recordings and their events.

_NAMES: dict[type[Any], str] = {
    FrameSeen: "frame",
    CrossingOver: "crossing over",
    StateSeen: "state",
    CallMade: "call",
    StepBegun: "step",
    Measured: "measured",
    Concluded: "conclusion",
    CheckMade: "check",
}
"""Names of events in the file."""

# Times are relative to the start of the recording. For a check the rows are saved, not the expected fields.
_FIELDS = {kind: Fields(kind, leaving_out=("time_ns", "expected")) for kind in _NAMES}
_KINDS = {name: (kind, _FIELDS[kind]) for kind, name in _NAMES.items()}
_RECORDING = Fields(Recording, leaving_out=("events",))
PLACE = Fields(Place)

_KINDS_BY_SUBJECT = (
    ("standing rule", "rule"),
    ("documented deviation", "deviation"),
    ("silence", "silence"),
    ("nothing", "nothing left"),
    ("state", "state"),
)
"""First words of a check's subject, and its kind: for older files, in which checks have no kind."""


class Places:
    """Lines of scenario files in a recording, each listed once."""

    def __init__(self) -> None:
        self.listed: list[Place] = []
        self._numbers: dict[object, int] = {}

    def number_of(self, where: Where) -> int:
        """The index in `listed` of a line of a scenario file; a new line is added."""
        # Not the code itself: code of two files can compare equal.
        key = (id(where.code), where.instruction) if isinstance(where, Executed) else where
        number = self._numbers.get(key)
        if number is None:
            place = Place(where.file, where.line, where.source)
            number = self._numbers.setdefault(place, len(self.listed))
            if number == len(self.listed):
                self.listed.append(place)
            self._numbers[key] = number
        return number


def recording_to_json(recording: Recording) -> dict[str, Json]:
    """The JSON object for a recording."""
    places = Places()
    events = [_event_to_json(recording, event, places) for event in recording.events]
    return {
        **_RECORDING.to_object(recording),
        "places": [PLACE.to_object(place) for place in places.listed],
        "events": events,
    }


def recording_from_json(raw: Json) -> Recording:
    """The recording in a JSON object. Raises Damaged for an invalid one."""
    recording = Recording(**_RECORDING.from_object(raw))
    places = [Place(**PLACE.from_object(each)) for each in _list(raw, "places")]
    events = _list(raw, "events")
    for number, each in enumerate(events):
        try:
            recording.events.append(_event_from_json(each, recording, places))
        except Damaged as why:
            raise Damaged(f"event {number}: {why}") from None
    for number, event in enumerate(recording.events):
        for at in _frames_of(event):
            if not (0 <= at < len(events) and isinstance(recording.events[at], FrameSeen)):
                raise Damaged(f"event {number}: there is no frame {at}")
    return recording


def _event_to_json(recording: Recording, event: Event, places: Places) -> dict[str, Json]:
    kind = event.__class__
    raw = {"event": _NAMES[kind], "ns": event.time_ns - recording.started_ns, **_FIELDS[kind].to_object(event)}
    if "where" in raw:
        raw["where"] = places.number_of(raw["where"])
    if isinstance(event, FrameSeen):
        if event.segment == _segment_in(event.data):
            raw.pop("segment", None)
        elif event.segment is None:
            raw["segment"] = None
    elif isinstance(event, CheckMade) and event.expected is not None:
        raw["rows"] = [row_to_json(row) for row in recording.rows(event)]
    return raw


def _event_from_json(raw: Json, recording: Recording, places: list[Place]) -> Event:
    """One event. Raises Damaged if it is invalid. Whether the frames that it refers to exist is not checked here."""
    name = raw.get("event") if raw.__class__ is dict else None
    if name.__class__ is not str or name not in _KINDS:
        raise Damaged(f"{abbreviated(raw)} is not an event")
    kind, fields = _KINDS[name]
    ns = raw.get("ns")
    if ns.__class__ is not int or ns.bit_length() > _MOST_BITS:
        raise Damaged(f"'ns' cannot be {abbreviated(ns)}")
    if raw.get("where") is not None:
        raw["where"] = _place(raw["where"], places)
    if kind is CheckMade and "kind" not in raw:
        raw["kind"] = _kind_by_subject(raw.get("subject"))
    values = fields.from_object(raw)
    connection = values.get("connection")
    # -1: a peer without connection
    if connection is not None and not (-1 if kind is CheckMade else 0) <= connection < len(recording.connections):
        raise Damaged(f"there is no connection {connection}")
    if kind is FrameSeen and "segment" not in raw:
        values["segment"] = _segment_in(values["data"])
    event: Event = kind(recording.started_ns + ns, **values)
    return event


def _frames_of(event: Event) -> Iterable[int]:
    if isinstance(event, CheckMade) and event.frame is not None:
        return (event.frame,)
    return event.frames if isinstance(event, CrossingOver) else ()


def _segment_in(data: bytes) -> Segment | None:
    found = decode(data)
    return found.segment if found else None


def _place(number: Json, places: list[Place]) -> Place:
    if number.__class__ is not int or not 0 <= number < len(places):
        raise Damaged(f"'where' cannot be {abbreviated(number)}")
    return places[number]


def _kind_by_subject(subject: object) -> str:
    return next((kind for words, kind in _KINDS_BY_SUBJECT if str(subject).startswith(words)), "value")


def _list(raw: Json, name: str) -> list[Json]:
    if not isinstance(found := raw.get(name), list):
        raise Damaged(f"{name!r} cannot be {abbreviated(found)}")
    return found
