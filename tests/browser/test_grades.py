"""The grades of a class in a browser: both languages, on a phone, for a screen reader, and without the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.exercise.model import Learner
from lab.exercise.progress import Progress
from lab.grading.config import Settings
from lab.grading.page import page
from lab.report.i18n import LANGUAGES
from tests.browser.conftest import Browser
from tests.unit.handed_in import FIRST, HOSTILE, SECOND, attend, graded, roster_of


@pytest.fixture(scope="module")
def grades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of two and a hostile one; a file of another class."""
    folder = tmp_path_factory.mktemp("class")
    learners = []
    for at, learner in enumerate((Learner("1", "spring"), Learner("2", "autumn"), Learner(HOSTILE, "spring"))):
        progress = Progress(folder / str(at))
        progress.enrol(learner)
        attend(progress, FIRST)
        attend(progress, SECOND, wrong=["ack"])
        learners.append(progress)
    roster = roster_of("1", "2", HOSTILE, "4", name=HOSTILE)
    file = folder / "grades.html"
    file.write_text(page(graded(*learners, roster=roster, settings=Settings(token="spring")), "zh"), encoding="utf-8")
    return file


def test_it_begins_in_the_language_of_the_command_and_has_both(browser: Browser, grades: Path) -> None:
    browser.open(grades)
    assert browser.text("h1") == "班级成绩"
    browser.one("[data-language=en]").click()
    assert (browser.text("h1"), browser.text("#suspicions")) == ("Grades of a class", "To be looked at")
    assert browser.run("return document.documentElement.lang") == "en"
    assert browser.one("[data-language=en]").get_attribute("aria-pressed") == "true"


def test_a_row_has_signs_that_a_screen_reader_reads_as_words(browser: Browser, grades: Path) -> None:
    browser.open(grades)
    browser.one("[data-language=en]").click()
    cells = browser.run(
        "return [...document.querySelectorAll('.grades tbody tr:first-child td')].map((e) => e.innerText)"
    )
    assert ["solved" in cells[0], "not solved" in cells[1], "right: 3 of 4" in cells[1]] == [True, True, True]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_has_no_objection_to_grades(browser: Browser, grades: Path, language: str, theme: str) -> None:
    browser.prefers(scheme=theme)
    browser.open(grades)
    browser.one(f"[data-language={language}]").click()
    assert browser.violations() == []


def test_on_a_phone_only_the_table_is_wider_than_the_screen(browser: Browser, grades: Path) -> None:
    browser.phone()
    browser.open(grades)
    wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
