"""The claims of several runs as one Markdown table: what each kernel did, and which of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_MARKS = {"shown": "shown", "differs": "**differs**", "not run": "not run"}


def as_markdown(claims: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """`claims`: for each kernel what `lab claims --json` printed. Kernels in the order given, oldest first."""
    kernels = list(claims)
    by_id: dict[str, dict[str, Mapping[str, Any]]] = {}
    for kernel, listed in claims.items():
        for claim in listed:
            by_id.setdefault(str(claim["id"]), {})[kernel] = claim
    differing = {name: row for name, row in by_id.items() if _differs(row, kernels)}
    lines = [
        "# The article's claims under several kernels",
        "",
        f"Made by `scripts/kernel-matrix` on {datetime.now(UTC):%Y-%m-%d} with Debian's kernels {', '.join(kernels)}.",
        "",
        f"{len(by_id) - len(differing)} of {len(by_id)} claims have the same verdict under all of them.",
        "",
        "## Where they differ",
        "",
        *_table(differing, kernels),
        "",
        "## All claims",
        "",
        *_table(by_id, kernels),
        "",
    ]
    return "\n".join(lines)


def _table(rows: Mapping[str, Mapping[str, Mapping[str, Any]]], kernels: list[str]) -> list[str]:
    if not rows:
        return ["None."]
    head = ["claim", "kind", *(kernel.removesuffix("-cloud-amd64") for kernel in kernels)]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, row in rows.items():
        kind = next(iter(row.values())).get("kind", "")
        cells = [_cell(row.get(kernel)) for kernel in kernels]
        lines.append(f"| {' | '.join([name, str(kind), *cells])} |")
    return lines


def _cell(claim: Mapping[str, Any] | None) -> str:
    return "" if claim is None else _MARKS.get(str(claim["verdict"]), str(claim["verdict"]))


def _differs(row: Mapping[str, Mapping[str, Any]], kernels: list[str]) -> bool:
    return len({_cell(row.get(kernel)) for kernel in kernels}) > 1
