"""`lab run`: scenarios against this machine's kernel."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, INTERRUPTED, USAGE, leave, wrong_usage
from lab.cli.options import Full, IPv4, IPv6, NewFolder, Patterns, Plain, Settings, Unsaved, families

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.record.results import Result, Run


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
    from lab.author import registry
    from lab.cli.printer import Printer
    from lab.cli.running import carried_out, results_of
    from lab.cli.saved_runs import save, wanted_folder
    from lab.record.results import Outcome

    began = time.monotonic()
    found = registry.find(patterns or [])
    printer = Printer(sys.stderr if json_file == "-" else sys.stdout, quiet or json_file == "-", verbose, plain)
    settings = _settings(sysctl or [])
    folder = None if no_out else wanted_folder(out)

    def is_enough(result: Result) -> bool:
        return stop and result.outcome is Outcome.FAIL

    wanted = families(ipv4, ipv6)
    results = results_of(found.scenarios, wanted, printer, full=full, sysctls=settings, stop=is_enough)
    made = carried_out(found, results, printer, full=full, began=began)
    if made.interrupted:
        printer.interrupted(len(made.results))
    printer.usage(made)
    printer.summary(made)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        printer.annotations(made, Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()))
    _write(made, json_file, junit_file)
    is_kept = folder is None or save(made, folder, printer)
    code = INTERRUPTED if made.interrupted else _exit_code(made) or (0 if is_kept else CANNOT_RUN)
    leave(code, at_once=made.interrupted or any(is_enough(each) for each in made.results))


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
    from lab.record.results import Outcome

    outcomes = {each.outcome for each in made.results}
    if Outcome.FAIL in outcomes:
        return DIFFERS
    if Outcome.ERROR in outcomes or made.broken:
        return CANNOT_RUN
    return USAGE if made.unknown else 0


def _write(made: Run, json_file: str | None, junit_file: Path | None) -> None:
    """The files that were asked for beside the saved run."""
    from lab.cli.saved_runs import write, write_json
    from lab.report.ci import junit
    from lab.report.summary import as_json

    if json_file:
        write_json(json_file, as_json(made))
    if junit_file:
        write(junit_file, junit(made))
