"""Verdicts of a run (summary, list, JSON) and of a result (checks, differences, exchange)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from lab.record.events import CallMade, CheckKind, CheckMade, Difference, FrameSeen, Recording, Where
from lab.record.expectation import Row
from lab.record.results import Outcome, Result, Run
from lab.report.evidence import direction
from lab.report.i18n import ENGLISH, Translator, translator
from lab.report.ladder import ladder_of
from lab.report.ladder_model import omitted_range
from lab.report.plain import sentences
from lab.report.screen import Screen, indented, labelled, left_out, padded, printable
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
_WIDEST_WORD = 5
"""Room for the words of outcomes, in columns; the one that is longer is rare."""
QUIET = frozenset({Outcome.PASS, Outcome.SKIP})
"""Outcomes that a brief list leaves out: there is nothing to look at."""


def result_lines(result: Result, screen: Screen, *, brief: bool = False, verbose: bool = False) -> Iterator[str]:
    """Yield a scenario's verdict, ladder and checks; `brief` leaves out all that passed."""
    scenario, recording = result.scenario, result.recording
    translate = translator(screen.language, scenario.translations)
    word = translate.text(_WORDS[result.outcome])
    yield from indented(f"{word} {scenario.id}  IPv{result.family}  {scenario.section}", screen.message_width)
    yield from indented(translate.own(scenario.title), screen.width, first=2)
    if result.message:
        yield from indented(
            f"{_at(result.where)}{translate.text(result.message)}", screen.message_width, first=2, later=4
        )
        if result.where is not None and result.where.source:
            yield from indented(f"> {result.where.source}", screen.message_width, first=4, later=6)
    if recording is None:
        return
    if result.difference is not None:
        yield from difference_lines(recording, result.difference, screen, translate)
    elif not brief and any(isinstance(event, FrameSeen | CallMade) for event in recording.events):
        yield from exchange_lines(recording, screen, translate)
    if not brief:
        yield from check_lines(recording, screen, translate, each_rule=verbose)
    if verbose:
        yield from frame_lines(recording, screen, translate)


def listing_lines(run: Run, screen: Screen, *, brief: bool = False) -> Iterator[str]:
    """Yield a heading, a line for each scenario, and the message of each that did not pass."""
    text = translator(screen.language).text
    how = (" with timers of full length" if run.full else "") + (", interrupted" if run.interrupted else "")
    yield from indented(text(f"run of {run.began}{how}, by version {run.version} of the lab"), screen.message_width)
    shown = [result for result in run.results if not (brief and result.outcome in QUIET)]
    wide = max((len(result.scenario.id) for result in shown), default=0)
    for _, results in groupby(shown, lambda result: (result.scenario.id, result.scenario.file)):
        yield from scenario_lines(list(results), screen, wide)


def scenario_lines(results: Sequence[Result], screen: Screen, wide: int) -> Iterator[str]:
    """Yield a line about all results of one scenario, or one for each outcome, and the message if it did not pass.

    `wide` is the width of the longest id. Figures that do not fit beside an id are on a line of their own.
    """
    translate = translator(screen.language, results[0].scenario.translations)
    name = printable(results[0].scenario.id)
    for outcome in dict.fromkeys(result.outcome for result in results):
        alike = [result for result in results if result.outcome is outcome]
        families = "IPv" + "+".join(str(result.family) for result in alike)
        checks, seconds = sum(result.checks for result in alike), max(result.seconds for result in alike)
        figures = f"{families:<6} " + translate("figures", checks=checks, seconds=seconds)
        word = padded(translate.text(_WORDS[outcome]), _WIDEST_WORD)
        room = min(wide, screen.width - cell_len(word) - cell_len(figures) - 3)
        painted = screen.paint(word.rstrip(), outcome.value) + word[len(word.rstrip()) :]
        if len(name) <= room:
            yield f"{painted} {name:<{room}}  {figures}"
        else:
            yield f"{painted} {name}"
            yield f"{'':{cell_len(word) + 1 + room}}  {figures}"
        for summary, at in dict.fromkeys((each.summary, each.at) for each in alike if each.summary):
            where = _at(at) or (translate.text("at the end: ") if alike[0].difference else "")
            yield from indented(f"{where}{translate.text(summary)}", screen.message_width, first=6, later=8)


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


