"""`lab run`: scenarios against this machine's kernel."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, INTERRUPTED, USAGE, cannot_run, leave, wrong_usage
from lab.cli.options import Full, IPv4, IPv6, NewFolder, Patterns, Plain, Settings, Unsaved, families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lab.cli.printer import Printer
    from lab.scenario.registry import Runnable
    from lab.scenario.result import Result, Run


def run(
    patterns: Patterns = None,
    *,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what differs, and the summary.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Also each standing rule and each frame's bytes.")
    ] = False,
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
    from lab.cli.printer import Printer
    from lab.cli.saving import save, wanted_folder
    from lab.scenario import registry
    from lab.scenario.environment import environment_of, new_run
    from lab.scenario.result import Outcome

    began = time.monotonic()
    found = registry.find(patterns or [])
    printer = Printer(sys.stderr if json_file == "-" else sys.stdout, quiet or json_file == "-", verbose, plain)
    made = new_run(full=full)
    settings = _settings(sysctl or [])
    folder = None if no_out else wanted_folder(out)

    def is_enough(result: Result) -> bool:
        return stop and result.outcome is Outcome.FAIL

    try:
        wanted = families(ipv4, ipv6)
        for result in results_of(found.scenarios, wanted, is_enough, printer, full=full, sysctls=settings):
            made.results.append(result)
            printer.result(result)
    except KeyboardInterrupt:
        made.interrupted = True
        printer.interrupted(len(made.results))
    made.broken, made.unknown = found.broken, found.unknown
    made.environment = environment_of(made.results)
    made.seconds = time.monotonic() - began
    printer.usage(made)
    printer.summary(made)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        printer.annotations(made, Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()))
    if json_file:
        _write_json(json_file, made)
    if junit_file:
        _write_junit(junit_file, made)
    is_kept = folder is None or save(made, folder, printer)
    code = INTERRUPTED if made.interrupted else _exit_code(made) or (0 if is_kept else CANNOT_RUN)
    leave(code, at_once=made.interrupted or any(is_enough(each) for each in made.results))


def results_of(
    scenarios: Sequence[Runnable],
    wanted: list[int],
    stop: Callable[[Result], bool],
    printer: Printer,
    *,
    full: bool,
    sysctls: Mapping[str, str] | None = None,
) -> Iterator[Result]:
    """Run these scenarios; the results in their order, and who waits meanwhile. Ends the command if there is no lab."""
    from lab.host.errors import MachineError
    from lab.scenario.doctor import ensure_privileges
    from lab.scenario.runner import Runner, settle_garbage_collector

    if not scenarios:
        return
    try:
        ensure_privileges()
        runner = Runner(full=full, sysctls=sysctls)
        settle_garbage_collector()
        printer.note(runner.untraced)
        yield from runner.run_all(scenarios, wanted, stop, printer.waits)
    except MachineError as missing:
        printer.clear()
        cannot_run(missing.why, missing.remedy)
    finally:
        printer.clear()


def _settings(given: Sequence[str]) -> dict[str, str]:
    """What was asked for; ends the command where that is no setting of a network namespace of this kernel."""
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


def _exit_code(made: Run) -> int:
    from lab.scenario.result import Outcome

    outcomes = {each.outcome for each in made.results}
    if Outcome.FAIL in outcomes:
        return DIFFERS
    if Outcome.ERROR in outcomes or made.broken:
        return CANNOT_RUN
    return USAGE if made.unknown else 0


def _write_json(file: str, made: Run) -> None:
    from lab.report.screen import json_text
    from lab.report.summary import as_json

    text = json_text(as_json(made))
    if file == "-":
        print(text)
    else:
        _write(Path(file), f"{text}\n".encode())


def _write_junit(file: Path, made: Run) -> None:
    from lab.report.junit import junit

    _write(file, junit(made))


def _write(file: Path, data: bytes) -> None:
    from lab.saved.folder import NotWritable, put

    try:
        put(file, [data])
    except NotWritable as why:
        wrong_usage(str(why))
