"""What did not hold as annotations of GitHub Actions, which shows them beside the line of the scenario."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lab.record.results import Outcome, Result, Run
from lab.report.verdicts import told

_IN_A_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_A_PROPERTY = _IN_A_MESSAGE | str.maketrans({":": "%3A", ",": "%2C"})


def error_lines(run: Run, root: Path) -> Iterator[str]:
    """A line for each result that failed and each file that is broken; files are named from `root`, the checkout."""
    for result in run.results:
        if result.outcome in (Outcome.FAIL, Outcome.ERROR):
            where = result.difference.where if result.difference is not None else result.where
            file, line = (where.file, where.line) if where else (str(result.scenario.file), result.scenario.line)
            yield _error(root, file, line, f"{result.scenario.id} IPv{result.family}", _message(result))
    for broken in run.broken:
        yield _error(root, str(broken.file), broken.line, "this file cannot be loaded", broken.why)


def _message(result: Result) -> str:
    check = result.difference
    if check is None or result.recording is None:
        return result.message
    lines = [check.difference.summary if check.difference else "", told(result.recording, check)]
    if check.difference and check.difference.why:
        lines.append(check.difference.why)
    return "\n".join(filter(None, lines))


def _error(root: Path, file: str, line: int, title: str, message: str) -> str:
    relative = os.path.relpath(file, root)
    named = file if relative.startswith(os.pardir) else relative
    properties = {"file": named, "line": str(line), "title": title}
    told_as = ",".join(f"{name}={value.translate(_IN_A_PROPERTY)}" for name, value in properties.items())
    return f"::error {told_as}::{message.translate(_IN_A_MESSAGE)}"
