"""`lab mutate`: a kernel that lies, once for every check; a check that does not notice is a defect of the check."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, USAGE, cannot_run, leave
from lab.cli.options import IPv6, Patterns
from lab.tcp.rules import RULES

if TYPE_CHECKING:
    from lab.author.registry import Runnable
    from lab.author.runner import Runner
    from lab.mutate.mutant import Position

_PER_CPU = 3
"""Processes: much of their time goes by while a scenario waits for what the kernel is made not to say."""


def mutate(
    patterns: Patterns = None,
    *,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what survives, and the figures.")] = False,
    ipv6: IPv6 = False,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON; - is standard output.")
    ] = None,
) -> None:
    """Show for every check which lie of the kernel turns it red; exit code 1 when one survives them all."""
    from lab.author import registry
    from lab.cli.printer import Printer
    from lab.cli.saved_runs import write_json
    from lab.host.errors import MachineError
    from lab.host.user_namespace import ensure_privileges

    began = time.monotonic()
    found = registry.find(patterns or [])
    if found.unknown or found.broken:
        Printer(sys.stderr).usage(found)
        leave(CANNOT_RUN if found.broken else USAGE)
    stream = sys.stderr if json_file == "-" else sys.stdout
    names = [each.id for each in found.scenarios]
    lacking = None
    try:
        ensure_privileges()
        tell = partial(_tell, stream, quiet=quiet)
        reports, rules = _in_processes(names, patterns or [], 6 if ipv6 else 4, tell)
    except MachineError as missing:
        lacking = missing.why, missing.remedy
    gc.collect()  # the pool, whose semaphores would outlive an exit at once
    if lacking is not None:
        cannot_run(*lacking)
    survivors = _tell_all(stream, reports, rules, whole=not patterns)
    print(f"in {time.monotonic() - began:.0f} s", file=stream)
    if json_file:
        write_json(json_file, {"scenarios": reports, "rules": rules}, indent=1)
    leave(DIFFERS if survivors else 0)


def _in_processes(
    names: list[str], patterns: list[str], family: int, tell: Callable[[dict[str, Any]], None]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What each scenario's checks noticed, and what broke the rules; processes, as threads would take turns."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(_PER_CPU * (os.cpu_count() or 1), _begin, (patterns, family)) as pool:
        reports = []
        for report in pool.imap_unordered(_attack, names):
            reports.append(report)
            tell(report)
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


def _begin(patterns: list[str], family: int) -> None:
    from lab.author import registry
    from lab.author.runner import Runner, settle_garbage_collector

    _worker["scenarios"] = {each.id: each for each in registry.find(patterns).scenarios}
    _worker["family"] = family
    _worker["runner"] = Runner()
    settle_garbage_collector()


def _prepared(name: str) -> tuple[Runner, Runnable, int]:
    """What runs a scenario, the scenario, and the address family: its first where it has not the one asked for."""
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


def _tell(stream: TextIO, report: dict[str, Any], *, quiet: bool) -> None:
    """Each check of a scenario with what killed it."""
    head = f"{report['scenario']}  {report['family']}"
    shown = [check for check in report["checks"] if not (quiet and check["killed_by"])]
    if report["outcome"] != "pass":
        print(f"{head}  not tried: {report['outcome']} {report['message']}", file=stream)
    elif shown:
        print(head, file=stream)
    for check in shown:
        place = f":{check['line']}" if check["line"] else ""
        told = check["killed_by"] or f"SURVIVED {check['lies']} lies"
        print(f"  {place:>5}  {check['subject'][:44]:<44}  {told}", file=stream)
    stream.flush()


def _tell_all(stream: TextIO, reports: list[dict[str, Any]], rules: dict[str, str], *, whole: bool) -> int:
    """Print the figures. How many survived: checks, scenarios that do not pass, claims; of a whole run rules, too."""
    checks = [check for report in reports for check in report["checks"]]
    survived = [check for check in checks if not check["killed_by"]]
    failed = [report for report in reports if report["outcome"] not in ("pass", "skip")]
    unbroken = [name for name, lie in rules.items() if not lie]
    # A verdict on a claim changes where a check of a step that names it was killed.
    claims = dict.fromkeys(claim for check in checks for claim in check["claims"])
    changed = {claim for check in checks if check["killed_by"] for claim in check["claims"]}
    unchanged = [claim for claim in claims if claim not in changed]
    counts = (
        f"{len(checks)} checks, {len(checks) - len(survived)} killed",
        f"{len(rules)} standing rules, {len(rules) - len(unbroken)} killed",
        f"{len(claims)} claims, {len(changed)} change their verdict",
    )
    print(f"\n{'; '.join(counts)}", file=stream)
    survivors = len(survived) + len(failed) + len(unchanged)
    if not whole:
        return survivors
    for name in unbroken:
        print(f"no lie broke the rule {name}", file=stream)
    for name in unchanged:
        print(f"no lie changed the verdict on {name}", file=stream)
    return survivors + len(unbroken)
