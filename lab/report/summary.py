"""A run as one JSON object, and as one line."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab.record.results import Outcome, Result, Run
from lab.tcp.state import State


def as_json(run: Run) -> dict[str, Any]:
    """The whole run."""
    unchecked = {"family": None, "outcome": "error", "checks": 0, "failed": 0, "seconds": 0.0}
    listed = [_scenario(result) for result in run.results]
    listed += [
        {"id": file.stem, **unchecked, "message": why, "where": f"{file}:{line}"} for file, line, why in run.broken
    ]
    counts = Counter(each["outcome"] for each in listed)
    return {
        "version": run.version,
        "environment": run.environment,
        "scenarios": listed,
        "states": [state.value for state in states_of(run)],
        "summary": {
            **{outcome.value: counts[outcome.value] for outcome in Outcome},
            "checks": sum(each["checks"] for each in listed),
            "failed_checks": sum(each["failed"] for each in listed),
            "unknown_patterns": run.unknown,
            "seconds": round(run.seconds, 3),
        },
    }


def summary_lines(run: Run) -> list[str]:
    """What became of a run, in a line or two."""
    outcomes = Counter(result.outcome for result in run.results)
    outcomes[Outcome.ERROR] += len(run.broken)
    words = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.ERROR: "errors", Outcome.SKIP: "skipped"}
    told = ", ".join(
        f"{outcomes[each]} {word}" for each, word in words.items() if outcomes[each] or each is Outcome.PASS
    )
    checks = sum(result.checks for result in run.results)
    lines = [f"{told}; {checks} checks in {run.seconds:.2f} s on Linux {run.environment['kernel']}"]
    states = states_of(run)
    if states:
        lines.append(f"states seen ({len(states)} of {len(State)}): {', '.join(state.value for state in states)}")
    return lines


def states_of(run: Run) -> list[State]:
    """The states that the kernel was seen in, in the order of the diagram."""
    seen = set().union(*(result.states for result in run.results))
    return [state for state in State if state in seen]


def _scenario(result: Result) -> dict[str, Any]:
    described = {
        "id": result.scenario.id,
        "family": f"IPv{result.family}",
        "outcome": result.outcome.value,
        "checks": result.checks,
        "failed": result.failed,
        "seconds": round(result.seconds, 4),
    }
    if result.summary:
        described["message"] = result.summary
    if result.at:
        described["where"] = f"{result.at.file}:{result.at.line}"
    return described
