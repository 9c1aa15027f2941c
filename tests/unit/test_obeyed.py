"""Whatever an author, a packet or a file name carries: a terminal gets nothing to obey, and no name leads elsewhere."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.record.events import CallMade, CheckMade, Difference, Measured, Place, Recording, ReprOnly, StepBegun
from lab.record.expectation import Row
from lab.record.results import BrokenFile, Run
from lab.report import svg
from lab.report.captures import captures, file_name
from lab.report.i18n import Words, words
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Ladder
from lab.report.screen import Screen, json_text, labelled, side_by_side
from lab.report.text import mermaid
from lab.report.verdicts import as_json, listing_lines, result_lines
from tests.unit.sample_run import run

ORDERS = "\x1b]0;title\x07\x1b[2J\r\x08\x7f\x9b31m\u202eabc"
"""Set the window's title, clear the screen, go back, a colour by C1, and write from right to left."""
ELSEWHERE = "../../escaped"


def obeyed(text: str) -> set[str]:
    """Characters that a terminal does something else with than to show them; a new line is what lines end with."""
    return {each for each in text if unicodedata.category(each) in {"Cc", "Cf"} and each != "\n"}


def poisoned(place: Place) -> Place:
    return Place(place.file + ORDERS, place.line, place.source + ORDERS)


def poison(recording: Recording) -> None:
    """Everything in it that comes from an author."""
    for at, event in enumerate(recording.events):
        match event:
            case StepBegun():
                recording.events[at] = event._replace(title=event.title + ORDERS)
            case Measured():
                recording.events[at] = event._replace(value=event.value + ORDERS)
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
def test_what_is_printed_of_a_run(hostile: Run, plain: bool) -> None:
    lines = [line for each in hostile.results for line in result_lines(each, Screen(plain=plain), verbose=True)]
    told = "\n".join([*lines, *listing_lines(hostile)])
    assert obeyed(told) == set()
    for word in ("title", "message", "source", "it differs", "because", "First"):
        assert word in told, "nothing is left out"
    assert "\\x1b[2J" in told


@pytest.mark.parametrize("draw", [svg.svg, mermaid])
def test_drawings(hostile: Run, draw: Callable[[Ladder, Words], str]) -> None:
    for result in hostile.results:
        assert result.recording is not None or result.message
        if result.recording is not None:
            assert obeyed(draw(ladder_of(result.recording), words("en"))) == set()


def test_colours_are_ours_alone(hostile: Run) -> None:
    for result in hostile.results:
        told = "\n".join(result_lines(result, Screen(colours=True), verbose=True))
        for style in ("1", "2", "33", "31", "0"):
            told = told.replace(f"\x1b[{style}m", "")
        assert obeyed(told) == set()


def test_columns() -> None:
    for line in (*side_by_side(["a" + ORDERS, "b" + ORDERS], 60), *labelled("label", ORDERS, 60)):
        assert obeyed(line) == set()


def test_json_is_the_same_and_fit_for_a_terminal(hostile: Run) -> None:
    text = json_text(as_json(hostile))
    assert obeyed(text) == set()
    assert json.loads(text) == as_json(hostile)


def test_no_file_name_leads_elsewhere(hostile: Run) -> None:
    names = [name for name, _ in captures(hostile)] + [file_name(each) for each in hostile.results]
    assert len(names) > len(hostile.results)
    assert all(name.isprintable() and "/" not in name and not name.startswith(".") for name in names)
