"""The comparison of two runs in text, with the signs of diff(1): `<` is the first run, `>` the second."""

from __future__ import annotations

from collections.abc import Iterator

from lab.record.results import Run
from lab.report.comparison import Change, Comparison, ScenarioChange
from lab.report.screen import Screen, printable, wrapped

_SIGNS = ("<", ">")


def comparison_lines(
    comparison: Comparison, runs: tuple[Run, Run], names: tuple[str, str], screen: Screen
) -> Iterator[str]:
    """What differs; `names` is what the two runs are called."""
    for sign, run, name in zip(_SIGNS, runs, names, strict=True):
        told = f"{len(run.results)} results on Linux {run.environment.get('kernel', '')}, {run.began}"
        yield f"{sign} {printable(name)}   {printable(told)}"
    if not comparison:
        yield "nothing differs but what always does: times, timestamps, ports"
        return
    for title, changes in ("environment", comparison.environment), ("sysctls", comparison.sysctls):
        if changes:
            yield ""
            yield title
            yield from _table(changes, screen)
    for sign, missing in zip(_SIGNS, (comparison.only_first, comparison.only_second), strict=True):
        if missing:
            yield ""
            yield f"{sign} alone has {printable(', '.join(missing))}"
    for scenario in comparison.scenarios:
        yield ""
        yield from _scenario(scenario, screen)
    yield ""
    differing = sum(len(each.families) for each in comparison.scenarios)
    both = len(runs[0].results) - len(comparison.only_first)
    yield f"{differing} of {both} results differ"


def _scenario(change: ScenarioChange, screen: Screen) -> Iterator[str]:
    families = " and ".join(f"IPv{family}" for family in change.families)
    yield screen.paint(printable(f"{change.scenario}  {families}"), "title")
    yield from _table(change.changes, screen)
    if not (change.first or change.second):
        return
    if change.step:
        yield from _indented(f"in the step: {printable(change.step)}", screen, "  ")
    for sign, lines in zip(_SIGNS, (change.first, change.second), strict=True):
        for line in lines:
            yield from _indented(printable(str(line)), screen, f"  {sign} ")
        if not lines:
            yield f"  {sign} (nothing more)"


def _table(changes: list[Change], screen: Screen) -> Iterator[str]:
    wide = max((len(change.name) for change in changes), default=0)
    for name, *values in changes:
        head = f"  {name:<{wide}}"
        for sign, value in zip(_SIGNS, values, strict=True):
            yield from _indented(printable(value), screen, f"{head} {sign} ")
            head = " " * len(head)


def _indented(text: str, screen: Screen, head: str) -> Iterator[str]:
    for line in wrapped(text, screen.width - len(head)):
        yield head + line
        head = " " * len(head)
