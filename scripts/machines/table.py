"""The claims of several runs as Markdown tables: what each kernel did, what has changed, and since when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

Json = Mapping[str, Any]

_MARKS = {"shown": "shown", "differs": "**differs**", "not run": "not run"}
_NUMBERS = re.compile(r"\d[\d.]*(, \d[\d.]*)*")


class OfKernel(NamedTuple):
    """What came back from one kernel."""

    claims: Sequence[Json]
    """As `lab claims --json` prints them."""
    results: Sequence[Json]
    """The `scenarios` of `lab show --json`."""
    when: str = ""
    """The day, in ISO 8601."""


def as_markdown(runs: Mapping[str, OfKernel]) -> str:
    """The page; kernels in the order given, oldest first."""
    kernels = list(runs)
    by_id: dict[str, dict[str, Json]] = {}
    for kernel, run in runs.items():
        for claim in run.claims:
            by_id.setdefault(str(claim["id"]), {})[kernel] = claim
    differing = {name: row for name, row in by_id.items() if len({_verdict(row.get(each)) for each in kernels}) > 1}
    changed = {name: row for name, row in by_id.items() if _has_changed(row)}
    lines = [
        "# The article's claims under several kernels",
        "",
        f"Made by `scripts/kernel-matrix` with Debian's kernels {', '.join(_told(runs))}.",
        "",
        f"{len(by_id) - len(differing)} of {len(by_id)} claims have the same verdict under all of them.",
        "",
        *(["## Where verdicts differ", "", *_verdicts(differing, kernels), ""] if differing else []),
        "## What has changed, and since when",
        "",
        "What was measured differs here in words, or the catalogue knows of a change; `?`: it knows of none.",
        "Times and counts also vary with the machine: the guests are emulated, and slow.",
        "",
        *_changes(changed, kernels),
        "",
        "## What did not pass, and why",
        "",
        *_not_passed(runs),
        "",
        "## All claims",
        "",
        *_verdicts(by_id, kernels),
        "",
    ]
    return "\n".join(lines)


def _told(runs: Mapping[str, OfKernel]) -> Iterator[str]:
    for kernel, run in runs.items():
        yield f"{kernel} ({run.when})" if run.when else kernel


def _verdicts(rows: Mapping[str, Mapping[str, Json]], kernels: Sequence[str]) -> Iterator[str]:
    yield from _head("claim", "kind", *map(_short, kernels))
    for name, row in rows.items():
        yield _line(name, next(iter(row.values()))["kind"], *(_verdict(row.get(each)) for each in kernels))


def _changes(rows: Mapping[str, Mapping[str, Json]], kernels: Sequence[str]) -> Iterator[str]:
    yield from _head("claim", "since", *map(_short, kernels))
    for name, row in rows.items():
        since = [f"**{each['kernel']}** {_cell(each['text'])}" for each in next(iter(row.values()))["since"]]
        told = [_cell(_found(row[each])) if each in row else "" for each in kernels]
        cells = ["as before" if text and text == before else text for before, text in pairwise(["", *told])]
        yield _line(name, "<br>".join(since) or "?", *cells)


def _not_passed(runs: Mapping[str, OfKernel]) -> Iterator[str]:
    """A line a scenario and reason, with the kernels and address families that it is about."""
    found: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for kernel, run in runs.items():
        for result in run.results:
            if result["outcome"] != "pass":
                key = result["id"], result["outcome"], result.get("message", "")
                found.setdefault(key, {}).setdefault(_short(kernel), []).append(result["family"] or "")
    if not found:
        yield "Everything passed under all of them."
        return
    yield from _head("scenario", "outcome", "why", "kernels")
    for (scenario, outcome, why), where in sorted(found.items()):
        told = (f"{kernel} ({', '.join(families)})" for kernel, families in where.items())
        yield _line(f"`{scenario}`", outcome, _cell(why), ", ".join(told))


def _has_changed(row: Mapping[str, Json]) -> bool:
    """Kernels say it in other words; in other numbers is enough where the catalogue knows of a change."""
    shown = [claim for claim in row.values() if claim["verdict"] == "shown"]
    known = any(claim["since"] for claim in shown)
    return len({_found(claim) if known else _NUMBERS.sub("N", _found(claim)) for claim in shown}) > 1


def _found(claim: Json) -> str:
    """What was concluded, or else measured."""
    return str(claim.get("conclusion") or claim["measured"])


def _verdict(claim: Json | None) -> str:
    return "" if claim is None else _MARKS.get(str(claim["verdict"]), str(claim["verdict"]))


def _short(kernel: str) -> str:
    return kernel.removesuffix("-cloud-amd64")


def _head(*cells: str) -> Iterator[str]:
    yield _line(*cells)
    yield f"|{'---|' * len(cells)}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """What a kernel or a catalogue has said, with nothing in it that Markdown obeys."""
    return escape(text, quote=False).replace("|", chr(92) + "|").replace("\n", "<br>")
