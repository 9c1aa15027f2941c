"""`lab run`: scenarios against this machine's kernel; and whole runs for `lab claims` and `lab coverage`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, INTERRUPTED, USAGE, cannot_run, leave, wrong_usage
from lab.cli.options import Full, IPv4, IPv6, NewFolder, Patterns, Plain, Settings, Unsaved, Verbose, families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lab.author.registry import Found, Runnable
    from lab.cli.printer import Printer
    from lab.record.results import Result, Run


def run(
    patterns: Patterns = None,
    *,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what differs, and the summary.")] = False,
    verbose: Verbose = False,
    stop: Annotated[bool, typer.Option("-x", "--exitfirst", help="Stop at the first difference.")] = False,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    full: Full = False,
    plain: Plain = False,
    sysctl: Settings = None,
    out: NewFolder = None,
    no_out: Unsaved = False,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is standard output.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML, for CI systems.")
    ] = None,
) -> None:
    """Run scenarios against this machine's kernel: all of them, or those that match a pattern."""
    from lab.author import registry
    from lab.cli.printer import Printer
    from lab.cli.saved_runs import new_folder, output, save, write, write_json
    from lab.record.results import Outcome
    from lab.report.verdicts import as_json

    began = time.monotonic()
    # All paths before any file of a scenario is executed: it may change the working directory.
    json_path, junit_path = output(json_file), output(junit_file)
    folder = None if no_out else new_folder(out)
    in_github = os.environ.get("GITHUB_ACTIONS") == "true"
    workspace = Path(os.environ.get("GITHUB_WORKSPACE", "")).absolute() if in_github else None
    found = registry.find(patterns or [])
    printer = Printer(sys.stderr if json_file == "-" else sys.stdout, quiet or json_file == "-", verbose, plain)
    settings = _settings(sysctl or [])

    def is_last(result: Result) -> bool:
        return stop and result.outcome is Outcome.FAIL

    wanted = families(ipv4, ipv6)
    results = _results(found.scenarios, wanted, printer, full=full, sysctls=settings, stop=is_last)
    made = _collect(found, results, printer, full=full, began=began)
    if made.interrupted:
        printer.print_lines(f"\ninterrupted; {len(made.results)} finished before that")
    printer.usage(made)
    printer.summary(made)
    if workspace is not None:
        from lab.report.ci import error_lines

        printer.print_lines(*error_lines(made, workspace))
    is_written = True
    if json_file:
        is_written &= write_json(json_path, as_json(made))
    if junit_path:
        from lab.report.ci import junit

        is_written &= write(junit_path, junit(made))
    if folder is not None:
        is_written &= save(made, folder, printer)
    code = INTERRUPTED if made.interrupted else exit_code(made) or (0 if is_written else CANNOT_RUN)
    leave(code, at_once=made.interrupted or any(is_last(each) for each in made.results))


def _settings(given: Sequence[str]) -> dict[str, str]:
    """The requested settings; exits with 2 if one is not a sysctl of a network namespace of this kernel."""
    from lab.host.sysctls import is_known

    settings = {}
    for each in given:
        name, equals, value = (part.strip() for part in each.partition("="))
        if not (equals and value):
            wrong_usage(f"--sysctl takes NAME=VALUE, not {each!r}")
        if not is_known(name):
            wrong_usage(f"this kernel has no sysctl {name} for a network namespace")
        settings[name] = value
    return settings


def _results(
    scenarios: Sequence[Runnable],
    wanted: list[int],
    printer: Printer,
    *,
    full: bool,
    sysctls: Mapping[str, str] | None = None,
    stop: Callable[[Result], bool] = lambda _: False,
) -> Iterator[Result]:
    """Run scenarios and yield their results in order, with progress lines. Exits with 3 if the lab cannot run."""
    from lab.author.runner import Runner, settle_garbage_collector
    from lab.host.errors import MachineError
    from lab.host.sysctls import ensure_accepted
    from lab.host.user_namespace import ensure_privileges

    if not scenarios:
        return
    try:
        ensure_privileges()
        ensure_accepted(sysctls or {})
        runner = Runner(full=full, sysctls=sysctls)
        settle_garbage_collector()
        if runner.untraced:
            print(f"note: {runner.untraced}; states come from inet_diag alone", file=sys.stderr, flush=True)
        yield from runner.run_all(scenarios, wanted, stop, printer.progress.show)
    except MachineError as missing:
        printer.progress.hide()
        cannot_run(missing.why, missing.remedy)
    finally:
        printer.progress.hide()


def _collect(found: Found, results: Iterable[Result], printer: Printer, *, full: bool, began: float) -> Run:
    """Collect results into a run, printing each; Ctrl-C ends it early. `began` is monotonic time in seconds."""
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


def whole_run(found: Found, scenarios: Sequence[Runnable], wanted: list[int], *, full: bool) -> Run:
    """A run for a command that needs all results together. Failures and errors go to standard error.

    Ctrl-C exits with 130.
    """
    from lab.cli.printer import Printer

    began = time.monotonic()
    printer = Printer(sys.stderr, quiet=True)
    printer.usage(found)
    made = _collect(found, _results(scenarios, wanted, printer, full=full), printer, full=full, began=began)
    if made.interrupted:
        leave(INTERRUPTED, at_once=True)
    return made


def is_whole(made: Run) -> bool:
    """Whether every scenario file was loaded and no scenario had an error."""
    from lab.record.results import Outcome

    return not made.broken and all(result.outcome is not Outcome.ERROR for result in made.results)


def exit_code(made: Run) -> int:
    """The exit code of a run."""
    from lab.record.results import Outcome

    if any(result.outcome is Outcome.FAIL for result in made.results):
        return DIFFERS
    return CANNOT_RUN if not is_whole(made) else USAGE if made.unknown else 0
