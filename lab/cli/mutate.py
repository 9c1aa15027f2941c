"""`lab mutate`: alters one reading of the kernel at a time (a mutation). Each check must catch a mutation."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, INTERRUPTED, USAGE, cannot_run, leave
from lab.cli.options import IPv6, Patterns
from lab.tcp.rules import RULES

if TYPE_CHECKING:
    from lab.author.registry import Runnable
    from lab.author.runner import Runner
    from lab.mutate.mutant import Position

_PER_CPU = 3
"""Processes for each CPU: they mostly wait for segments that a mutation suppresses."""


def mutate(
    patterns: Patterns = None,
    *,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the survivors, and the totals.")] = False,
    ipv6: IPv6 = False,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON; - is standard output.")
    ] = None,
) -> None:
    """Show which altered packet or value each check catches. Exit code 1 when a check catches none.

    3 when a scenario could not be tried.
    """
    from lab.author import registry
    from lab.cli.printer import Printer
    from lab.cli.saved_runs import output, write_json
    from lab.host.errors import MachineError
    from lab.host.user_namespace import ensure_privileges
    from lab.record.results import Outcome

    began = time.monotonic()
    json_path = output(json_file)
    found = registry.find(patterns or [])
    if found.unknown or found.broken:
        Printer(sys.stderr).found(found)
        leave(CANNOT_RUN if found.broken else USAGE)
    stream = sys.stderr if json_file == "-" else sys.stdout
    try:
        ensure_privileges()
        on_report = partial(_print_report, stream, quiet=quiet)
        reports, rules = _in_processes(found.scenarios, 6 if ipv6 else 4, on_report)
    except MachineError as error:
        cannot_run(error.why, error.remedy)
    except KeyboardInterrupt:
        leave(INTERRUPTED, at_once=True)
    survivors = _print_summary(stream, reports, rules, whole=not patterns)
    print(f"in {time.monotonic() - began:.0f} s", file=stream)
    is_written = not json_file or write_json(json_path, {"scenarios": reports, "rules": rules}, indent=1)
    tried = all(Outcome(report["outcome"]).has_verdict for report in reports)
    leave(DIFFERS if survivors else 0 if is_written and tried else CANNOT_RUN)


def _in_processes(
    scenarios: list[Runnable], family: int, on_report: Callable[[dict[str, Any]], None]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Attack the scenarios in several processes: threads of one process share one CPU.

    Calls `on_report` with the report of each scenario as soon as it is ready. Returns all reports in the order of
    the scenarios, and for each standing rule the mutation that broke it, "" if none did.
    """
    from lab.wire import crafting

    crafting.load_scapy()  # once, not in each process
    names = [each.id for each in scenarios]
    # Semaphores of forked processes have no name in /dev/shm that could outlive them.
    context = multiprocessing.get_context("fork")
    given = os.getpid(), scenarios, family
    with context.Pool(_PER_CPU * (os.cpu_count() or 1), _initialize_worker, given) as pool:
        reports = []
        for report in pool.imap_unordered(_attack, names):
            reports.append(report)
            on_report(report)
        reports.sort(key=lambda each: names.index(each["scenario"]))
        firsts: dict[str, tuple[str, Position]] = {}
        for each in reports:
            for shape, frame in each.pop("shapes").items():
                firsts.setdefault(shape, (each["scenario"], frame))
        broken: dict[str, str] = {}
        for found in pool.imap_unordered(_attack_rules, firsts.values()):
            broken = {**found, **broken}
            if len(broken) == len(RULES):
                break
    return reports, {rule.id: broken.get(rule.id, "") for rule in RULES}


_worker: dict[str, Any] = {}


def _initialize_worker(parent: int, scenarios: list[Runnable], family: int) -> None:
    from lab.host.syscalls import end_with_parent

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all: the parent ends the others
    end_with_parent(signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        os._exit(CANNOT_RUN)
    _worker["scenarios"] = {each.id: each for each in scenarios}
    _worker["family"] = family


def _prepared(name: str) -> tuple[Runner, Runnable, int]:
    """The runner, the scenario, and its address family: the requested one, or else the first that it has."""
    from lab.author.runner import Runner, settle_garbage_collector

    if "runner" not in _worker:
        _worker["runner"] = Runner()
        settle_garbage_collector()
    scenario, family = _worker["scenarios"][name], _worker["family"]
    return _worker["runner"], scenario, family if family in scenario.families else scenario.families[0]


def _attack(name: str) -> dict[str, Any]:
    from lab.mutate import survey

    runner, scenario, family = _prepared(name)
    began = time.monotonic()
    surveyed = survey.survey(runner, scenario, family)
    return {
        "scenario": name,
        "family": f"IPv{family}",
        "outcome": surveyed.result.outcome.value,
        "message": surveyed.result.message,
        "checks": [
            {
                "check": target.check.ordinal + 1,
                "line": target.check.line,
                "subject": target.check.subject,
                "claims": list(target.claims),
                "killed_by": str(killed_by) if killed_by else None,
                "lies": len(target.mutations),
            }
            for target, killed_by in survey.attack(runner, scenario, surveyed.targets)
        ],
        "shapes": surveyed.shapes,
        "seconds": time.monotonic() - began,
    }


def _attack_rules(job: tuple[str, Position]) -> dict[str, str]:
    from lab.mutate import survey

    name, frame = job
    return survey.attack_rules(*_prepared(name), frame)


def _print_report(stream: TextIO, report: dict[str, Any], *, quiet: bool) -> None:
    """Print each check of a scenario with the mutation that it caught. If it caught none: how many were tried."""
    head = f"{report['scenario']}  {report['family']}"
    shown = [check for check in report["checks"] if not (quiet and check["killed_by"])]
    if report["outcome"] != "pass":
        print(f"{head}  not tried: {report['outcome']} {report['message']}", file=stream)
    elif shown:
        print(head, file=stream)
    for check in shown:
        place = f":{check['line']}" if check["line"] else ""
        killed_by = check["killed_by"] or f"SURVIVED {check['lies']} mutations"
        print(f"  {place:>5}  {check['subject'][:44]:<44}  {killed_by}", file=stream)
    stream.flush()


def _print_summary(stream: TextIO, reports: list[dict[str, Any]], rules: dict[str, str], *, whole: bool) -> int:
    """Print totals. Returns the number of survivors: what no mutation changed.

    These are checks, claims, scenarios that failed without a mutation, and in a whole run standing rules.
    """
    checks = [check for report in reports for check in report["checks"]]
    survived = [check for check in checks if not check["killed_by"]]
    failed = [report for report in reports if report["outcome"] == "fail"]
    unbroken = [name for name, mutation in rules.items() if not mutation]
    # A claim's verdict changes if a check fails in a step that names the claim.
    claims = dict.fromkeys(claim for check in checks for claim in check["claims"])
    changed = {claim for check in checks if check["killed_by"] for claim in check["claims"]}
    unchanged = [claim for claim in claims if claim not in changed]
    counts = (
        f"{len(checks)} checks, {len(checks) - len(survived)} caught a mutation",
        f"{len(rules)} standing rules, {len(rules) - len(unbroken)} broken by a mutation",
        f"{len(claims)} claims, {len(changed)} change their verdict",
    )
    print(f"\n{'; '.join(counts)}", file=stream)
    survivors = len(survived) + len(failed) + len(unchanged)
    if not whole:
        return survivors
    for name in unbroken:
        print(f"no mutation broke the rule {name}", file=stream)
    for name in unchanged:
        print(f"no mutation changed the verdict on {name}", file=stream)
    return survivors + len(unbroken)
