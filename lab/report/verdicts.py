"""Verdicts of a run (summary, list, JSON) and of a result (checks, differences, exchange)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from lab.record.events import CallMade, CheckKind, CheckMade, Difference, FrameSeen, Recording, Where
from lab.record.expectation import Row
from lab.record.results import Outcome, Result, Run
from lab.report.evidence import direction
from lab.report.i18n import translator
from lab.report.ladder import ladder_of
from lab.report.ladder_model import omitted_range
from lab.report.plain import sentences
from lab.report.screen import Screen, left_out, printable, printable_lines
from lab.report.text import ladder_lines
from lab.tcp.rules import RULES
from lab.tcp.state import State
from lab.wire import icmp

try:
    started_in = Path.cwd()  # a scenario may change it later
except FileNotFoundError:
    started_in = Path(os.sep)

_WORDS = {
    Outcome.PASS: "pass",
    Outcome.CHANGED: "changed",
    Outcome.FAIL: "FAIL",
    Outcome.ERROR: "ERROR",
    Outcome.INCONCLUSIVE: "INCONCLUSIVE",
    Outcome.SKIP: "skip",
}
_TOTALS = {
    Outcome.PASS: "passed",
    Outcome.CHANGED: "changed",
    Outcome.FAIL: "failed",
    Outcome.ERROR: "errors",
    Outcome.INCONCLUSIVE: "inconclusive",
    Outcome.SKIP: "skipped",
}
QUIET = frozenset({Outcome.PASS, Outcome.SKIP})
"""Outcomes that a brief list leaves out: there is nothing to look at."""


def result_lines(result: Result, screen: Screen, *, brief: bool = False, verbose: bool = False) -> Iterator[str]:
    """Yield a scenario's verdict, ladder and checks; `brief` leaves out all that passed."""
    scenario, recording = result.scenario, result.recording
    yield from printable_lines(f"{_WORDS[result.outcome]} {scenario.id}  IPv{result.family}  {scenario.section}")
    yield from printable_lines(f"  {scenario.title}")
    if result.message:
        yield from printable_lines(f"  {_at(result.where)}{result.message}")
        if result.where is not None and result.where.source:
            yield from printable_lines(f"    > {result.where.source}")
    if recording is None:
        return
    if result.difference is not None:
        yield from difference_lines(recording, result.difference, screen)
    elif not brief and any(isinstance(event, FrameSeen | CallMade) for event in recording.events):
        yield from exchange_lines(recording, screen)
    if not brief:
        yield from check_lines(recording, screen, each_rule=verbose)
    if verbose:
        yield from frame_lines(recording, screen)


def listing_lines(run: Run, screen: Screen, *, brief: bool = False) -> Iterator[str]:
    """Yield a heading, a line for each scenario, and the message of each that did not pass."""
    how = (" with timers of full length" if run.full else "") + (", interrupted" if run.interrupted else "")
    yield from printable_lines(f"run of {run.began}{how}, by version {run.version} of the lab")
    shown = [result for result in run.results if not (brief and result.outcome in QUIET)]
    wide = max((len(result.scenario.id) for result in shown), default=0)
    for _, results in groupby(shown, lambda result: (result.scenario.id, result.scenario.file)):
        yield from scenario_lines(list(results), screen, wide)


def scenario_lines(results: Sequence[Result], screen: Screen, wide: int) -> Iterator[str]:
    """Yield a line about all results of one scenario, or one for each outcome, and the message if it did not pass.

    `wide` is the width of the longest id. Figures that do not fit beside an id are on a line of their own.
    """
    for outcome in dict.fromkeys(result.outcome for result in results):
        alike = [result for result in results if result.outcome is outcome]
        families = "IPv" + "+".join(str(result.family) for result in alike)
        checks, seconds = sum(result.checks for result in alike), max(result.seconds for result in alike)
        figures = f"{families:<6} {checks:>5} checks {seconds:>7.2f} s"
        word, name = f"{_WORDS[outcome]:<5}", printable(results[0].scenario.id)
        room = screen.width - len(word) - len(figures) - 3
        painted = screen.paint(word.rstrip(), outcome.value) + " " * (len(word) - len(_WORDS[outcome]))
        if len(name) <= room:
            yield f"{painted} {name:<{min(wide, room)}}  {figures}"
        else:
            yield f"{painted} {name}"
            yield f"{'':{len(word) + 1 + min(wide, room)}}  {figures}"
        for summary, at in dict.fromkeys((each.summary, each.at) for each in alike if each.summary):
            yield from printable_lines(f"      {_at(at) or ('at the end: ' if alike[0].difference else '')}{summary}")


