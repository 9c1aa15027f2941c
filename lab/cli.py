"""The `lab` command: the only place that prints and exits.

Exit codes: 0 the kernel did as documented, 1 it did not, 2 wrong usage, 3 the lab could not run.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

import lab

if TYPE_CHECKING:
    from lab.scenario.registry import Found
    from lab.scenario.runner import Result

DIFFERS, USAGE, CANNOT_RUN, INTERRUPTED, READER_GONE = 1, 2, 3, 130, 141

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # drawing help with rich takes longer than everything else in it
    pretty_exceptions_enable=False,
    help="Open and close real TCP connections with the Linux kernel, and check every segment and every state.",
)
Patterns = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATTERN]...", help="Part of a scenario's id, a glob, a scenario file or a folder."),
]


def main() -> None:
    """The entry point."""
    gc.disable()  # nothing that is imported becomes garbage; `run` switches the collector on when all of it is there
    app(prog_name="lab")


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Open and close real TCP connections with the Linux kernel, and check every segment and every state."""
    if show:
        print(lab.__version__)
        raise typer.Exit


@app.command()
def run(
    patterns: Patterns = None,
    *,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what differs, and the summary.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Also each standing rule and each frame's bytes.")
    ] = False,
    stop: Annotated[bool, typer.Option("-x", "--exitfirst", help="Stop at the first difference.")] = False,
    ipv4: Annotated[bool, typer.Option("-4", help="IPv4 only.")] = False,
    ipv6: Annotated[bool, typer.Option("-6", help="IPv6 only.")] = False,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is standard output.")
    ] = None,
) -> None:
    """Run scenarios against this machine's kernel: all of them, or those that match a pattern."""
    from lab.host.errors import MachineError
    from lab.scenario import registry
    from lab.scenario.doctor import ensure_privileges
    from lab.scenario.runner import Outcome, Runner, settle_garbage_collector

    began = time.monotonic()
    found = registry.find(patterns or [])
    families = [family for family, only in ((4, ipv4), (6, ipv6)) if only or ipv4 == ipv6]
    printer = _Printer(sys.stderr if json_file == "-" else sys.stdout, quiet or json_file == "-", verbose)
    results: list[Result] = []
    finished = False
    try:
        if found.scenarios:
            ensure_privileges()
            runner = Runner()
            settle_garbage_collector()
            printer.note(runner.untraced)
            for result in runner.run_all(found.scenarios, families, lambda each: stop and each.outcome is Outcome.FAIL):
                results.append(result)
                printer.result(result)
            finished = not (stop and any(each.outcome is Outcome.FAIL for each in results))
    except MachineError as missing:
        _cannot_run(missing.why, missing.remedy)
    except KeyboardInterrupt:
        printer.interrupted(len(results))
    printer.usage(found)
    seconds = time.monotonic() - began
    printer.summary(results, found, seconds)
    if json_file:
        _write_json(json_file, results, found, seconds)
    code = INTERRUPTED if printer.was_interrupted else _exit_code(results, found)
    _leave(code, at_once=not finished)


