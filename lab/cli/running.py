"""A whole run for the commands that look at all of it together, instead of printing each result as it comes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from lab.cli.exits import INTERRUPTED, leave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.scenario.registry import Found, Runnable
    from lab.scenario.result import Run


def whole_run(found: Found, scenarios: Sequence[Runnable], families: list[int], *, full: bool) -> Run:
    """Run the scenarios to their end; what could not do its part is said on standard error. Ctrl-C ends the command."""
    from lab.cli.printer import Printer
    from lab.cli.run import results_of
    from lab.scenario.environment import environment_of, new_run
    from lab.scenario.result import Outcome

    began = time.monotonic()
    printer = Printer(sys.stderr, quiet=True, verbose=False)
    made = new_run(full=full)
    made.broken = found.broken
    printer.usage(found)
    try:
        for result in results_of(scenarios, families, lambda _: False, printer, full=full):
            made.results.append(result)
            if result.outcome in (Outcome.FAIL, Outcome.ERROR):
                printer.result(result)
    except KeyboardInterrupt:
        leave(INTERRUPTED, at_once=True)
    made.environment = environment_of(made.results)
    made.seconds = time.monotonic() - began
    return made


def is_whole(made: Run) -> bool:
    """Whether every scenario could do its part: otherwise something may be missing from what the run shows."""
    from lab.scenario.result import Outcome

    return not made.broken and all(result.outcome is not Outcome.ERROR for result in made.results)