def as_json(run: Run) -> dict[str, Any]:
    """The run as a JSON value."""
    unchecked = {"family": None, "outcome": "error", "checks": 0, "failed": 0, "seconds": 0.0}
    listed = [_scenario(result) for result in run.results]
    listed += [
        {"id": file.stem, **unchecked, "message": why, "where": f"{file}:{line}"} for file, line, why in run.broken
    ]
    counts = Counter(each["outcome"] for each in listed)
    return {
        "version": run.version,
        "environment": run.environment,
        "scenarios": listed,
        "states": [state.value for state in states_of(run)],
        "summary": {
            **{outcome.value: counts[outcome.value] for outcome in Outcome},
            "checks": sum(each["checks"] for each in listed),
            "failed_checks": sum(each["failed"] for each in listed),
            "unknown_patterns": run.unknown,
            "seconds": round(run.seconds, 3),
        },
    }


def summary_lines(run: Run) -> list[str]:
    """One or two lines: number of results by outcome, and the states seen."""
    outcomes = Counter(result.outcome for result in run.results)
    outcomes[Outcome.ERROR] += len(run.broken)
    counted = ", ".join(
        f"{outcomes[each]} {word}" for each, word in _TOTALS.items() if outcomes[each] or each is Outcome.PASS
    )
    checks = sum(result.checks for result in run.results)
    lines = [f"{counted}; {checks} checks in {run.seconds:.2f} s on Linux {run.environment['kernel']}"]
    states = states_of(run)
    if states:
        lines.append(f"states seen ({len(states)} of {len(State)}): {', '.join(state.value for state in states)}")
    return lines


def states_of(run: Run) -> list[State]:
    """The states in which the kernel was seen, in the order of the diagram."""
    seen = set().union(*(result.states for result in run.results))
    return [state for state in State if state in seen]


def _scenario(result: Result) -> dict[str, Any]:
    described = {
        "id": result.scenario.id,
        "family": f"IPv{result.family}",
        "outcome": result.outcome.value,
        "checks": result.checks,
        "failed": result.failed,
        "seconds": round(result.seconds, 4),
    }
    if result.summary:
        described["message"] = result.summary
    if result.at:
        described["where"] = f"{result.at.file}:{result.at.line}"
    return described


def check_lines(recording: Recording, screen: Screen, each_rule: bool = False) -> Iterator[str]:
    """Yield a line for each check; for the standing rules one line, or with `each_rule` a line for each."""
    checks = recording.checks
    omitted = {at for at in omitted_range(len(checks), screen.most) if checks[at].passed}
    gap = min(omitted, default=None)
    for at, check in enumerate(checks):
        if at == gap:
            yield f"              {left_out(len(omitted))}"
        if at in omitted:
            continue
        verdict, line = "ok  " if check.passed else "FAIL", f":{check.where.line}" if check.where else ""
        yield from printable_lines(f"  {verdict} {line:>5}  {check_text(recording, check)}")
    kinds = Counter(check.kind for check in checks)
    waived = kinds[CheckKind.DEVIATION]
    if recording.segments_judged and not kinds[CheckKind.RULE]:
        held = f"{len(RULES) - waived} standing rules held on {recording.segments_judged} segments of the kernel"
        yield f"  ok          {held}" + (f", {waived} broken as documented" if waived else "")
    if recording.transitions_lost:
        yield f"  note        the tracepoint lost {recording.transitions_lost} state changes: too many on this machine"
    dropped = Counter(note for _, note in recording.dropped)
    if each_rule and dropped:
        notes = ", ".join(f"{count} {note}" for note, count in dropped.most_common())
        yield f"  note        {dropped.total()} frames of the kernel carried nothing for a connection: {notes}"
    if each_rule:
        for rule in RULES:
            yield f"       {rule.id:<24} {rule.sentence}   {rule.section}"


