"""`lab list` and `lab doctor`: the scenarios, and the requirements of this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from lab.cli.exits import CANNOT_RUN, USAGE, leave, lent_streams
from lab.cli.language import language, text
from lab.cli.messages import tell
from lab.cli.options import AsJson, Patterns

if TYPE_CHECKING:
    from lab.record.results import Scenario

_WIDEST_NAME = 28
"""In columns; a longer name is on a line of its own, above the title."""


def list_scenarios(patterns: Patterns = None, *, as_json: AsJson = False) -> None:
    """List the scenarios with their titles, in groups in learning order."""
    from lab.author import registry
    from lab.cli.printer import Printer, screen_of
    from lab.report.screen import json_text

    with lent_streams():
        found = registry.find(patterns or [])
    if as_json:
        rows = [
            {
                "id": each.id,
                "title": each.title,
                "section": each.section,
                "families": [f"IPv{family}" for family in each.families],
                "file": str(each.file),
                "line": each.line,
            }
            for each in found.scenarios
        ]
        print(json_text(rows))
    else:
        print("\n".join(_lines(found.scenarios, screen_of(sys.stdout).width)))
    Printer(sys.stderr).found(found)
    leave(CANNOT_RUN if found.broken else USAGE if found.unknown else 0)


def _lines(scenarios: Sequence[Scenario], width: int) -> Iterator[str]:
    """Yield each group's name and title, and below it the names and titles of its scenarios."""
    from lab.claims.groups import groups
    from lab.report.i18n import translator
    from lab.report.screen import labelled, printable, wrapped

    for file, group in groupby(scenarios, lambda each: each.file):
        title = groups()[file.stem].of(language()) if file.stem in groups() else ""
        yield from wrapped(printable(f"{file.stem}  {title}".rstrip()), width)
        for each in group:
            name = printable(each.id.rpartition(".")[2])
            title = translator(language(), each.translations).text(each.title)
            if len(name) > _WIDEST_NAME:
                yield f"  {name}"
            yield from labelled(
                name if len(name) <= _WIDEST_NAME else "", title, width, indent=2, label_width=_WIDEST_NAME + 2
            )
        yield ""


def doctor() -> None:
    """Check whether this machine has what the lab needs, and how to get what is missing."""
    from lab.cli.printer import screen_of
    from lab.host.doctor import examine
    from lab.report.screen import labelled, padded

    findings, width = list(examine()), screen_of(sys.stdout).message_width
    for each in findings:
        verdict = "ok" if each.available else "MISSING" if each.needed else "absent"
        for line in (each.detail, each.remedy)[: 1 if each.available else 2]:
            label = f"{padded(text(verdict), 8)} {padded(text(each.name), 12)}"
            print(*labelled(label if line is each.detail else "", text(line), width, label_width=22), sep="\n")
    missing = any(each.needed and not each.available for each in findings)
    tell("The lab cannot run here." if missing else "The lab can run here.")
    leave(CANNOT_RUN if missing else 0)
