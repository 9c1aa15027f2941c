"""The grades of a class as an HTML page: one file, which makes no network requests."""

from __future__ import annotations

import platform
from pathlib import Path

import lab
from lab.claims.catalogue import Text
from lab.grading.checking import Unjudged
from lab.grading.grading import Grades, Row, Status
from lab.grading.words import say, shortened
from lab.report.html.templates import table_page
from lab.report.i18n import LANGUAGES, translator
from lab.report.misconceptions import misconceptions

SIGNS = {
    Status.SOLVED: "✓",
    Status.WRONG: "✗",
    Status.STARTED: "…",
    Status.SKIPPED: "»",
    Status.GIVEN_UP: "!",
    Status.NEW: "-",
}


def page(grades: Grades, language: str) -> str:
    """The page, which is shown in this language first. All that comes from files is escaped."""
    deadline = grades.settings.deadline
    return table_page(
        Path(__file__).with_name("page.html.jinja"),
        grades=grades,
        language=language,
        languages=LANGUAGES,
        say=say,
        shortened=shortened,
        name_of=lambda row: name_of(grades, row),
        most=f"{max((row.most for row in grades.rows), default=0.0):g}",
        deadline=deadline.isoformat(sep=" ", timespec="minutes") if deadline is not None else "",
        kernel=f"Linux {platform.release()}",
        version=lab.__version__,
        signs={status.name: sign for status, sign in SIGNS.items()},
        unjudged=list(unjudged(grades).items()),
        misconceptions=[(misconceptions()[id_], count) for id_, count in grades.misconceptions],
        unreadable=[Text(*(translator(each).text(why) for each in LANGUAGES)) for why in grades.unreadable],
    )


def name_of(grades: Grades, row: Row) -> str:
    """The learner's name on the roster; "" if it has none."""
    return row.of_roster.get(grades.settings.name_column, "")


def unjudged(grades: Grades) -> dict[Unjudged, list[str]]:
    """What cannot be judged here, each with the ids of its learners."""
    found: dict[Unjudged, list[str]] = {}
    for row in grades.rows:
        for each in row.unjudged:
            found.setdefault(each, []).append(row.student)
    return found