def frame_lines(recording: Recording, screen: Screen) -> Iterator[str]:
    """Yield the bytes of each frame, numbered from 1 as in Wireshark."""
    dropped = dict(recording.dropped)
    frames = [(at, event) for at, event in recording.in_order if isinstance(event, FrameSeen)]
    omitted = omitted_range(len(frames), screen.most)
    for number, (at, seen) in enumerate(frames, start=1):
        if number - 1 in omitted:
            if number - 1 == omitted.start:
                yield f"  {left_out(len(omitted))}"
            continue
        note = f"  not for a connection: {dropped[at]}" if at in dropped else ""
        if seen.from_peer and (error := icmp.error_in(seen.data)):
            note = f"  ICMP {error}"
        yield f"  frame {number}  {direction(seen.from_peer)}  {len(seen.data)} bytes{note}"
        for start in range(0, len(seen.data), 16):
            yield f"    {start:04x}  {seen.data[start : start + 16].hex(' ')}"


def difference_lines(recording: Recording, check: CheckMade, screen: Screen) -> Iterator[str]:
    """Yield a failed check: source line, differing fields, explanation, state, and the whole exchange."""
    yield from what_differs(recording, check)
    for line in exchange_lines(recording, screen._replace(width=screen.width - 2)):
        yield f"  {line}"


def what_differs(recording: Recording, check: CheckMade) -> Iterator[str]:
    """Yield the lines that describe a failed check, without the ladder."""
    for line in _difference(recording, check):
        yield from printable_lines(line)


def difference_in_a_line(recording: Recording, check: CheckMade) -> str:
    """The fields of a failed check that differ: `ack: expected 2, got 1`."""
    rows = [f"{row.field}: expected {row.expected}, got {row.got}" for row in recording.rows(check) if not row.agrees]
    return "; ".join(rows) or check.subject


def _difference(recording: Recording, check: CheckMade) -> Iterator[str]:
    yield f"  at {place(check.where.file, check.where.line) if check.where else 'the end'}"
    if check.where is not None and check.where.source:
        yield f"    > {check.where.source}"
    more = check.difference or Difference(check.subject, "", None)
    yield f"    {more.summary}"
    yield ""
    rows = [row for row in recording.rows(check) if not row.agrees]
    wide = max([len("expected"), *(len(row.expected) for row in rows)])
    name = max([len("field"), *(len(row.field) for row in rows)])
    yield f"    {'field':<{name}}  {'expected':<{wide}}  got"
    for row in rows:
        yield f"    {row.field:<{name}}  {row.expected:<{wide}}  {row.got}"
    yield ""
    if more.why:
        yield f"    why    {more.why}"
    if more.state is not None:
        yield f"    state  the kernel is in {more.state.both_names}"
    if more.why or more.state is not None:
        yield ""


def exchange_lines(recording: Recording, screen: Screen) -> Iterator[str]:
    """Yield the ladder, as sentences on a plain screen."""
    drawn = ladder_of(recording, screen.most)
    return sentences(drawn, translator("en")) if screen.plain else ladder_lines(drawn, screen)


def place(file: str, line: int) -> str:
    """File and line: `scenarios/closing.py:27`; relative if it is below the folder in which the lab was started."""
    relative = os.path.relpath(file, started_in) if Path(file).is_absolute() else file
    return f"{file if relative.startswith(os.pardir) else relative}:{line}"


def check_text(recording: Recording, check: CheckMade) -> str:
    """A check and its result in a line: "SA  seq 0, ack 1", or "SA: ack 2 instead of 1"."""
    rows = recording.rows(check)
    if check.passed:
        return result_text(check.subject, rows)
    differing = ", ".join(f"{row.field} {row.got} instead of {row.expected}" for row in rows if not row.agrees)
    return f"{check.subject}: {differing}"


def result_text(subject: str, rows: Sequence[Row]) -> str:
    """The values that a check found, expected or not: "SA  seq 0, ack 1"."""
    # Left out: absent values, and control bits, which are the subject already.
    named = [row for row in rows if row.field != "flags" and row.got != "none"]
    values = ", ".join(row.got if row.field == subject else f"{row.field} {row.got}" for row in named)
    return f"{subject:<3} {values}".rstrip()


def _at(where: Where | None) -> str:
    return f"{place(where.file, where.line)}: " if where else ""
