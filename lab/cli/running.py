"""Scenarios run for a command: their results as they come, and the run that these make up together."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from lab.cli.exits import INTERRUPTED, cannot_run, leave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lab.author.registry import Found, Runnable
    from lab.cli.printer import Printer
    from lab.record.results import Result, Run


def results_of(
    scenarios: Sequence[Runnable],
    families: list[int],
    printer: Printer,
    *,
    full: bool,
    sysctls: Mapping[str, str] | None = None,
    stop: Callable[[Result], bool] = lambda _: False,
) -> Iterator[Result]:
    """Run these scenarios; the results in their order, and who waits meanwhile. Ends the command if there is no lab."""
    from lab.author.runner import Runner, settle_garbage_collector
    from lab.host.errors import MachineError
    from lab.host.user_namespace import ensure_privileges

    if not scenarios:
        return
    try:
        ensure_privileges()
        runner = Runner(full=full, sysctls=sysctls)
        settle_garbage_collector()
        printer.note(runner.untraced)
        yield from runner.run_all(scenarios, families, stop, printer.waits)
    except MachineError as missing:
        printer.clear()
        cannot_run(missing.why, missing.remedy)
    finally:
        printer.clear()


def carried_out(found: Found, results: Iterable[Result], printer: Printer, *, full: bool, began: float) -> Run:
    """The run that these results make up, each printed as it comes; Ctrl-C ends it early. `began` is monotonic time."""
    from lab.author.environment import environment_of, new_run

    made = new_run(full=full)
    made.broken, made.unknown = found.broken, found.unknown
    try:
        for result in results:
            made.results.append(result)
            printer.result(result)
    except KeyboardInterrupt:
        made.interrupted = True
    made.environment = environment_of(made.results)
    made.seconds = time.monotonic() - began
    return made


def whole_run(found: Found, scenarios: Sequence[Runnable], families: list[int], *, full: bool) -> Run:
    """For a command that looks at all of a run together: what could not do its part is said on standard error.

    Ctrl-C ends the command.
    """
    from lab.cli.printer import Printer

    began = time.monotonic()
    printer = Printer(sys.stderr, quiet=True)
    printer.usage(found)
    made = carried_out(found, results_of(scenarios, families, printer, full=full), printer, full=full, began=began)
    if made.interrupted:
        leave(INTERRUPTED, at_once=True)
    return made


def is_whole(made: Run) -> bool:
    """Whether every scenario could do its part: otherwise something may be missing from what the run shows."""
    from lab.record.results import Outcome

    return not made.broken and all(result.outcome is not Outcome.ERROR for result in made.results)
