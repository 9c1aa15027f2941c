"""`lab run`, and the run of all scenarios that `lab claims` and `lab coverage` make if none is saved."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, INTERRUPTED, USAGE, cannot_run, leave, lent_streams, wrong_usage
from lab.cli.language import language, text
from lab.cli.messages import warn
from lab.cli.options import Full, IPv4, IPv6, NewFolder, Patterns, Plain, Settings, Unsaved, Verbose, families

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from lab.author.registry import Found, Runnable
    from lab.cli.printer import Printer
    from lab.record.results import Result, Run


OnlyDifferences = Annotated[bool, typer.Option("-q", "--quiet", help="Only what differs, and the summary.")]
ExitFirst = Annotated[bool, typer.Option("-x", "--exitfirst", help="Stop at the first difference.")]
Limit = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Time limit of each scenario that sets none (default: 120 s and more)."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 if a setting of --sysctl changes a result.")]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is standard output.")
]
JUnitFile = Annotated[
    str | None,
    typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML, for CI; - is standard output."),
]


def run(
    patterns: Patterns = None,
    *,
    quiet: OnlyDifferences = False,
    verbose: Verbose = False,
    stop: ExitFirst = False,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    full: Full = False,
    plain: Plain = False,
    sysctl: Settings = None,
    limit: Limit = None,
    strict: Strict = False,
    out: NewFolder = None,
    no_out: Unsaved = False,
    json_file: JsonFile = None,
    junit_file: JUnitFile = None,
) -> None:
    """Run scenarios against this machine's kernel: all of them, or those that a PATTERN selects."""
    from lab.author import registry
    from lab.cli.printer import FEW, Printer
    from lab.cli.saved_runs import Outputs
    from lab.record.results import Outcome
    from lab.report import verdicts  # noqa: F401  # places are relative to the working directory when it is loaded

    began = time.monotonic()
    # All paths before any file of a scenario is executed: it may change the working directory.
    outputs = Outputs(json_file, junit_file, out, is_saved=not no_out)
    workspace = _github_workspace()
    settings, wanted = _settings(sysctl or []), families(ipv4, ipv6)
    if limit is not None and not limit > 0:
        wrong_usage(f"--limit takes a number of seconds above 0, not {limit:g}")
    with lent_streams():
        found = registry.find(patterns or [])
    printer = Printer(
        sys.stderr if outputs.takes_stdout else sys.stdout,
        quiet=quiet or outputs.takes_stdout,
        verbose=verbose,
        plain=plain,
        ladders=verbose or len(found.scenarios) <= FEW,
        widest_name=max([len(each.id) for each in found.scenarios], default=0),
    )

    def is_last(result: Result) -> bool:
        return stop and result.outcome is Outcome.FAIL

    results = _results(found.scenarios, wanted, printer, full=full, sysctls=settings, limit=limit, stop=is_last)
    made, ended = _collect(found, results, wanted, printer, full=full, began=began)
    printer.end(found, made, interrupted=ended == INTERRUPTED)
    if workspace is not None:
        _annotate(made, workspace, printer)
    is_written = outputs.write(made, printer)
    code = exit_code(made, strict=strict) or ended or (0 if is_written else CANNOT_RUN)
    leave(ended if ended == INTERRUPTED else code, at_once=made.interrupted or any(map(is_last, made.results)))


def _github_workspace() -> Path | None:
    """The folder to which annotations of GitHub Actions are relative; None elsewhere."""
    in_github = os.environ.get("GITHUB_ACTIONS") == "true"
    return Path(os.environ.get("GITHUB_WORKSPACE", "")).absolute() if in_github else None


