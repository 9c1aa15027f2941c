"""Progress lines: shown only where they do not disturb, and always removed."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from lab.author.runner import Interim, Patient
from lab.cli import printer
from lab.cli.printer import Progress
from lab.session.switchboard import Waiting
from tests.unit.emulator import Screen

BEGAN_S = 1000


class Clock:
    def __init__(self) -> None:
        self.seconds = float(BEGAN_S)

    def monotonic(self) -> float:
        return self.seconds

    def monotonic_ns(self) -> int:
        return int(self.seconds * 1e9)


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(printer, "time", SimpleNamespace(monotonic=made.monotonic, monotonic_ns=made.monotonic_ns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    return made


def patient(
    scenario: str = "giving_up.a_syn", family: int = 4, what: str = "copy 2 of 10 of S", most: int = 140
) -> Patient:
    return Patient(scenario, family, Waiting(what, BEGAN_S * 10**9, (BEGAN_S + most) * 10**9))


def interim(*patient: Patient) -> Interim:
    return Interim(7, 290, list(patient))


def on_screen(stream: Stream, before: str = "") -> Screen:
    screen = Screen()
    screen.write(before + stream.getvalue())
    return screen


def test_a_terminal_shows_waiting_scenarios_with_cause_and_time(clock: Clock) -> None:
    stream = Stream(terminal=True)
    shown = Progress(stream)
    clock.seconds += 12
    shown.show(interim(patient(), patient(family=6), patient("time_wait.the_minute", 6, "its end", 60)))
    assert on_screen(stream).text.splitlines() == [
        "3 scenarios wait for timers of the kernel, at most 128 s more",
        "  giving_up.a_syn       IPv4+6  copy 2 of 10 of S   12 of 140 s",
        "  time_wait.the_minute  IPv6    its end             12 of 60 s",
    ]


def test_progress_lines_are_removed_before_other_output(clock: Clock) -> None:
    stream = Stream(terminal=True)
    shown = Progress(stream)
    for _ in range(3):
        clock.seconds += 5
        shown.show(interim(patient(), patient("another")))
        shown.show(interim(patient()))
    assert not on_screen(stream).cursor_is_shown
    shown.hide()
    stream.write("pass closing.first  IPv4\n")
    screen = on_screen(stream, before="$ lab run\n")
    assert screen.text == "$ lab run\npass closing.first  IPv4"
    assert screen.cursor_is_shown
    clock.seconds += 5
    shown.show(interim(patient()))
    shown.show(interim())
    assert on_screen(stream, before="$ lab run\n").text == "$ lab run\npass closing.first  IPv4"


def test_short_waits_are_not_shown(clock: Clock) -> None:
    stream = Stream(terminal=True)
    clock.seconds += 1
    Progress(stream).show(interim(patient()))
    assert not stream.getvalue()


def test_many_waits_are_counted_and_long_names_are_cut(clock: Clock) -> None:
    stream = Stream(terminal=True)
    clock.seconds += 3
    Progress(stream).show(interim(*[patient(f"file.scenario_{number:02}_{'x' * 60}") for number in range(20)]))
    lines = on_screen(stream).text.splitlines()
    assert lines[0] == "20 scenarios wait for timers of the kernel, at most 137 s more"
    assert lines[-1] == "  and 8 more"
    assert len(lines) == 14
    assert {len(line) for line in lines[1:-1]} <= set(range(70, 81))
    assert all("copy 2 of 10 of S" in line and line.endswith("3 of 140 s") for line in lines[1:-1])


def test_a_low_and_narrow_terminal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "6")
    stream = Stream(terminal=True)
    clock.seconds += 3
    Progress(stream).show(interim(*[patient(f"file.scenario_{number:02}") for number in range(20)]))
    lines = on_screen(stream).text.splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 30


@pytest.mark.parametrize(
    ("terminal", "plain", "term"), [(False, False, "xterm"), (True, True, "xterm"), (True, False, "dumb")]
)
def test_without_a_terminal_one_line_is_printed_after_half_a_minute(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, terminal: bool, plain: bool, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    stream = Stream(terminal=terminal)
    shown = Progress(stream, plain)
    clock.seconds += 20
    shown.show(interim(patient()))
    shown.hide()
    clock.seconds += 29
    shown.show(interim(patient()))
    assert not stream.getvalue()
    for _ in range(3):
        clock.seconds += 31
        shown.show(interim(patient(), patient("time_wait.the_minute", 6, "its end", 60)))
    said = "7 of 290 ended; 2 scenarios wait for timers of the kernel, at most 60 s more: giving_up.a_syn IPv4\n"
    assert stream.getvalue() == said


def test_no_scenario_waits(clock: Clock) -> None:
    for terminal in True, False:
        stream = Stream(terminal=terminal)
        shown = Progress(stream)
        clock.seconds += 60
        shown.show(interim())
        shown.hide()
        assert not stream.getvalue()


def test_a_terminal_shows_how_far_a_run_of_many_has_come(clock: Clock) -> None:
    stream = Stream(terminal=True)
    shown = Progress(stream, counts=True)
    shown.redraw()
    assert not stream.getvalue()
    shown.show(interim(patient()))
    assert on_screen(stream).text == "7 of 290 ended"
    clock.seconds += 12
    shown.hide()
    stream.write("pass closing.first\n")
    shown.show(interim(patient()))
    shown.hide()
    stream.write("pass closing.second\n")
    shown.redraw()
    assert on_screen(stream).text.splitlines() == [
        "pass closing.first",
        "pass closing.second",
        "7 of 290 ended; 1 scenario waits for timers of the kernel, at most 128 s more",
        "  giving_up.a_syn       IPv4    copy 2 of 10 of S   12 of 140 s",
    ]
