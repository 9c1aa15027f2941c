"""What a value is in JSON follows from the class that it is a field of: its name, and its type in one table.

A field that is as its class has it by default is left out, and read as that default. So a later version may add a field
with a default, and still reads what an earlier one wrote.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from lab.record.events import CheckKind, Connection, Difference, Executed, Place, Shown, Where
from lab.record.expectation import Bases, Row
from lab.record.kernel_state import KernelState
from lab.record.results import Broken
from lab.tcp.options import Option
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

Json = Any
_NONE_GIVEN = object()


class Damaged(Exception):
    """The JSON is not what a recording consists of; says where and what."""


class Places:
    """The lines of scenario files that a recording names, each once."""

    def __init__(self, listed: Iterable[Place] = ()) -> None:
        self.listed = list(listed)
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

    def __getitem__(self, number: int) -> Place:
        return self.listed[number]


ToJson = Callable[[Any, Places], Json]
FromJson = Callable[[Json, Places], Any]


class Exactly(frozenset[type]):
    """What JSON tells by values of these classes is the value, and nothing else is."""

    def __call__(self, told: Json, _: Places) -> Json:
        """The value; TypeError if it is none."""
        if told.__class__ not in self:
            raise TypeError
        return told


class Field(NamedTuple):
    """How one field of a class is written and read."""

    name: str
    default: object
    to_json: ToJson | None
    """None: as it is."""
    as_it_is: frozenset[type]
    """What JSON tells by values of these classes is the value."""
    from_json: FromJson
    """What all else it tells means."""


class Fields:
    """The fields of a class that are kept, in order."""

    __slots__ = ("_as_usual", "_by_name", "listed")

    def __init__(self, listed: Iterable[Field]) -> None:
        self.listed = tuple(listed)
        self._as_usual = [field.default for field in self.listed]
        self._by_name = {field.name: (at, field.as_it_is, field.from_json) for at, field in enumerate(self.listed)}

    def position(self, name: str) -> int:
        """Where a field stands."""
        return self._by_name[name][0]

    def to_object(self, value: Any, places: Places) -> dict[str, Json]:
        """The JSON object of a value with these fields."""
        told: dict[str, Json] = {}
        for name, default, to_json, *_ in self.listed:
            held = getattr(value, name)
            if held is not default and held != default:
                told[name] = held if to_json is None or held is None else to_json(held, places)
        return told

    def from_object(self, told: Json, places: Places) -> list[Any]:
        """The values of the fields, in order; Damaged if they are not there."""
        if told.__class__ is not dict:
            raise Damaged(f"{short(told)} is not an object")
        values = self._as_usual.copy()
        known = self._by_name
        name, held = "", None
        try:
            for name, held in told.items():
                if name in known:
                    at, as_it_is, from_json = known[name]
                    values[at] = held if held.__class__ in as_it_is else from_json(held, places)
        except (TypeError, ValueError, LookupError):
            raise Damaged(f"{name} cannot be {short(held)}") from None
        if _NONE_GIVEN in values:
            raise Damaged(f"{self.listed[values.index(_NONE_GIVEN)].name} is missing")
        return values


def fields_of(kind: type, leaving_out: Iterable[str] = ()) -> Fields:
    """The fields of a dataclass or NamedTuple, in order."""
    if dataclasses.is_dataclass(kind):
        given = [each for each in dataclasses.fields(kind) if each.init]  # the others are derived from these
        types = {each.name: str(each.type) for each in given}
        defaults = {each.name: _default_of(each) for each in given}
    else:
        types = {name: each.__forward_arg__ for name, each in kind.__annotations__.items()}
        defaults = kind._field_defaults  # type: ignore[attr-defined]  # a NamedTuple's
    left_out = set(leaving_out)
    return Fields(_field(name, types[name], defaults.get(name, _NONE_GIVEN)) for name in types if name not in left_out)


def short(told: Json) -> str:
    """The beginning of a piece of JSON."""
    text = repr(told)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _field(name: str, annotation: str, default: object) -> Field:
    plain = annotation.removesuffix(" | None")
    to_json, from_json = _BY_TYPE[plain]
    as_it_is = from_json if isinstance(from_json, Exactly) else frozenset()
    if plain != annotation:
        as_it_is |= {None.__class__}
        default = None if default is _NONE_GIVEN else default
    return Field(name, default, to_json, as_it_is, from_json)


def _default_of(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _NONE_GIVEN if field.default is dataclasses.MISSING else field.default


def _each(one: FromJson, collect: Callable[[Iterable[Any]], Any]) -> FromJson:
    def read(told: Json, places: Places) -> Any:
        if told.__class__ is not list:
            raise TypeError
        return collect([one(each, places) for each in told])

    return read


def _by_name(one: FromJson) -> FromJson:
    def read(told: Json, places: Places) -> Any:
        if told.__class__ is not dict:
            raise TypeError
        return {name: one(each, places) for name, each in told.items()}

    return read


def _object_of(kind: type) -> tuple[ToJson, FromJson]:
    fields = fields_of(kind)
    return (
        fields.to_object,
        lambda told, places: kind(*fields.from_object(told, places)),
    )


def _list_of(kind: type) -> tuple[ToJson, FromJson]:
    to_json, from_json = _object_of(kind)
    return lambda values, places: [to_json(each, places) for each in values], _each(from_json, list)


def _anything_to_json(value: object, _: Places) -> Json:
    """A number, a text, bytes or nothing as it is; of anything else how it looks."""
    if value is None or isinstance(value, bool | int | str):
        return value
    return {"hex": value.hex()} if isinstance(value, bytes) else {"shown": repr(value)}


def _anything_from_json(told: Json, _: Places) -> object:
    match told:
        case None | bool() | int() | str():
            return told
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
        case {"shown": str(text)}:
            return Shown(text)
        case _:
            raise TypeError


def _option_to_json(option: Option) -> Json:
    name, value = option
    return [name, {"hex": value.hex()} if isinstance(value, bytes) else value]


def _option_from_json(told: Json, _: Places) -> Option:
    match told:
        case [str() | int() as name, {"hex": str(digits)}]:
            return name, bytes.fromhex(digits)
        case [str() | int() as name, None | int() as value]:
            return name, value
        case [str() | int() as name, list(numbers)] if all(each.__class__ is int for each in numbers):
            return name, tuple(numbers)
        case _:
            raise TypeError


def _row_from_json(told: Json, _: Places) -> Row:
    field, expected, got, agrees = told
    if not field.__class__ is expected.__class__ is got.__class__ is str or agrees.__class__ is not bool:
        raise TypeError
    return Row(field, expected, got, agrees)


def _bases_from_json(told: Json, _: Places) -> Bases:
    return _bases(*told)


@lru_cache(maxsize=256, typed=True)
def _bases(kernel: int, peer: int) -> Bases:
    """Hardly any two frames of a connection differ in them."""
    if not kernel.__class__ is peer.__class__ is int:
        raise TypeError
    return Bases(Seq(kernel), Seq(peer))


def _place_from_json(told: Json, places: Places) -> Place:
    if told.__class__ is not int or told < 0:
        raise TypeError
    return places[told]


_STATES = {state.value: state for state in State}
_text, _number = Exactly({str}), Exactly({int})
_BY_TYPE: dict[str, tuple[ToJson | None, FromJson]] = {
    "bool": (None, Exactly({bool})),
    "int": (None, _number),
    "float": (None, Exactly({float, int})),
    "str": (None, _text),
    "object": (_anything_to_json, _anything_from_json),
    "bytes": (lambda value, _: value.hex(), lambda told, _: bytes.fromhex(told)),
    "Path": (lambda value, _: str(value), lambda told, _: Path(told)),
    "Seq": (lambda value, _: int(value), lambda told, _: Seq(told)),
    "CheckKind": (lambda value, _: value.value, lambda told, _: CheckKind(told)),
    "State": (lambda value, _: value.value, lambda told, _: _STATES[told]),
    "tuple[int, ...]": (lambda value, _: list(value), _each(_number, tuple)),
    "tuple[str, ...]": (lambda value, _: list(value), _each(_text, tuple)),
    "list[str]": (None, _each(_text, list)),
    "dict[str, str]": (None, _by_name(_text)),
    "Mapping[str, str]": (lambda value, _: dict(value), _by_name(_text)),
    "dict[str, Any]": (None, Exactly({dict})),
    "tuple[object, ...]": (
        lambda value, places: [_anything_to_json(each, places) for each in value],
        _each(_anything_from_json, tuple),
    ),
    "Options": (lambda value, _: [_option_to_json(each) for each in value], _each(_option_from_json, tuple)),
    "Bases": (lambda value, _: [int(each) for each in value], _bases_from_json),
    "Where": (lambda value, places: places.number_of(value), _place_from_json),
    "tuple[Row, ...]": (lambda value, _: [list(each) for each in value], _each(_row_from_json, tuple)),
}
"""How a value of a type is written and read. A field of a type that is missing here cannot be saved."""

_BY_TYPE["KernelState"] = _object_of(KernelState)
_BY_TYPE["Segment"] = _object_of(Segment)
_BY_TYPE["Difference"] = _object_of(Difference)
_BY_TYPE["list[Connection]"] = _list_of(Connection)
_BY_TYPE["list[Broken]"] = _list_of(Broken)
