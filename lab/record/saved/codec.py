"""A recording as one JSON object, and back.

What a value is in JSON follows from the class that it is a field of: its name, and its type in one table. A field that
is as its class has it by default is left out, and read as that default. So a later version may add a field with a
default, and still reads what an earlier one wrote.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from lab.record.events import (
    CallMade,
    CheckKind,
    CheckMade,
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
from lab.tcp.options import Option
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.frames import decode

Json = Any
_NEEDED = object()
"""The default of a field that has none."""


class Damaged(Exception):
    """The JSON is not what a recording consists of; says where and what."""


class JsonType(NamedTuple):
    """How the values of a type are written and read."""

    to_json: Callable[[Any], Json] | None
    """None: as they are."""
    from_json: Callable[[Json], Any]
    """TypeError, ValueError or LookupError for what is no such value."""


class Fields:
    """The fields of a dataclass or NamedTuple that are kept, in order."""

    __slots__ = ("_from_json", "_needed", "_nones", "_to_json")

    def __init__(self, kind: type, leaving_out: Iterable[str] = ()) -> None:
        if dataclasses.is_dataclass(kind):
            given = [each for each in dataclasses.fields(kind) if each.init]  # the others are derived from these
            types = {each.name: str(each.type) for each in given}
            defaults = {each.name: _default_of(each) for each in given}
        else:
            types = {name: each.__forward_arg__ for name, each in kind.__annotations__.items()}
            defaults = dict.fromkeys(types, _NEEDED) | kind._field_defaults  # type: ignore[attr-defined]  # NamedTuple
        kept = [name for name in types if name not in leaving_out]
        self._nones = {name: None for name in kept if types[name].endswith(" | None")}
        defaults |= {name: None for name in self._nones if defaults[name] is _NEEDED}
        self._needed = [name for name in kept if defaults[name] is _NEEDED]
        json_types = {name: _BY_TYPE[types[name].removesuffix(" | None")] for name in kept}
        self._to_json = [(name, defaults[name], json_types[name].to_json) for name in kept]
        self._from_json = {name: json_types[name].from_json for name in kept}

    def to_object(self, value: Any) -> dict[str, Json]:
        """The JSON object of a value with these fields."""
        json_value: dict[str, Json] = {}
        for name, default, to_json in self._to_json:
            held = getattr(value, name)
            if held is not default and held != default:
                json_value[name] = held if to_json is None or held is None else to_json(held)
        return json_value

    def from_object(self, json_value: Json) -> dict[str, Any]:
        """The values of the fields, without those that are as usual; Damaged if one is missing, or is none."""
        if json_value.__class__ is not dict:
            raise Damaged(f"{abbreviated(json_value)} is not an object")
        values: dict[str, Any] = self._nones.copy()
        from_json = self._from_json
        name, held = "", None
        try:
            for name, held in json_value.items():
                if name in from_json:
                    values[name] = None if held is None and name in self._nones else from_json[name](held)
        except (TypeError, ValueError, LookupError):
            raise Damaged(f"{name} cannot be {abbreviated(held)}") from None
        for name in self._needed:
            if name not in values:
                raise Damaged(f"{name} is missing")
        return values


def _default_of(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _NEEDED if field.default is dataclasses.MISSING else field.default


# What a type is in JSON.


def _exactly(*kinds: type) -> JsonType:
    """Values of these classes, which JSON has too."""

    def read(json_value: Json) -> Any:
        if json_value.__class__ not in kinds:
            raise TypeError
        return json_value

    return JsonType(None, read)


def _array(one: JsonType, collect: Callable[[Iterable[Any]], Any]) -> JsonType:
    to_one, from_one = one

    def read(json_value: Json) -> Any:
        if json_value.__class__ is not list:
            raise TypeError
        return collect([from_one(each) for each in json_value])

    return JsonType(list if to_one is None else lambda values: [to_one(each) for each in values], read)


def _object(kind: type) -> JsonType:
    fields = Fields(kind)
    return JsonType(fields.to_object, lambda json_value: kind(**fields.from_object(json_value)))


def _texts_from_json(json_value: Json) -> dict[str, str]:
    if json_value.__class__ is not dict or not all(each.__class__ is str for each in json_value.values()):
        raise TypeError
    return dict(json_value)


def _anything_to_json(value: object) -> Json:
    """A number, a text, bytes or nothing as it is; of anything else how it looks."""
    if value is None or isinstance(value, bool | int | str):
        return value
    return {"hex": value.hex()} if isinstance(value, bytes) else {"shown": repr(value)}


def _anything_from_json(json_value: Json) -> object:
    match json_value:
        case None | bool() | int() | str():
            return json_value
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
        case {"shown": str(text)}:
            return ReprOnly(text)
        case _:
            raise TypeError


def _option_to_json(option: Option) -> Json:
    name, value = option
    return [name, {"hex": value.hex()} if isinstance(value, bytes) else value]


def _option_from_json(json_value: Json) -> Option:
    match json_value:
        case [str() | int() as name, {"hex": str(digits)}]:
            return name, bytes.fromhex(digits)
        case [str() | int() as name, None | int() as value]:
            return name, value
        case [str() | int() as name, list(numbers)] if all(each.__class__ is int for each in numbers):
            return name, tuple(numbers)
        case _:
            raise TypeError


def _row_from_json(json_value: Json) -> Row:
    field, expected, got, agrees = json_value
    if not field.__class__ is expected.__class__ is got.__class__ is str or agrees.__class__ is not bool:
        raise TypeError
    return Row(field, expected, got, agrees)


@lru_cache(maxsize=256, typed=True)
def _bases(kernel: int, peer: int) -> Bases:
    """Hardly any two frames of a connection differ in them."""
    if not kernel.__class__ is peer.__class__ is int:
        raise TypeError
    return Bases(Seq(kernel), Seq(peer))


_INT, _STR = _exactly(int), _exactly(str)
_ANYTHING = JsonType(_anything_to_json, _anything_from_json)
_VALUE_OF = attrgetter("value")
_BY_TYPE = {
    "bool": _exactly(bool),
    "int": _INT,
    "float": _exactly(float, int),
    "str": _STR,
    "object": _ANYTHING,
    "bytes": JsonType(bytes.hex, bytes.fromhex),
    "Path": JsonType(str, Path),
    "Seq": JsonType(int, Seq),
    "CheckKind": JsonType(_VALUE_OF, CheckKind),
    "State": JsonType(_VALUE_OF, {state.value: state for state in State}.__getitem__),
    "tuple[int, ...]": _array(_INT, tuple),
    "tuple[str, ...]": _array(_STR, tuple),
    "list[str]": _array(_STR, list),
    "dict[str, str]": JsonType(dict, _texts_from_json),
    "Mapping[str, str]": JsonType(dict, _texts_from_json),
    "dict[str, Any]": _exactly(dict),
    "tuple[object, ...]": _array(_ANYTHING, tuple),
    "Options": _array(JsonType(_option_to_json, _option_from_json), tuple),
    "Bases": JsonType(lambda value: [int(each) for each in value], lambda json_value: _bases(*json_value)),
    "Where": _exactly(Place),  # events name them by numbers, see `Places`
    "tuple[Row, ...]": _array(JsonType(list, _row_from_json), tuple),
}
"""A field of a type that is missing here cannot be saved."""

_BY_TYPE["KernelState"] = _object(KernelState)
_BY_TYPE["Segment"] = _object(Segment)
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
    CheckMade: "check",
}
"""What an event is called on disk."""

# Times count from the start; of a check what was compared is kept, not what it was compared with.
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
"""How the subject of a check begins, and what its kind is, in a file from before checks had one."""


class Places:
    """The lines of scenario files that a recording names, each once."""

    def __init__(self) -> None:
        self.listed: list[Place] = []
        self._numbers: dict[object, int] = {}

    def number_of(self, where: Where) -> int:
        """The number of a line."""
        # Not the code itself: two files may have equal code.
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
    """The whole recording."""
    places = Places()
    events = [_event_to_json(recording, event, places) for event in recording.events]
    return {
        **_RECORDING.to_object(recording),
        "places": [PLACE.to_object(place) for place in places.listed],
        "events": events,
    }


def recording_from_json(json_value: Json) -> Recording:
    """The recording; Damaged if that is none."""
    recording = Recording(**_RECORDING.from_object(json_value))
    places = [Place(**PLACE.from_object(each)) for each in _list(json_value, "places")]
    events = _list(json_value, "events")
    for number, each in enumerate(events):
        try:
            recording.events.append(_event_from_json(each, recording, places, len(events)))
        except Damaged as why:
            raise Damaged(f"event {number}: {why}") from None
    return recording


def _event_to_json(recording: Recording, event: Event, places: Places) -> dict[str, Json]:
    kind = event.__class__
    json_value = {"event": _NAMES[kind], "ns": event.time_ns - recording.started_ns, **_FIELDS[kind].to_object(event)}
    if "where" in json_value:
        json_value["where"] = places.number_of(json_value["where"])
    if isinstance(event, FrameSeen):
        if event.segment == _segment_in(event.data):
            json_value.pop("segment", None)
        elif event.segment is None:
            json_value["segment"] = None
    elif isinstance(event, CheckMade) and event.expected is not None:
        json_value["rows"] = [list(row) for row in recording.rows(event)]
    return json_value


def _event_from_json(json_value: Json, recording: Recording, places: list[Place], count: int) -> Event:
    """One of `count` events; what it refers to has to be there."""
    name = json_value.get("event") if json_value.__class__ is dict else None
    if name.__class__ is not str or name not in _KINDS:
        raise Damaged(f"{abbreviated(json_value)} is no event")
    kind, fields = _KINDS[name]
    ns = json_value.get("ns")
    if ns.__class__ is not int:
        raise Damaged(f"ns cannot be {abbreviated(ns)}")
    if json_value.get("where") is not None:
        json_value["where"] = _place(json_value["where"], places)
    if kind is CheckMade and "kind" not in json_value:
        json_value["kind"] = _kind_by_subject(json_value.get("subject"))
    values = fields.from_object(json_value)
    _ensure_there("connection", [values.get("connection")], -1, len(recording.connections))  # -1: of a peer without one
    if kind is not FrameSeen:
        _ensure_there("frame", [values.get("frame"), *values.get("frames", ())], 0, count)
    elif "segment" not in json_value:
        values["segment"] = _segment_in(values["data"])
    event: Event = kind(recording.started_ns + ns, **values)
    return event


def _segment_in(data: bytes) -> Segment | None:
    found = decode(data)
    return found.segment if found else None


def _place(number: Json, places: list[Place]) -> Place:
    if number.__class__ is not int or not 0 <= number < len(places):
        raise Damaged(f"where cannot be {abbreviated(number)}")
    return places[number]


def _kind_by_subject(subject: object) -> str:
    return next((kind for words, kind in _KINDS_BY_SUBJECT if str(subject).startswith(words)), "value")


def _ensure_there(what: str, numbers: Iterable[int | None], first: int, end: int) -> None:
    for number in numbers:
        if number is not None and not first <= number < end:
            raise Damaged(f"there is no {what} {number}")


def _list(json_value: Json, name: str) -> list[Json]:
    found = json_value.get(name)
    if found.__class__ is not list:
        raise Damaged(f"{name} cannot be {abbreviated(found)}")
    listed: list[Json] = found
    return listed