def summary_lines(run: Run, language: str = "en") -> list[str]:
    """One or two lines: number of results by outcome, and the states seen."""
    outcomes = Counter(result.outcome for result in run.results)
    outcomes[Outcome.ERROR] += len(run.broken)
    text = translator(language).text
    counted = text(", ").join(
        text(f"{outcomes[each]} {word}") for each, word in _TOTALS.items() if outcomes[each] or each is Outcome.PASS
    )
    checks = sum(result.checks for result in run.results)
    lines = [text(f"{counted}; {checks} checks in {run.seconds:.2f} s on Linux {run.environment['kernel']}")]
    states = states_of(run)
    if states:
        names = ", ".join(state.value for state in states)
        lines.append(text(f"states seen ({len(states)} of {len(State)}): {names}"))
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


def check_lines(
    recording: Recording, screen: Screen, translate: Translator = ENGLISH, each_rule: bool = False
) -> Iterator[str]:
    """Yield a line for each check; for the standing rules one line, or with `each_rule` a line for each."""
    text, checks = translate.text, recording.checks
    omitted = {at for at in omitted_range(len(checks), screen.most) if checks[at].passed}
    gap = min(omitted, default=None)
    for at, check in enumerate(checks):
        if at == gap:
            yield f"              {text(left_out(len(omitted)))}"
        if at in omitted:
            continue
        verdict = padded(text("ok" if check.passed else "FAIL"), 4)
        line = f":{check.where.line}" if check.where else ""
        yield from _beside(f"{verdict} {line:>5}", check_text(recording, check, translate), screen)
    kinds = Counter(check.kind for check in checks)
    waived = kinds[CheckKind.DEVIATION]
    if recording.segments_judged and not kinds[CheckKind.RULE]:
        held = text(f"{len(RULES) - waived} standing rules held on {recording.segments_judged} segments of the kernel")
        yield from _beside(text("ok"), held + (text(f", {waived} broken as documented") if waived else ""), screen)
    if recording.transitions_lost:
        lost = f"the tracepoint lost {recording.transitions_lost} state changes: too many on this machine"
        yield from _beside(text("note"), text(lost), screen)
    dropped = Counter(note for _, note in recording.dropped)
    if each_rule and dropped:
        notes = text(", ").join(f"{count} {text(note)}" for note, count in dropped.most_common())
        carried = f"{dropped.total()} frames of the kernel carried nothing for a connection: {notes}"
        yield from _beside(text("note"), text(carried), screen)
    if each_rule:
        for rule in RULES:
            yield from _beside(f"     {rule.id:<24}", f"{text(rule.sentence)}   {rule.section}", screen, at=32)


def _beside(label: str, text: str, screen: Screen, at: int = 14) -> Iterator[str]:
    """Yield the lines of a check: a label, and from column `at` on a text."""
    for number, line in enumerate(text.split("\n")):
        yield from labelled("" if number else label, line, screen.message_width, indent=2, label_width=at - 2)


def frame_lines(recording: Recording, screen: Screen, translate: Translator = ENGLISH) -> Iterator[str]:
    """Yield the bytes of each frame, numbered from 1 as in Wireshark."""
    text = translate.text
    dropped = dict(recording.dropped)
    frames = [(at, event) for at, event in recording.in_order if isinstance(event, FrameSeen)]
    omitted = omitted_range(len(frames), screen.most)
    for number, (at, seen) in enumerate(frames, start=1):
        if number - 1 in omitted:
            if number - 1 == omitted.start:
                yield f"  {text(left_out(len(omitted)))}"
            continue
        note = "  " + text(f"not for a connection: {dropped[at]}") if at in dropped else ""
        if seen.from_peer and (error := icmp.error_in(seen.data)):
            note = f"  ICMP {text(error)}"
        size, sides = text(f"{len(seen.data)} bytes"), text(direction(seen.from_peer))
        yield from indented(f"{text(f'frame {number}')}  {sides}  {size}{note}", screen.message_width, first=2, later=4)
        for start in range(0, len(seen.data), 16):
            yield f"    {start:04x}  {seen.data[start : start + 16].hex(' ')}"


def difference_lines(
    recording: Recording, check: CheckMade, screen: Screen, translate: Translator = ENGLISH
) -> Iterator[str]:
    """Yield a failed check: source line, differing fields, explanation, state, and the whole exchange."""
    yield from what_differs(recording, check, screen, translate)
    for line in exchange_lines(recording, screen._replace(width=screen.width - 2), translate):
        yield f"  {line}"


