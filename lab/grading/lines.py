"""The grades of a class as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from lab.grading.grading import Grades, Row
from lab.grading.words import SIGNS, say, shortened
from lab.report.i18n import translator
from lab.report.screen import Screen, labelled, padded, printable, wrapped

_WIDEST = 24
"""Width of the ids in columns; a longer id pushes its line to the right."""
_TOTAL = 40
"""Columns that are kept for the points."""
_ASCII = {"✓": "+", "✗": "x", "…": ".", "»": ">", "!": "!", "-": "-"}
"""Signs on a screen that shows no more than ASCII."""


def lines(grades: Grades, screen: Screen, language: str) -> Iterator[str]:
    """A line for each learner with a sign for each exercise, then what has to be looked at, and what cannot be read.

    The signs are below the exercises' ids where there is room for that; a legend follows.
    """
    ids = [printable(shortened(row.student)) or "-" for row in grades.rows]
    wide = min(_WIDEST, max(map(len, ids), default=0))
    columns = [each.id for each in grades.exercises]
    heading = "  ".join((padded("", wide - 1), *columns))
    fits = len(heading) + _TOTAL <= screen.width
    if fits and ids:
        yield screen.paint(heading, "faint")
    shown = {status: sign if screen.unicode else _ASCII[sign] for status, sign in SIGNS.items()}
    for row, id_ in zip(grades.rows, ids, strict=True):
        signs = [shown[cell.status] for cell in row.cells.values()]
        cells = "  ".join(map(padded, signs, map(len, row.cells))) if fits else "".join(signs)
        yield from labelled(padded(id_, wide), f"{cells}   {_total(grades, row, language)}", screen.width)
    if ids:
        legend = say("signs", language, {status.name: sign for status, sign in shown.items()})
        yield from (screen.paint(each, "faint") for each in wrapped(legend, screen.width))
    for row in grades.suspected:
        for each in row.suspicions:
            kind = say(each.kind.name.lower(), language)
            where = "  ".join(filter(None, (row.student or "-", each.exercise, each.question)))
            yield ""
            yield screen.paint(printable(shortened(f"{where}{say('colon', language)}{kind}")), "fail")
            yield from _indented(say(each.key, language, each.values), screen)
    told = grades.unjudged
    if told:
        yield ""
        yield screen.paint(say("unjudged", language), "inconclusive")
    for what, students in told.items():
        text = f"{what.exercise}  {what.question}  {say(what.key, language, what.values)}  ({len(students)})"
        yield from _indented(text, screen)
    for why in grades.unreadable:
        yield from wrapped(printable(translator(language).text(why)), screen.width)


def _total(grades: Grades, row: Row, language: str) -> str:
    total = say(
        "row_total", language, {"points": f"{row.points:g}", "most": f"{row.most:g}", "percent": f"{row.percent:g}"}
    )
    return "   ".join(filter(None, (total, shortened(grades.name_of(row)))))


def _indented(text: str, screen: Screen) -> Iterator[str]:
    yield from (f"  {line}" for line in wrapped(printable(text), screen.width - 2))
