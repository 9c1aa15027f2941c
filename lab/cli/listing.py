"""`lab list` and `lab doctor`: the scenarios, and the requirements of this machine."""

from __future__ import annotations

import sys

from lab.cli.exits import CANNOT_RUN, USAGE, leave, lent_streams
from lab.cli.options import AsJson, Patterns


def list_scenarios(patterns: Patterns = None, *, as_json: AsJson = False) -> None:
    """List the scenarios with their titles."""
    from lab.author import registry
    from lab.cli.printer import Printer
    from lab.report.screen import json_text, printable

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
        wide = max([len(each.id) for each in found.scenarios], default=0)
        for each in found.scenarios:
            print(printable(f"{each.id:<{wide}}  {each.title}"))
    Printer(sys.stderr).found(found)
    leave(CANNOT_RUN if found.broken else USAGE if found.unknown else 0)


def doctor() -> None:
    """Check whether this machine has what the lab needs, and how to get what is missing."""
    from lab.host.doctor import examine

    findings = list(examine())
    for each in findings:
        verdict = "ok" if each.available else "MISSING" if each.needed else "absent"
        print(f"{verdict:<8} {each.name:<12} {each.detail}")
        if not each.available:
            print(f"{'':<21} {each.remedy}")
    missing = any(each.needed and not each.available for each in findings)
    print("The lab cannot run here." if missing else "The lab can run here.")
    leave(CANNOT_RUN if missing else 0)
