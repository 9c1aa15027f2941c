"""A run as one JSON object, and as one line."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from typing import Any

import lab
from lab.scenario.registry import Broken
from lab.scenario.runner import Outcome, Result
from lab.tcp.state import State


def environment(witnesses: Iterable[str]) -> dict[str, Any]:
    """What the verdicts depend on."""
    from importlib.metadata import version

    system = platform.uname()
    return {
        "kernel": system.release,
        "machine": system.machine,
        "system": system.system,
        "python": platform.python_version(),
        "scapy": version("scapy"),
        "pyroute2": version("pyroute2"),
        "witnesses": list(witnesses),
    }


def as_json(
    results: Iterable[Result], broken: Iterable[Broken], unknown: Iterable[str], seconds: float
) -> dict[str, Any]:
    """The whole run."""
    all_results = list(results)
    listed = [_scenario(result) for result in all_results]
    listed += [
        {
            "id": file.file.stem,
            "family": None,
            "outcome": "error",
            "checks": 0,
            "failed": 0,
            "seconds": 0.0,
            "message": file.why,
            "where": f"{file.file}:{file.line}",
        }
        for file in broken
    ]
    counts = Counter(each["outcome"] for each in listed)
    recordings = [result.recording for result in all_results if result.recording]
    states = {state for recording in recordings for state in recording.states}
    witnesses = sorted({name for recording in recordings for name in recording.witnesses})
    sysctls = recordings[0].sysctls if recordings else {}
    return {
        "version": lab.__version__,
        "environment": {**environment(witnesses), "sysctls": sysctls},
        "scenarios": listed,
        "states": [state.value for state in State if state in states],
        "summary": {
            **{outcome.value: counts[outcome.value] for outcome in Outcome},
            "checks": sum(each["checks"] for each in listed),
            "failed_checks": sum(each["failed"] for each in listed),
            "unknown_patterns": list(unknown),
            "seconds": round(seconds, 3),
        },
    }


def _scenario(result: Result) -> dict[str, Any]:
    described = {
        "id": result.scenario.id,
        "family": f"IPv{result.family}",
        "outcome": result.outcome.value,
        "checks": result.checks,
        "failed": result.failed,
        "seconds": round(result.seconds, 4),
    }
    if result.difference is not None:
        described["message"] = result.difference.difference.summary if result.difference.difference else ""
        if result.difference.where:
            described["where"] = f"{result.difference.where.file}:{result.difference.where.line}"
    if result.message:
        described["message"] = result.message
    if result.where:
        described["where"] = f"{result.where.file}:{result.where.line}"
    return described
