"""`lab coverage`: how much of the state diagram this machine's kernel walks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lab.cli.exits import CANNOT_RUN, DIFFERS, USAGE, leave
from lab.cli.options import AsJson, From, Full, IPv4, IPv6, Patterns, families
from lab.cli.printer import screen_of

if TYPE_CHECKING:
    from lab.record.results import Run


def coverage(
    patterns: Patterns = None,
    *,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    full: Full = False,
    saved: From = None,
    as_json: AsJson = False,
) -> None:
    """Show which states and arrows of RFC 9293's diagram the scenarios walk, with the packet for each."""
    from lab.author import registry
    from lab.cli.running import is_whole, whole_run
    from lab.cli.saved_runs import load_run, narrow, reading
    from lab.record.results import Outcome

    wanted = families(ipv4, ipv6)
    with reading():
        if saved is not None:
            made = load_run(saved, wanted)
            made.unknown = narrow(made, patterns or [])
        else:
            found = registry.find(patterns or [])
            made = whole_run(found, found.scenarios, wanted, full=full)
        _print(made, as_json=as_json)
    if any(result.outcome is Outcome.FAIL for result in made.results):
        leave(DIFFERS)
    leave(CANNOT_RUN if not is_whole(made) else USAGE if made.unknown else 0)


def _print(made: Run, *, as_json: bool) -> None:
    from lab.report import coverage
    from lab.report.screen import json_text

    walked = coverage.coverage(made)
    if as_json:
        print(json_text(coverage.as_json(walked)))
        return
    for line in coverage.coverage_lines(walked, screen_of(sys.stdout).width):
        print(line)
