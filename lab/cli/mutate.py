"""`lab mutate`: a kernel that lies, once for every check; a check that does not notice is a defect of the check."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, USAGE, cannot_run, leave
from lab.cli.options import IPv6, Patterns
from lab.tcp.rules import RULES

if TYPE_CHECKING:
    from lab.author.registry import Runnable
    from lab.author.runner import Runner
    from lab.mutate.mutant import Spot
    from lab.mutate.survey import Tried


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
    tally = _Tally(stream, quiet=quiet)
    names = [each.id for each in found.scenarios]
    lacking = None
    try:
        ensure_privileges()
        reports, rules = _in_processes(names, patterns or [], 6 if ipv6 else 4, tally.tell)
    except MachineError as missing:
        lacking = missing.why, missing.remedy
    gc.collect()  # the pool, whose semaphores would outlive an exit at once
    if lacking is not None:
        cannot_run(*lacking)
    survivors = tally.survivors + _tell_rules_and_claims(tally, rules, _claims(reports), whole=not patterns)
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
        firsts: dict[str, tuple[str, Spot]] = {}
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
        "checks": [_as_json(tried) for tried in survey.attack(runner, scenario, surveyed.targets)],
        "shapes": surveyed.shapes,
        "seconds": time.monotonic() - began,
    }


def _attack_rules(job: tuple[str, Spot]) -> dict[str, str]:
    from lab.mutate import survey

    name, frame = job
    return survey.attack_rules(*_prepared(name), frame)


def _as_json(tried: Tried) -> dict[str, Any]:
    return {
        "check": tried.target.check.ordinal + 1,
        "line": tried.target.check.line,
        "subject": tried.target.check.subject,
        "claims": list(tried.target.claims),
        "killed_by": str(tried.killed_by) if tried.killed_by else None,
        "lies": len(tried.target.mutations),
    }


class _Tally:
    """Tells of each scenario as soon as it is done, and counts."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self.stream = stream
        self._quiet = quiet
        self.checks = self.killed = self._failed = 0

    @property
    def survivors(self) -> int:
        """How many survived, or could not be tried because their scenario does not pass."""
        return self.checks - self.killed + self._failed

    def tell(self, report: dict[str, Any]) -> None:
        """Each check with what killed it."""
        checks, head = report["checks"], f"{report['scenario']}  {report['family']}"
        self.checks += len(checks)
        self.killed += sum(bool(check["killed_by"]) for check in checks)
        shown = [check for check in checks if not (self._quiet and check["killed_by"])]
        if report["outcome"] != "pass":
            self._failed += report["outcome"] != "skip"
            print(f"{head}  not tried: {report['outcome']} {report['message']}", file=self.stream)
        elif shown:
            print(head, file=self.stream)
        for check in shown:
            place = f":{check['line']}" if check["line"] else ""
            told = check["killed_by"] or f"SURVIVED {check['lies']} lies"
            print(f"  {place:>5}  {check['subject'][:44]:<44}  {told}", file=self.stream)
        self.stream.flush()


def _tell_rules_and_claims(tally: _Tally, rules: dict[str, str], claims: dict[str, bool], *, whole: bool) -> int:
    """How many standing rules no lie broke, and of how many claims no lie changed the verdict."""
    unbroken = [name for name, lie in rules.items() if not lie]
    unchanged = [name for name, changes in claims.items() if not changes]
    counts = (
        f"{tally.checks} checks, {tally.killed} killed",
        f"{len(rules)} standing rules, {len(rules) - len(unbroken)} killed",
        f"{len(claims)} claims, {len(claims) - len(unchanged)} change their verdict",
    )
    print(f"\n{'; '.join(counts)}", file=tally.stream)
    if not whole:
        return len(unchanged)
    for name in unbroken:
        print(f"no lie broke the rule {name}", file=tally.stream)
    for name in unchanged:
        print(f"no lie changed the verdict on {name}", file=tally.stream)
    return len(unbroken) + len(unchanged)


def _claims(reports: list[dict[str, Any]]) -> dict[str, bool]:
    """Whether the verdict on each claim changes with a lie: whether a check of a step that names it was killed."""
    changes: dict[str, bool] = {}
    for each in reports:
        for check in each["checks"]:
            for claim in check["claims"]:
                changes[claim] = changes.get(claim, False) or bool(check["killed_by"])
    return changes
