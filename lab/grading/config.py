"""What the teacher decides: the file of settings (TOML) and the roster (CSV)."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from lab.record.nearest import did_you_mean

_MOST_BYTES = 5_000_000
_COSTS = {"hint": 0.0, "attempt": 0.0, "give_up": 0.0, "late": 1.0}
_KEYS = ("class", "deadline", "exercises", "partial", "weights", "cost", "roster", "columns")
_OF_ROW = ("student", "points", "most", "percent", "attempts", "hints", "given_up", "suspicions", "files")
_OF_CELL = ("points", "status", "attempts", "hints")
ROSTER = "roster."
"""Begins the source of a column that is copied from the roster."""


class BadSettings(Exception):
    """The settings or the roster cannot be used; the message names the file and the reason in one line."""


@dataclass(slots=True)
class Settings:
    """How a class is graded."""

    token: str | None = None
    """The class token that was handed out; None: not checked."""
    deadline: datetime | None = None
    exercises: tuple[str, ...] = ()
    """The ids of those that count; empty: all that somebody has begun."""
    partial: bool = False
    """Whether an exercise that is not solved gives the share of its right predictions."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Points of each exercise; 1 if it is not named."""
    cost: Mapping[str, float] = field(default_factory=lambda: dict(_COSTS))
    """Share of the points that a hint, a further attempt, a give-up before, or being late takes off."""
    student_column: str = "student"
    """Column of the roster with the student's id, as it is typed after --student."""
    name_column: str = "name"
    file_column: str = ""
    """Column of the roster with a word in the path of the learner's file, such as the user name on GitHub."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Headings of the CSV file, and where each column comes from; empty: all."""

    def weight(self, exercise: str) -> float:
        """Points of an exercise."""
        return self.weights.get(exercise, 1.0)


@dataclass(slots=True)
class Roster:
    """The learners of the class by id, with the columns of the file."""

    headings: list[str]
    rows: dict[str, dict[str, str]]


def read_settings(file: Path, exercises: Collection[str]) -> Settings:
    """Read the settings. Raises BadSettings, also for a misspelt name."""
    try:
        read = tomllib.loads(_decoded(file))
    except ValueError as malformed:
        raise BadSettings(f"{file}: {malformed}") from None
    _known(file, read, _KEYS)
    found = Settings()
    found.token = _one(file, read, "class", str, None)
    found.partial = _one(file, read, "partial", bool, found.partial)
    found.deadline = _deadline(_one(file, read, "deadline", date, None))
    found.exercises = tuple(_one(file, read, "exercises", list, []))
    found.weights = _numbers(file, _one(file, read, "weights", dict, {}), exercises)
    _known(file, found.exercises, exercises)
    found.cost = {**_COSTS, **_numbers(file, _one(file, read, "cost", dict, {}), _COSTS)}
    roster = _one(file, read, "roster", dict, {})
    _known(file, roster, ("student", "name", "file"))
    found.student_column = _one(file, roster, "student", str, found.student_column)
    found.name_column = _one(file, roster, "name", str, found.name_column)
    found.file_column = _one(file, roster, "file", str, found.file_column)
    found.columns = _one(file, read, "columns", dict, {})
    for source in found.columns.values():
        if not str(source).startswith(ROSTER):
            _known(file, [source], [*_OF_ROW, *exercises, *(f"{id_}.{each}" for id_ in exercises for each in _OF_CELL)])
    return found


def read_roster(file: Path, settings: Settings) -> Roster:
    """Read the roster: a CSV file with a heading, separated by commas, semicolons or tabs. Raises BadSettings.

    Rows without an id are passed over, such as the points possible in a file of Canvas.
    """
    text = _decoded(file)
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        read = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        headings = [each.strip() for each in read.fieldnames or ()]
        read.fieldnames = headings
        _known(file, [settings.student_column], headings)
        named = settings.file_column
        named_columns = [each.removeprefix(ROSTER) for each in settings.columns.values() if each.startswith(ROSTER)]
        _known(file, [*named_columns, *([named] if named else [])], headings)
        rows = [{name: (row.get(name) or "").strip() for name in headings} for row in read]
    except csv.Error as malformed:
        raise BadSettings(f"{file}: {malformed}") from None
    return Roster(headings, {row[settings.student_column]: row for row in rows if row[settings.student_column]})


def owner_of(file: Path, roster: Roster, column: str) -> str | None:
    """The learner whose file this is by its path: a whole word of the path is in that column. None if it is not known.

    The longest one, if there are several.
    """
    words = {id_: row[column] for id_, row in roster.rows.items() if row[column]}
    found = [id_ for id_, word in words.items() if re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", str(file))]
    return max(found, key=lambda id_: len(words[id_]), default=None)


def _decoded(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
    except OSError as refused:
        raise BadSettings(f"{file}: {refused.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise BadSettings(f"{file}: it is too large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSettings(f"{file}: it is not UTF-8; save it as CSV UTF-8") from None


def _known(file: Path, names: Collection[Any], known: Collection[str]) -> None:
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise BadSettings(f"{file}: there is no {str(name)!r} here{did_you_mean(str(name), known)}")


def _one(file: Path, table: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = table.get(name, default)
    if value is not default and not isinstance(value, kind):
        raise BadSettings(f"{file}: {name} has a wrong value: {value!r}")
    return value


def _numbers(file: Path, table: Mapping[str, Any], known: Collection[str]) -> dict[str, float]:
    _known(file, table, known)
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
            raise BadSettings(f"{file}: {name} has a wrong value: {value!r}")
    return {name: float(value) for name, value in table.items()}


def _deadline(value: date | None) -> datetime | None:
    """The deadline in the local time zone if it names none; of a day, its end."""
    if value is None or isinstance(value, datetime):
        return value.astimezone() if value is not None else None
    return datetime.combine(value, time.max).astimezone()