def what_differs(
    recording: Recording, check: CheckMade, screen: Screen, translate: Translator = ENGLISH
) -> Iterator[str]:
    """Yield the lines that describe a failed check, without the ladder."""
    text = translate.text
    place_or_end = text(f"at {place(check.where.file, check.where.line)}" if check.where else "at the end")
    yield from indented(place_or_end, screen.message_width, first=2, later=4)
    if check.where is not None and check.where.source:
        yield from indented(f"> {check.where.source}", screen.message_width, first=4, later=6)
    more = check.difference or Difference(check.subject, "", None)
    yield from indented(text(more.summary), screen.message_width, first=4, later=6)
    yield ""
    yield from field_lines(recording.rows(check), screen, translate)
    yield ""
    state = more.state and text(f"the kernel is in {more.state.both_names}")
    for label, what in ("why", more.why), ("state", state):
        if what:
            yield from labelled(text(label), text(what), screen.message_width, indent=4, label_width=7)
    if more.why or state:
        yield ""


def field_lines(rows: Iterable[Row], screen: Screen, translate: Translator = ENGLISH, indent: int = 4) -> Iterator[str]:
    """Yield a table of the fields that differ; of those too long for it, what was expected stands above what came."""
    text = translate.text
    expected, got = text("expected"), text("got")
    differing = [[text(cell) for cell in row[:3]] for row in rows if not row.agrees]
    table = [[text("field"), expected, got], *differing]
    name, wide, widest = (max(cell_len(row[column]) for row in table) for column in range(3))
    if indent + name + 2 + wide + 2 + widest <= screen.message_width:
        for row in table:
            yield printable(f"{'':{indent}}{padded(row[0], name)}  {padded(row[1], wide)}  {row[2]}")
        return
    label = max(map(cell_len, (expected, got))) + 2
    for field, *values in differing:
        yield f"{'':{indent}}{printable(field)}"
        for which, value in zip((expected, got), values, strict=True):
            yield from labelled(which, value, screen.message_width, indent=indent + 2, label_width=label)


def difference_in_a_line(result: Result) -> str:
    """The fields that differ (`ack: expected 2, got 1`), in English; the reason of a result without a failed check."""
    check, recording = result.difference, result.recording
    if check is None or recording is None:
        return result.summary
    rows = [f"{row.field}: expected {row.expected}, got {row.got}" for row in recording.rows(check) if not row.agrees]
    return "; ".join(rows) or check.subject


def exchange_lines(recording: Recording, screen: Screen, translate: Translator = ENGLISH) -> Iterator[str]:
    """Yield the ladder, as sentences on a plain screen."""
    drawn = ladder_of(recording, screen.most)
    return sentences(drawn, translate) if screen.plain else ladder_lines(drawn, screen, translate)


def place(file: str, line: int) -> str:
    """File and line: `scenarios/closing.py:27`; relative if it is below the folder in which the lab was started."""
    relative = os.path.relpath(file, started_in) if Path(file).is_absolute() else file
    return f"{file if relative.startswith(os.pardir) else relative}:{line}"


def check_text(recording: Recording, check: CheckMade, translate: Translator = ENGLISH) -> str:
    """A check and its result in a line: "SA  seq 0, ack 1", or "SA: ack 2 instead of 1"."""
    rows = recording.rows(check)
    if check.passed:
        return result_text(check.subject, rows, translate)
    text = translate.text
    differing = text(", ").join(
        text(f"{text(row.field)} {text(row.got)} instead of {text(row.expected)}") for row in rows if not row.agrees
    )
    return text(check.subject) + text(": ") + differing


def result_text(subject: str, rows: Sequence[Row], translate: Translator = ENGLISH) -> str:
    """The values that a check found, expected or not: "SA  seq 0, ack 1"."""
    # Left out: absent values, and control bits, which are the subject already.
    named = [row for row in rows if row.field != "flags" and row.got != "none"]
    text = translate.text
    values = text(", ").join(
        text(row.got) if row.field == subject else f"{text(row.field)} {text(row.got)}" for row in named
    )
    return f"{padded(text(subject), 3)} {values}".rstrip()


def _at(where: Where | None) -> str:
    return f"{place(where.file, where.line)}: " if where else ""
