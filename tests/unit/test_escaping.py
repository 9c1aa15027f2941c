"""Hostile texts of authors, packets and file names never control a terminal or leave a folder."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.record.events import (
    CallMade,
    CheckMade,
    Concluded,
    Difference,
    Measured,
    Place,
    Recording,
    ReprOnly,
    StepBegun,
)
from lab.record.expectation import Row
from lab.record.results import BrokenFile, Run
from lab.report import svg
from lab.report.captures import captures, file_name
from lab.report.i18n import Translator, translator
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Ladder
from lab.report.screen import Screen, json_text, labelled, side_by_side
from lab.report.text import mermaid
from lab.report.verdicts import as_json, listing_lines, result_lines
from tests.unit.sample_run import run

ORDERS = "\x1b]0;title\x07\x1b[2J\r\x08\x7f\x9b31m\u202eabc"
"""Sets the window's title, clears the screen, goes back, sets a colour by C1, and writes from right to left."""
ELSEWHERE = "../../escaped"


def controls(text: str) -> set[str]:
    """Characters that control a terminal, except line feeds."""
    return {each for each in text if unicodedata.category(each) in {"Cc", "Cf"} and each != "\n"}


def poisoned(place: Place) -> Place:
    return Place(place.file + ORDERS, place.line, place.source + ORDERS)


def poison(recording: Recording) -> None:
    """Put hostile text into each field that comes from an author."""
    for at, event in enumerate(recording.events):
        match event:
            case StepBegun():
                recording.events[at] = event._replace(title=event.title + ORDERS)
            case Measured():
                recording.events[at] = event._replace(value=event.value + ORDERS)
            case Concluded():
                recording.events[at] = event._replace(text=event.text + ORDERS)
            case CallMade():
                recording.events[at] = event._replace(
                    name=event.name + ORDERS, arguments=(ORDERS, ReprOnly(ORDERS)), value=ORDERS
                )
            case CheckMade():
                rows = (Row("field" + ORDERS, "a" + ORDERS, "b" + ORDERS, event.passed),)
                difference = Difference("it differs" + ORDERS, "because" + ORDERS, None)
                recording.events[at] = event._replace(
                    subject=event.subject + ORDERS,
                    where=poisoned(Place("file.py", 1, "source")),
                    rows=rows,
                    difference=None if event.passed else difference,
                )


@pytest.fixture
def hostile() -> Run:
    made = run()
    for result in made.results:
        result.scenario = replace(
            result.scenario, id=ELSEWHERE + ORDERS, title="title" + ORDERS, section="RFC" + ORDERS
        )
        result.message = "message" + ORDERS
        result.where = poisoned(Place("other.py", 1, "source"))
        if result.recording is not None:
            poison(result.recording)
        if result.difference is not None and result.recording is not None:
            last = result.recording.events[-1]
            assert isinstance(last, CheckMade)
            result.difference = last
    made.broken = [BrokenFile(Path("broken" + ORDERS), 3, "no" + ORDERS)]
    made.unknown = ["pattern" + ORDERS]
    made.environment = {"kernel": "6.18" + ORDERS, "sysctls": {}}
    return made


@pytest.mark.parametrize("plain", [False, True], ids=["ladder", "sentences"])
def test_text_of_a_run(hostile: Run, plain: bool) -> None:
    lines = [line for each in hostile.results for line in result_lines(each, Screen(plain=plain), verbose=True)]
    told = "\n".join([*lines, *listing_lines(hostile, Screen())])
    assert controls(told) == set()
    for word in ("title", "message", "source", "it differs", "because", "First"):
        assert word in told, "nothing is left out"
    assert "\\x1b[2J" in told


@pytest.mark.parametrize("draw", [svg.svg, mermaid])
def test_drawings(hostile: Run, draw: Callable[[Ladder, Translator], str]) -> None:
    for result in hostile.results:
        assert result.recording is not None or result.message
        if result.recording is not None:
            assert controls(draw(ladder_of(result.recording), translator("en"))) == set()


def test_only_the_lab_sets_colours(hostile: Run) -> None:
    for result in hostile.results:
        told = "\n".join(result_lines(result, Screen(colours=True), verbose=True))
        for style in ("1", "2", "33", "31", "0"):
            told = told.replace(f"\x1b[{style}m", "")
        assert controls(told) == set()


def test_columns() -> None:
    for line in (*side_by_side(["a" + ORDERS, "b" + ORDERS], 60), *labelled("label", ORDERS, 60)):
        assert controls(line) == set()


def test_json_is_equal_and_safe_for_a_terminal(hostile: Run) -> None:
    text = json_text(as_json(hostile))
    assert controls(text) == set()
    assert json.loads(text) == as_json(hostile)


def test_no_file_name_leaves_the_folder(hostile: Run) -> None:
    names = [name for name, _ in captures(hostile)] + [file_name(each) for each in hostile.results]
    assert len(names) > len(hostile.results)
    assert all(name.isprintable() and "/" not in name and not name.startswith(".") for name in names)