def _annotate(made: Run, workspace: Path, printer: Printer) -> None:
    """Print what differs as annotations of GitHub Actions, and add a table to the summary of its step."""
    from lab.report.ci import error_lines, step_summary

    printer.print_lines(*error_lines(made, workspace))
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(file).open("a", encoding="utf-8") as opened:
                opened.write(step_summary(made))
        except OSError as refused:
            warn(f"cannot write {file}: {refused.strerror}")


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
    limit: float | None = None,
    stop: Callable[[Result], bool] = lambda _: False,
) -> Generator[Result, None, None]:
    """Run scenarios and yield their results in order, with progress lines. MachineError if the lab cannot run.

    NotBegun at the end if scenarios have not begun because one is over its time limit.
    """
    from lab.author.runner import Runner, settle_garbage_collector
    from lab.host.sysctls import missing_here
    from lab.host.user_namespace import ensure_privileges
    from lab.report.i18n import translator

    if not scenarios:
        return
    try:
        ensure_privileges()
        if missing := missing_here(sysctls or {}):
            warn(f"note: {missing}, so every scenario is skipped")
        runner = Runner(full=full, sysctls=sysctls, limit=limit, missing=missing)
        settle_garbage_collector()
        if runner.untraced:
            warn(translator(language())("untraced", why=text(runner.untraced)))
        with lent_streams():
            yield from runner.run_all(scenarios, wanted, stop, printer.progress.show)
        if runner.not_begun:
            raise NotBegun(runner.not_begun)
    finally:
        printer.progress.hide()


class NotBegun(Exception):
    """So many scenario runs have not begun because another one is over its time limit."""


def _collect(
    found: Found,
    results: Generator[Result, None, None],
    wanted: list[int],
    printer: Printer,
    *,
    full: bool,
    began: float,
) -> tuple[Run, int]:
    """Collect results into a run, printing each. `began` is monotonic time in seconds.

    Returns an exit code too: 0, that of Ctrl-C, or 3 when the run ended early for another reason, which is printed. If
    there is no result at all it exits with 3.
    """
    from lab.author.environment import environment_of, new_run
    from lab.author.runner import families_of
    from lab.host.errors import MachineError
    from lab.report.i18n import translator

    made, code = new_run(full=full), CANNOT_RUN
    made.broken, made.unknown = found.broken, [each.pattern for each in found.unknown]
    last_family = {id(each): families_of(each, wanted)[-1] for each in found.scenarios}
    try:
        with closing(results):
            for result in results:
                made.results.append(result)
                printer.add(result, is_last=result.family == last_family[id(result.scenario)])
        code = 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except NotBegun as over:
        printer.print_lines(translator(language())("not_begun", count=over), "")
    except MachineError as missing:
        if not made.results:
            cannot_run(missing.why, missing.remedy)
        warn(f"the lab cannot go on here: {missing.why}")
        warn(missing.remedy)
    printer.flush()
    made.interrupted = code != 0
    made.environment = environment_of(made.results)
    made.seconds = time.monotonic() - began
    return made, code


def whole_run(found: Found, scenarios: Sequence[Runnable], wanted: list[int], *, full: bool) -> Run:
    """A run for a command that needs all results together. Failures and errors go to standard error.

    Ctrl-C exits with 130.
    """
    from lab.cli.printer import Printer

    began = time.monotonic()
    printer = Printer(sys.stderr, quiet=True)
    printer.found(found)
    results = _results(scenarios, wanted, printer, full=full)
    made, code = _collect(found, results, wanted, printer, full=full, began=began)
    if code:
        leave(code, at_once=True)
    return made


def is_whole(made: Run) -> bool:
    """Whether every scenario file was loaded, and every scenario has a verdict or does not apply here."""
    return not made.broken and all(result.outcome.has_verdict for result in made.results)


def exit_code(made: Run, *, strict: bool = False) -> int:
    """The exit code of a run; `strict`: a result that a setting has changed counts as a difference."""
    from lab.record.results import Outcome

    differing = {Outcome.FAIL, Outcome.CHANGED} if strict else {Outcome.FAIL}
    if any(result.outcome in differing for result in made.results):
        return DIFFERS
    return CANNOT_RUN if not is_whole(made) else USAGE if made.unknown else 0
