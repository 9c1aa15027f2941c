"""What the page shows before any scenario is opened: verdicts, the state diagram, the claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from lab.claims.catalogue import Catalogue
from lab.record.results import Outcome, Result, Run
from lab.report.claims import ClaimReport
from lab.report.coverage import Coverage, EdgeReport
from lab.report.evidence import Evidence
from lab.report.html.data import SIGNS, Details, link
from lab.report.html.diagram import EDGE_SIGNS, diagram, label, status
from lab.report.i18n import LANGUAGES, words
from lab.report.verdicts import place

Context = dict[str, Any]

_MOST_EVIDENCE = 4


def verdicts(run: Run, details: Details) -> Context:
    """The verdict on the run, what was different, and the list of its scenarios."""
    counts = Counter(result.outcome for result in run.results)
    counts[Outcome.ERROR] += len(run.broken)
    worst = next((each for each in (Outcome.FAIL, Outcome.ERROR) if counts[each]), Outcome.PASS)
    scenarios = [_scenario(list(results)) for _, results in groupby(run.results, lambda each: each.scenario.id)]
    wrong = [result for result in run.results if result.outcome in (Outcome.FAIL, Outcome.ERROR)]
    return {
        "signs": SIGNS,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome},
        "total": len(run.results) + len(run.broken),
        "verdict_class": worst.value,
        "checks": sum(result.checks for result in run.results),
        "packets": details.packets,
        "scenarios": scenarios,
        "files": [(file, list(listed)) for file, listed in groupby(scenarios, lambda each: each["file"])],
        "failures": [_failure(result) for result in wrong],
    }


def figure(found: Coverage) -> Context:
    """Figure 5, as a drawing and as a table."""
    seen = {each.state for each in found.states if each.kernel}
    counts = Counter(status(each) for each in found.edges)
    return {
        "edge_signs": EDGE_SIGNS,
        "edge_counts": {how: counts[how] for how in EDGE_SIGNS if counts[how]},
        "diagrams": {
            language: Markup(diagram(found.edges, seen, words(language), _edge_link))  # it escapes
            for language in LANGUAGES
        },
        "edges": [_edge(each) for each in found.edges],
    }


def claims(reports: Sequence[ClaimReport], catalogue: Catalogue) -> Context:
    """The claims by topic, each in the light of the run."""
    topics = []
    for topic, listed in groupby(reports, lambda each: each.claim.topic):
        told = [
            {"claim": each.claim, "verdict": each.verdict, "measured": each.measured, "links": _links(each)}
            for each in listed
        ]
        topics.append({"text": catalogue.topics[topic], "claims": told})
    return {
        "topics": topics,
        "errata": catalogue.errata,
        "claim_verdicts": Counter(each.verdict.name for each in reports),
        "claim_kinds": Counter(each.claim.kind.name for each in reports),
    }


def _scenario(results: Sequence[Result]) -> Context:
    described = results[0].scenario
    file, _, name = described.id.partition(".")
    return {
        "id": described.id,
        "file": file,
        "name": name,
        "title": described.title,
        "section": described.section,
        "outcomes": [each.outcome.value for each in results],
        "runs": [
            {"family": each.family, "outcome": each.outcome.value, "link": link(described.id, each.family)}
            for each in results
        ],
    }


def _failure(result: Result) -> Context:
    check, recording = result.difference, result.recording
    more = check.difference if check is not None else None
    rows = recording.rows(check) if check is not None and recording is not None else ()
    return {
        "id": result.scenario.id,
        "family": result.family,
        "outcome": result.outcome.value,
        "link": link(result.scenario.id, result.family) if recording is not None else "",
        "summary": result.summary,
        "source": result.at.source if result.at is not None else "",
        "where": place(result.at.file, result.at.line) if result.at is not None else "",
        "rows": [{"field": row.field, "expected": row.expected, "got": row.got} for row in rows if not row.agrees],
        "why": more.why if more is not None else "",
    }


def _links(report: ClaimReport) -> list[Context]:
    different: dict[tuple[str, int | None, str], Evidence] = {}  # one address family will do
    for each in report.evidence:
        different.setdefault((each.scenario, each.packet, each.step), each)
    return [
        {"href": link(each.scenario, each.family, each.packet), "name": _named(each), "text": each.text}
        for each in list(different.values())[:_MOST_EVIDENCE]
    ]


def _named(evidence: Evidence) -> str:
    packet = f", {evidence.packet}" if evidence.packet is not None else ""
    return f"{evidence.scenario} IPv{evidence.family}{packet}"


def _edge_link(report: EdgeReport) -> str:
    first = next(iter(report.kernel or report.peer), None)
    return link(first.scenario, first.family, first.packet) if first is not None else ""


def _edge(report: EdgeReport) -> Context:
    first = next(iter(report.kernel or report.peer), None)
    event, sends = label(report.edge)
    return {
        "source": report.edge.source.value,
        "target": report.edge.target.value,
        "label": f"{event} / {sends}" if sends else event,
        "status": status(report),
        "reason": report.reason,
        "link": _edge_link(report),
        "evidence": _named(first) if first is not None else "",
    }
