"""Grades as a CSV file, for a spreadsheet or the gradebook of a learning platform."""

from __future__ import annotations

import csv
import io
import re

from lab.grading.config import ROSTER
from lab.grading.grading import Cell, Grades, Row
from lab.grading.words import say
from lab.report.screen import printable

_MOST_CHARACTERS = 1000
"""Most characters of a cell."""
_FORMULA = re.compile("(^|[,;\t\r\n])(?=[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r\n])")
"""Where a spreadsheet would read a formula: at the beginning of a cell, or after what it takes for a separator."""


def sheet(grades: Grades) -> bytes:
    """The CSV file in UTF-8, with a heading; the columns are those of the settings."""
    columns = grades.settings.columns or _all_columns(grades)
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")  # RFC 4180
    writer.writerow(map(neutral, columns))
    for row in grades.rows:
        writer.writerow(neutral(_value(row, source)) for source in columns.values())
    return written.getvalue().encode("utf-8", "backslashreplace")


def neutral(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula: an apostrophe is put before = + - @, tab and CR."""
    return printable(_FORMULA.sub(r"\1'", text[:_MOST_CHARACTERS]))


def _all_columns(grades: Grades) -> dict[str, str]:
    own = ["points", "most", "percent", "attempts", "hints", "given_up", "suspicions"]
    exercises = [each.id for each in grades.exercises]
    of_roster = [each for each in grades.headings if each != grades.settings.student_column]
    taken = {"student", *own, *exercises}
    return {
        "student": "student",
        **{f"{ROSTER}{name}" if name in taken else name: f"{ROSTER}{name}" for name in of_roster},
        **{name: name for name in (*exercises, *own)},
    }


def _value(row: Row, source: str) -> str:
    if source.startswith(ROSTER):
        return row.of_roster.get(source.removeprefix(ROSTER), "")
    name, _, part = source.partition(".")
    if name in row.cells:
        return _of_cell(row.cells[name], part or "points")
    cells = row.cells.values()
    values = {
        "student": row.student,
        "points": f"{row.points:g}",
        "most": f"{row.most:g}",
        "percent": f"{row.percent:g}",
        "attempts": str(sum(each.attempts for each in cells)),
        "hints": str(sum(each.hints for each in cells)),
        "given_up": str(sum(each.gave_up for each in cells)),
        "suspicions": ", ".join(dict.fromkeys(each.kind.value for each in row.suspicions)),
        "files": ", ".join(map(str, row.files)),
    }
    return values.get(source, "")  # "" for an exercise that nobody has begun


def _of_cell(cell: Cell, part: str) -> str:
    values = {
        "points": f"{cell.points:g}",
        "status": say(f"status_{cell.status.name.lower()}", "en"),
        "attempts": str(cell.attempts),
        "hints": str(cell.hints),
    }
    return values[part]
