"""Comparison of two runs, of two kernels or of two settings: only differences, in each scenario the first one.

It ignores what differs between any two runs: times, timestamps, cookies, and the ports and initial sequence numbers
that the kernel chooses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len

from lab.record.events import Concluded, FrameSeen, Measured, Recording
from lab.record.results import Result, Run
from lab.report.evidence import direction
from lab.report.i18n import Translator, translator
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Kind, Rung
from lab.report.screen import Screen, indented, labelled, padded, printable
from lab.tcp.flags import RST
from lab.tcp.segment import Segment

MISSING = "-"
_SHOWN_LINES = 3
_COMPARED = {Kind.SEGMENT, Kind.FRAME, Kind.CALL, Kind.ARRIVAL}
_RANDOM = re.compile(r"(?<=TS) val \d+ ecr \d+|(?<=tfo) [0-9a-f]{8,}")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?: ?([mu]?s\b|%))?")
"""A number with its unit."""
_RATIOS = {"s": 1.3, "": 1.3, "ms": 2.0, "us": 2.0, "%": 2.0}
"""By unit: the ratio up to which two measured numbers count as equal."""
_NOISE = {"ms": 10, "us": 10_000}
"""Two times that are both below 10 ms count as equal: they depend only on the machine."""
_SIGNS = ("<", ">")
"""Marks of the first and the second run, as in diff(1)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A named value that differs between the two runs."""

    name: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Line:
    """A segment or a system call, and the states of both sides after it."""

    text: str
    states: str

    def __str__(self) -> str:
        return f"{self.text}   {self.states}" if self.states else self.text


@dataclass(slots=True)
class ScenarioChange:
    """Differences in one scenario: outcome, settings, measured values, exchange."""

    id: str
    families: list[str] = field(compare=False)
    """The address families with exactly this difference, such as "IPv4"."""
    changes: list[Change] = field(default_factory=list)
    step: str = ""
    """The step in which the exchanges first differ."""
    first: list[Line] = field(default_factory=list)
    """The first lines of each exchange, from the first difference on."""
    second: list[Line] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.changes or self.first or self.second)


@dataclass(slots=True)
class Comparison:
    """All differences between two runs."""

    environment: list[Change]
    sysctls: list[Change]
    only_first: list[str]
    """Scenarios that only the first run has."""
    only_second: list[str]
    scenarios: list[ScenarioChange]

    def __bool__(self) -> bool:
        return any((self.environment, self.sysctls, self.only_first, self.only_second, self.scenarios))


def compare_runs(first: Run, second: Run, language: str = "en") -> Comparison:
    """Compare two runs. Texts of authors are in this language."""
    before, after = ({(each.scenario.id, each.family): each for each in run.results} for run in (first, second))
    environments = [{**run.environment, "timers": "full length" if run.full else "short"} for run in (first, second)]
    sysctls = list(_changes(*(each.pop("sysctls", {}) for each in environments)))
    scenarios: list[ScenarioChange] = []
    for key, result in before.items():
        change = _compare(result, after[key], sysctls, language) if key in after else None
        if change and scenarios and scenarios[-1] == change:
            scenarios[-1].families += change.families
        elif change:
            scenarios.append(change)
    return Comparison(
        list(_changes(*environments)), sysctls, _names(before.keys() - after), _names(after.keys() - before), scenarios
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values."""
    return asdict(comparison)


def _compare(before: Result, after: Result, run_wide: list[Change], language: str) -> ScenarioChange:
    change = ScenarioChange(before.scenario.id, [f"IPv{before.family}"])
    translate = translator(language, after.scenario.translations)  # one for both, or equal texts would differ
    change.changes += _changes(_outcome(before, translate), _outcome(after, translate))
    if before.recording is not None and after.recording is not None:
        own = _changes(before.recording.sysctls, after.recording.sysctls)
        change.changes += [each for each in own if each not in run_wide]
        change.changes += _measured(before.recording, after.recording, translate)
        _compare_exchanges(change, before.recording, after.recording)
        change.step = translate.own(change.step)
    return change


def _outcome(result: Result, translate: Translator) -> dict[str, str]:
    text, differing = translate.text, result.difference
    because = f"{text(differing.subject)}{text(': ')}" if differing is not None else ""
    because += text(result.summary if differing is not None else result.message)
    return {"outcome": result.outcome.value, "because": because}


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys([*first, *second]):
        one, other = (_text(each.get(name, MISSING)) for each in (first, second))
        if one != other:
            yield Change(name, one, other)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value) or MISSING


def _names(keys: Iterable[tuple[str, int]]) -> list[str]:
    return [f"{name} IPv{family}" for name, family in sorted(keys)]


def _measured(before: Recording, after: Recording, translate: Translator) -> Iterator[Change]:
    """Conclusions about claims that differ, and measured values that differ by more than measurements vary."""
    found = [list(_values(each)) for each in (before, after)]
    for claim in dict.fromkeys(claim for claim, _ in found[0] + found[1]):
        one, other = ([value for of, value in each if of == claim] for each in found)
        if len(one) != len(other) or not all(map(_texts_agree, one, other)):
            shown = ("; ".join(map(translate.text, each)) or MISSING for each in (one, other))
            yield Change(claim, *shown)