@app.command(name="list")
def list_scenarios(
    patterns: Patterns = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the scenarios, and what each of them shows."""
    from lab.scenario import registry

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
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        wide = max([len(each.id) for each in found.scenarios], default=0)
        for each in found.scenarios:
            print(f"{each.id:<{wide}}  {each.title}")
    _Printer(sys.stderr, False, False).usage(found)
    _leave(_exit_code([], found))


@app.command()
def doctor() -> None:
    """Say whether everything is here that the lab needs, and how to get what is missing."""
    from lab.scenario.doctor import examine

    findings = examine()
    for each in findings:
        verdict = "ok" if each.fine else "MISSING" if each.needed else "absent"
        print(f"{verdict:<8} {each.name:<12} {each.detail}")
        if not each.fine:
            print(f"{'':<21} {each.remedy}")
    missing = any(each.needed and not each.fine for each in findings)
    print("The lab cannot run here." if missing else "The lab can run here.")
    _leave(CANNOT_RUN if missing else 0)


class _Printer:
    """Prints results as they come."""

    def __init__(self, stream, quiet: bool, verbose: bool) -> None:  # type: ignore[no-untyped-def]  # any text stream
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose
        self._width = max(80, shutil.get_terminal_size((100, 24)).columns)
        self._colours = stream.isatty() and not os.environ.get("NO_COLOR")
        self.was_interrupted = False

    def note(self, text: str) -> None:
        """Something to know about this run."""
        if text:
            self._say(f"note: {text}; states come from inet_diag alone", err=True)

    def result(self, result: Result) -> None:
        """One scenario."""
        from lab.report.verdicts import result_lines
        from lab.scenario.runner import Outcome

        if self._quiet and result.outcome in (Outcome.PASS, Outcome.SKIP):
            return
        head, *lines = result_lines(result, self._width, brief=self._quiet, verbose=self._verbose)
        word, _, rest = head.partition(" ")
        self._say(f"{self._paint(word, result.outcome)} {rest}")
        for line in lines:
            self._say(line)
        self._say("")

    def usage(self, found: Found) -> None:
        """What the command line asked for and could not have."""
        from lab.report.verdicts import place

        for broken in found.broken:
            self._say(f"ERROR {place(str(broken.file), broken.line)}: {broken.why}")
        for pattern in found.unknown:
            self._say(f"no scenario matches {pattern!r}; `lab list` shows them all")

    def interrupted(self, count: int) -> None:
        """Ctrl-C."""
        self.was_interrupted = True
        self._say(f"\ninterrupted; {count} finished before that")

    def summary(self, results: list[Result], found: Found, seconds: float) -> None:
        """The last line."""
        from lab.report.summary import as_json

        if not results and not found.broken:
            return
        totals = as_json(results, found.broken, found.unknown, seconds)
        counts = totals["summary"]
        words = ("passed", "pass"), ("failed", "fail"), ("errors", "error"), ("skipped", "skip")
        told = ", ".join(f"{counts[key]} {word}" for word, key in words if counts[key] or key == "pass")
        self._say(f"{told}; {counts['checks']} checks in {seconds:.2f} s on Linux {totals['environment']['kernel']}")
        if totals["states"]:
            self._say(f"states seen ({len(totals['states'])} of 11): {', '.join(totals['states'])}")

    def _paint(self, word: str, outcome: object) -> str:
        from lab.scenario.runner import Outcome

        colour = {Outcome.PASS: 32, Outcome.FAIL: 31, Outcome.ERROR: 35, Outcome.SKIP: 33}[outcome]  # type: ignore[index]
        return f"\033[1;{colour}m{word}\033[0m" if self._colours else word

    def _say(self, text: str, err: bool = False) -> None:
        try:
            print(text, file=sys.stderr if err else self._stream, flush=True)
        except BrokenPipeError:  # the reader has seen enough: do not wait for scenarios still running
            os._exit(READER_GONE)


def _exit_code(results: list[Result], found: Found) -> int:
    from lab.scenario.runner import Outcome

    outcomes = {each.outcome for each in results}
    if Outcome.FAIL in outcomes:
        return DIFFERS
    if Outcome.ERROR in outcomes or found.broken:
        return CANNOT_RUN
    return USAGE if found.unknown else 0


def _write_json(file: str, results: list[Result], found: Found, seconds: float) -> None:
    from lab.report.summary import as_json

    text = json.dumps(as_json(results, found.broken, found.unknown, seconds), indent=2, ensure_ascii=False)
    if file == "-":
        print(text)
        return
    try:
        Path(file).write_text(text + "\n")
    except OSError as refused:
        print(f"cannot write {file}: {refused.strerror}", file=sys.stderr)
        _leave(USAGE, at_once=True)


def _cannot_run(why: str, remedy: str) -> NoReturn:
    print(f"the lab cannot run here: {why}\n{remedy}", file=sys.stderr)
    _leave(CANNOT_RUN, at_once=True)


def _leave(code: int, at_once: bool = False) -> NoReturn:
    """Exit. `at_once` does not wait for scenarios still running: all they hold are descriptors, which end with us."""
    sys.stdout.flush()
    sys.stderr.flush()
    if at_once:
        os._exit(code)
    raise typer.Exit(code)
