"""A recording as one JSON object, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lab.record.events import (
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
from lab.record.saved.fields import Damaged, Json, Places, fields_of, short
from lab.record.saved.versions import kind_by_subject
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
        **_RECORDING.to_object(recording, places),
        "places": [_PLACE.to_object(place, places) for place in places.listed],
        "events": events,
    }


def recording_from_json(told: Json) -> Recording:
    """The recording; Damaged if that is none."""
    held = zip((field.name for field in _RECORDING.listed), _RECORDING.from_object(told, Places()), strict=True)
    recording = Recording(**dict(held))
    places = Places(Place(*_PLACE.from_object(each, Places())) for each in _list(told, "places"))
    events = _list(told, "events")
    ends = len(recording.connections), len(events)
    started_ns = recording.started_ns
    number = 0
    try:
        for number, each in enumerate(events):  # noqa: B007  # the number is for the message
            recording.events.append(_event_from_json(each, started_ns, places, ends))
    except Damaged as why:
        raise Damaged(f"event {number}: {why}") from None
    return recording


def _event_to_json(recording: Recording, event: Event, places: Places) -> dict[str, Json]:
    kind = event.__class__
    told = {"event": _NAMES[kind], "ns": event.time_ns - recording.started_ns, **_FIELDS[kind].to_object(event, places)}
    if isinstance(event, FrameSeen):
        found = decode(event.data)
        if event.segment == (found.segment if found else None):
            told.pop("segment", None)
        elif event.segment is None:
            told["segment"] = None
    elif isinstance(event, CheckMade) and event.expected is not None:
        told["rows"] = [list(row) for row in recording.rows(event)]
    return told


def _event_from_json(told: Json, started_ns: int, places: Places, ends: tuple[int, int]) -> Event:
    """`ends` is how many connections and events there are: nothing may refer to others."""
    name = told.get("event") if told.__class__ is dict else None
    if name.__class__ is not str or name not in _KINDS:
        raise Damaged(f"{short(told)} is no event")
    kind, fields = _KINDS[name]
    ns = told.get("ns")
    if ns.__class__ is not int:
        raise Damaged(f"ns cannot be {short(ns)}")
    if kind is CheckMade:
        told.setdefault("kind", kind_by_subject(told.get("subject")))
    values = fields.from_object(told, places)
    if "connection" in told:
        connection = told["connection"]
        if connection is not None and not -1 <= connection < ends[0]:  # -1: of a peer that has none
            raise Damaged(f"there is no connection {connection}")
    if kind is FrameSeen:
        if "segment" not in told:
            found = decode(values[_DATA])
            values[_SEGMENT] = found.segment if found else None
    elif kind is CheckMade:
        values.insert(_EXPECTED, None)
        _ensure_there([told.get("frame")], ends[1])
    elif kind is CrossingOver:
        _ensure_there(told.get("frames", ()), ends[1])
    event: Event = kind(started_ns + ns, *values)
    return event


def _ensure_there(frames: Iterable[int | None], count: int) -> None:
    for frame in frames:
        if frame is not None and not 0 <= frame < count:
            raise Damaged(f"there is no frame {frame}")


def _list(told: Json, name: str) -> list[Json]:
    found = told.get(name)
    if found.__class__ is not list:
        raise Damaged(f"{name} cannot be {short(found)}")
    listed: list[Json] = found
    return listed


_DATA = _FIELDS[FrameSeen].position("data")
_SEGMENT = _FIELDS[FrameSeen].position("segment")
_EXPECTED = list(CheckMade._fields).index("expected") - 1  # without the time