def _values(recording: Recording) -> Iterator[tuple[str, str]]:
    """Claim and text of each measured value and each conclusion."""
    for event in recording.events:
        if isinstance(event, Measured):
            yield event.claim, event.value
        elif isinstance(event, Concluded):
            yield event.claim, event.text


def _texts_agree(one: str, other: str) -> bool:
    """Whether two texts are equal. Numbers with a unit or a fraction were measured, and may vary."""
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return _NUMBER.sub("0", one) == _NUMBER.sub("0", other) and all(_numbers_agree(*pair) for pair in pairs)


def _numbers_agree(one: tuple[str, str], other: tuple[str, str]) -> bool:
    (first, unit), (second, others_unit) = one, other
    if one == other:
        return True
    if unit != others_unit or not (unit or "." in first + second):
        return False
    least, most = sorted(map(float, (first, second)))
    return most <= least * _RATIOS[unit] or most < _NOISE.get(unit, 0)


def _compare_exchanges(change: ScenarioChange, before: Recording, after: Recording) -> None:
    """Add the first difference between the two exchanges to `change`."""
    with_states = before.witnesses == after.witnesses and not before.transitions_lost and not after.transitions_lost
    one, other = _exchange(before, with_states), _exchange(after, with_states)
    at = next((at for at, (a, b) in enumerate(zip_longest(one, other)) if a is None or b is None or a[1] != b[1]), None)
    if at is not None:
        change.step = next(each[at][0] for each in (one, other) if at < len(each))
        change.first = [line for _, line in one[at : at + _SHOWN_LINES]]
        change.second = [line for _, line in other[at : at + _SHOWN_LINES]]


def _exchange(recording: Recording, with_states: bool) -> list[tuple[str, Line]]:
    """Each segment and call, with the title of its step.

    Retransmissions that no expectation names are left out: a busy machine has more of them.
    """
    lines, step = [], ""
    ladder = ladder_of(recording)
    for rung in ladder.rungs:
        if rung.kind is Kind.STEP:
            step = rung.text
        elif rung.kind in _COMPARED and (rung.checks or not rung.retransmission):
            sides = zip(("peer", "kernel"), rung.after, strict=True)
            states = ", ".join(f"{side} {state}" for side, state in sides if state is not None)
            lines.append((step, Line(_line(rung, ladder.seen(rung)), states if with_states else "")))
    return lines


def _line(rung: Rung, seen: tuple[FrameSeen, Segment] | None) -> str:
    if rung.kind is Kind.ARRIVAL:
        return "what was on its way to the kernel arrives"
    text = _RANDOM.sub("", rung.text)
    if rung.kind is Kind.CALL:
        return text
    if seen is not None and seen[1].flags & RST and seen[1].seq == 0:  # not a sequence number of the connection
        text = f"absolute 0 {text.partition(' ')[2]}"
    return "  ".join([direction(rung.from_peer), f"{rung.letters:<3}", text, *["lost on the way"] * rung.lost])


def comparison_lines(
    comparison: Comparison, runs: tuple[Run, Run], names: tuple[str, str], screen: Screen
) -> Iterator[str]:
    """Yield the comparison as text; `names` are the names of the two runs."""
    text = translator(screen.language).text
    for sign, run, name in zip(_SIGNS, runs, names, strict=True):
        described = text(f"{len(run.results)} results on Linux {run.environment.get('kernel', '')}, {run.began}")
        yield from indented(f"{sign} {name}   {described}", screen.message_width)
    if not comparison:
        nothing = "nothing differs except times, timestamps and ports, which always differ"
        yield from indented(text(nothing), screen.message_width)
        return
    for title, changes in ("environment", comparison.environment), ("sysctls", comparison.sysctls):
        if changes:
            yield ""
            yield text(title)
            yield from _table(changes, screen)
    for sign, missing in zip(_SIGNS, (comparison.only_first, comparison.only_second), strict=True):
        if missing:
            yield ""
            yield from indented(text(f"only in {sign}: {', '.join(missing)}"), screen.message_width)
    for scenario in comparison.scenarios:
        yield ""
        yield from _scenario(scenario, screen)
    yield ""
    differing = sum(len(each.families) for each in comparison.scenarios)
    both = len(runs[0].results) - len(comparison.only_first)
    yield text(f"{differing} of {both} results differ")


def _scenario(change: ScenarioChange, screen: Screen) -> Iterator[str]:
    text = translator(screen.language).text
    yield screen.paint(printable(f"{change.id}  {text(' and ').join(change.families)}"), "title")
    yield from _table(change.changes, screen)
    if not (change.first or change.second):
        return
    if change.step:
        yield from labelled(" ", text("in the step: ") + change.step, screen.width)
    for sign, lines in zip(_SIGNS, (change.first, change.second), strict=True):
        for line in lines:
            yield from labelled(f"  {sign}", str(line), screen.width)
        if not lines:
            yield f"  {sign} {text('(nothing more)')}"


def _table(changes: list[Change], screen: Screen) -> Iterator[str]:
    text = translator(screen.language).text
    names = [text(change.name) for change in changes]
    wide = max(map(cell_len, names), default=0)
    for name, change in zip(names, changes, strict=True):
        yield from labelled(f"  {padded(name, wide)} {_SIGNS[0]}", text(change.first), screen.width)
        yield from labelled(f"  {' ' * wide} {_SIGNS[1]}", text(change.second), screen.width)
