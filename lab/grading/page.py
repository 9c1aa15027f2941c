"""The grades of a class as an HTML page: one file, which makes no network requests."""

from __future__ import annotations

import platform
from pathlib import Path

import lab
from lab.claims.catalogue import Text
from lab.grading.grading import Grades
from lab.grading.words import SIGNS, say, shortened
from lab.report.html.templates import table_page
from lab.report.i18n import LANGUAGES, translator
from lab.report.misconceptions import misconceptions


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
        name_of=grades.name_of,
        most=f"{max((row.most for row in grades.rows), default=0.0):g}",
        deadline=deadline.isoformat(sep=" ", timespec="minutes") if deadline is not None else "",
        kernel=f"Linux {platform.release()}",
        version=lab.__version__,
        signs={status.name: sign for status, sign in SIGNS.items()},
        unjudged=list(grades.unjudged.items()),
        misconceptions=[(misconceptions()[id_], count) for id_, count in grades.misconceptions],
        unreadable=[Text(*(translator(each).text(why) for each in LANGUAGES)) for why in grades.unreadable],
    )
