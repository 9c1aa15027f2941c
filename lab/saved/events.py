"""A recording as one JSON object, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.saved.fields import Damaged, Field, Json, Places, fields_of, from_object, short, to_object
from lab.scenario.recording import (
    CallMade,
    CheckMade,
    CrossingOver,
    Event,
    FrameSeen,
    Measured,
    Place,
    Recording,
    StateSeen,
    StepBegun,
)
from lab.tcp.values import make
from lab.wire.frames import decode

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
_FIELDS = {kind: fields_of(kind, leaving_out=("time_ns", "expected")) for kind in _NAMES}
_KINDS = {name: (kind, _FIELDS[kind]) for kind, name in _NAMES.items()}
_RECORDING = fields_of(Recording, leaving_out=("events",))
_PLACE = fields_of(Place)


def recording_to_json(recording: Recording) -> dict[str, Json]:
    """The whole recording."""
    places = Places()
    events = [_event_to_json(recording, event, places) for event in recording.events]
    return {
        **to_object(recording, _RECORDING, places),
        "places": [to_object(place, _PLACE, places) for place in places.listed],
        "events": events,
    }


def recording_from_json(told: Json) -> Recording:
    """The recording; Damaged if that is none."""
    held = dict(zip((field.name for field in _RECORDING), from_object(told, _RECORDING, Places()), strict=True))
    recording = Recording(**held)
    places = Places(Place(*from_object(each, _PLACE, Places())) for each in _list(told, "places"))
    started_ns = recording.started_ns
    for number, each in enumerate(_list(told, "events")):
        try:
            recording.events.append(_event_from_json(each, started_ns, places))
        except Damaged as why:
            raise Damaged(f"event {number}: {why}") from None
    for number, event in enumerate(recording.events):
        for what, least, index, end in _indices(recording, event):
            if not least <= index < end:
                raise Damaged(f"event {number}: there is no {what} {index}")
    return recording


def _event_to_json(recording: Recording, event: Event, places: Places) -> dict[str, Json]:
    kind = event.__class__
    told = {
        "event": _NAMES[kind],
        "ns": event.time_ns - recording.started_ns,
        **to_object(event, _FIELDS[kind], places),
    }
    if isinstance(event, FrameSeen):
        found = decode(event.data)
        if event.segment == (found.segment if found else None):
            told.pop("segment", None)
        elif event.segment is None:
            told["segment"] = None
    elif isinstance(event, CheckMade) and event.expected is not None:
        told["rows"] = [list(row) for row in recording.rows(event)]
    return told


def _event_from_json(told: Json, started_ns: int, places: Places) -> Event:
    name = told.get("event") if told.__class__ is dict else None
    if name.__class__ is not str or name not in _KINDS:
        raise Damaged(f"{short(told)} is no event")
    kind, fields = _KINDS[name]
    ns = told.get("ns")
    if ns.__class__ is not int:
        raise Damaged(f"ns cannot be {short(ns)}")
    values = from_object(told, fields, places)
    if kind is FrameSeen and "segment" not in told:
        found = decode(values[_DATA])
        values[_SEGMENT] = found.segment if found else None
    elif kind is CheckMade:
        values.insert(_EXPECTED, None)
    event: Event = make(kind, (started_ns + ns, *values))
    return event


def _indices(recording: Recording, event: Event) -> Iterator[tuple[str, int, int, int]]:
    """What an event refers to by number: of what kind, the least number there can be, the number, and the end."""
    match event:
        case CheckMade(frame=int(frame)):
            yield "frame", 0, frame, len(recording.events)
        case CrossingOver(frames=frames):
            yield from (("frame", 0, frame, len(recording.events)) for frame in frames)
    connection = getattr(event, "connection", None)
    if connection is not None:
        yield "connection", -1, connection, len(recording.connections)  # -1: of a peer that has none


def _list(told: Json, name: str) -> list[Json]:
    found = told.get(name)
    if found.__class__ is not list:
        raise Damaged(f"{name} cannot be {short(found)}")
    listed: list[Json] = found
    return listed


def _position(fields: tuple[Field, ...], name: str) -> int:
    return [field.name for field in fields].index(name)


_DATA = _position(_FIELDS[FrameSeen], "data")
_SEGMENT = _position(_FIELDS[FrameSeen], "segment")
_EXPECTED = list(CheckMade._fields).index("expected") - 1  # without the time
