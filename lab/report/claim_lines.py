"""The claims as text: article, RFC and this kernel side by side, what was measured, and where to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lab.claims.catalogue import Catalogue
from lab.report.claims import ClaimReport, Verdict
from lab.report.columns import behind, side_by_side
from lab.report.i18n import Words, words

_LABEL = 12
"""Columns for the labels below the three texts; six Chinese characters."""


def claim_lines(
    reports: Sequence[ClaimReport], catalogue: Catalogue, width: int = 80, language: str = "en"
) -> Iterator[str]:
    """Every report, under the headings of the topics; the slips of the pen behind a report of all claims."""
    topic = ""
    for report in reports:
        if report.claim.topic != topic:
            topic = report.claim.topic
            heading = catalogue.topics[topic].of(language)
            yield heading
            yield ""
        yield from _claim(report, width, language)
        yield ""
    if len(reports) == len(catalogue.claims):
        yield from _errata(catalogue, width, language)
        yield ""


def total_line(reports: Sequence[ClaimReport], kernel: str, language: str = "en") -> str:
    """How many there are of each verdict."""
    say = words(language)
    counts = Counter(report.verdict for report in reports)
    told = [f"{counts[verdict]} {say(f'verdict_{verdict.name}')}" for verdict in Verdict if counts[verdict]]
    return say("claims_total", count=len(reports), verdicts=say("comma").join(told), kernel=kernel)


def _claim(report: ClaimReport, width: int, language: str) -> Iterator[str]:
    say, claim = words(language), report.claim
    yield f"{claim.id}  {say(f'verdict_{report.verdict.name}')}  {say(f'kind_{claim.kind.name}')}"
    yield f"  {claim.section}"
    kernel = "claims_kernel" if report.verdict is Verdict.SHOWN else "claims_linux"
    yield from side_by_side([say("claims_article"), say("claims_document"), say(kernel)], width, indent=2)
    linux = claim.linux.of(language) if claim.linux else say("claims_as_documented")
    yield from side_by_side([claim.article.of(language), claim.document.of(language), linux], width, indent=2)
    for label, text in _rows(report, say, language):
        if text:
            yield from behind(label, text, width, indent=2, label_width=_LABEL)


def _rows(report: ClaimReport, say: Words, language: str) -> Iterator[tuple[str, str]]:
    """What stands below the three texts: a label and a text each, which may be empty."""
    claim = report.claim
    yield say("claims_measured"), report.measured
    for first in report.evidence[:1]:
        kind = "claims_step" if first.packet is None else "claims_packet"
        yield say(kind), say(f"{kind}_text", **first._asdict())
        others = dict.fromkeys(each.scenario for each in report.evidence if each.scenario != first.scenario)
        yield say("claims_others"), ", ".join(others)
    yield say("claims_depends"), ", ".join(claim.depends)
    for since in claim.since:
        yield say("claims_since", kernel=since.kernel), since.text.of(language)


def _errata(catalogue: Catalogue, width: int, language: str) -> Iterator[str]:
    yield words(language)("claims_errata")
    yield ""
    for each in catalogue.errata:
        yield from side_by_side([each.printed, each.meant, each.text.of(language)], width, indent=2)
