"""Verdicts of a run on the claims of the catalogue, with measured values and packets as evidence.

A step confirms the claims that it names if it was completed and all its checks passed. It ends where the next step
begins, or with the scenario.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

from lab.claims.catalogue import Catalogue, Claim, Kind
from lab.claims.verdict import Verdict
from lab.record.events import CheckKind, CheckMade, Concluded, FrameSeen, Measured, Recording, StepBegun
from lab.record.expectation import Row
from lab.record.results import Outcome, Result, Run
from lab.report.evidence import Evidence, packet_text, segment_with_flags
from lab.report.i18n import Translator, translator
from lab.report.screen import indented, labelled, side_by_side
from lab.report.verdicts import check_text

_MOST_VALUES, _MOST_SEGMENTS = 3, 2
"""Maximum number of values and of segments of a step that are listed as measured, if its scenario records no value."""

_LONGEST_VALUE = 40
"""In characters; longer values, such as data, are cut."""

_LEAST_IN_COLUMNS = 80
"""Width from which the three texts of a claim stand side by side."""
_LABEL = 12
"""Width of the labels below the three texts, in columns: six Chinese characters."""


class ClaimReport(NamedTuple):
    """Verdict of a run on one claim of the catalogue."""

    claim: Claim
    verdict: Verdict
    measured: str = ""
    conclusion: str = ""
    """What the scenarios conclude in words."""
    evidence: tuple[Evidence, ...] = ()
    """The step with the fewest claims comes first; among equals, one that has a segment of the kernel."""


def claim_reports(run: Run, catalogue: Catalogue, language: str = "en") -> list[ClaimReport]:
    """A report for each claim, in the order of the catalogue; its values and steps are in this language."""
    steps: dict[str, list[_Step]] = {}
    for result in run.results:
        for step in _steps(result, translator(language, result.scenario.translations)):
            for claim in step.begun.claims:
                steps.setdefault(claim, []).append(step)
    return [_report(claim, steps.get(claim.id, [])) for claim in catalogue.claims.values()]


def as_json(reports: Sequence[ClaimReport]) -> list[dict[str, Any]]:
    """The reports as JSON values."""
    return [
        {
            "id": report.claim.id,
            "kind": report.claim.kind.value,
            "verdict": report.verdict.value,
            "measured": report.measured,
            "conclusion": report.conclusion,
            "since": [{"kernel": each.kernel, "text": each.text.en} for each in report.claim.since],
            "evidence": [each.as_json() for each in report.evidence],
        }
        for report in reports
    ]


@dataclass(slots=True)
class _Step:
    """A step of a run scenario, with its checks."""

    result: Result
    recording: Recording
    begun: StepBegun
    translate: Translator
    ended: bool = False
    checks: list[CheckMade] = field(default_factory=list)
    last_frame: int | None = None
    """Index of the peer's last segment in it: the evidence for a check of silence, which has no frame."""

    @property
    def failed(self) -> list[CheckMade]:
        """Checks that failed."""
        return [check for check in self.checks if not check.passed]

    def evidence(self) -> Evidence:
        """The most informative check of the step, with its packet."""
        # Among equal ranks, the last check of a step is the one that it is about.
        check = next(iter(self.failed), None) or min(reversed(self.checks), key=_evidence_rank)
        at = check.frame if check.frame is not None or not check.passed else self.last_frame
        seen = self.recording.events[at] if at is not None else None
        packet = self.recording.packet(at) if at is not None else None
        if not check.passed:
            text = check_text(self.recording, check, self.translate)
        else:
            text = self.translate.text(packet_text(seen)) if isinstance(seen, FrameSeen) else self._value(check)
        return Evidence(self.result.scenario.id, self.result.family, self.translate.own(self.begun.title), packet, text)

    def values(self) -> list[str]:
        """The results of its checks: the last segments first, then values, states and silence."""
        if self.failed:
            return [check_text(self.recording, check, self.translate) for check in self.failed]
        authored = [check for check in self.checks if check.where is not None]  # without the final checks of the lab
        segments = [check for check in authored if check.frame is not None][-_MOST_SEGMENTS:]
        others = sorted((check for check in reversed(authored) if check.frame is None), key=_evidence_rank)
        return list(dict.fromkeys(map(self._value, segments + others)))[:_MOST_VALUES]

    def _value(self, check: CheckMade) -> str:
        recording, text = self.recording, self.translate.text
        seen = recording.events[check.frame] if check.frame is not None else None
        if isinstance(seen, FrameSeen):
            return segment_with_flags(seen)
        match check.rows:
            case (Row(field="segment"),) | (Row(field="state"),):
                return text(check.rows[0].got if check.kind is CheckKind.STATE else check.subject)
            case (Row(field="result", got=result),):
                return f"{check.subject} = {text(result)}"
            case (Row(got=value),):
                shown = text(value)
                cut = shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}..."
                return f"{text(check.subject)}{text(': ')}{cut or text('none')}"
        return check_text(recording, check, self.translate)


def _steps(result: Result, translate: Translator) -> Iterator[_Step]:
    recording = result.recording
    step: _Step | None = None
    for at, event in enumerate(recording.events if recording else ()):
        if isinstance(event, StepBegun):
            if step is not None:
                step.ended = True
                yield step
            assert recording is not None  # it has events
            step = _Step(result, recording, event, translate)
        elif step is not None and isinstance(event, CheckMade):
            step.checks.append(event)
        elif step is not None and isinstance(event, FrameSeen) and event.from_peer and event.segment:
            step.last_frame = at
    if step is not None:
        step.ended = result.outcome is Outcome.PASS
        yield step


def _report(claim: Claim, steps: list[_Step]) -> ClaimReport:
    ordered = sorted(steps, key=lambda step: (len(step.begun.claims), min(map(_evidence_rank, step.checks), default=0)))
    failed = [step for step in ordered if step.failed]
    shown = [step for step in ordered if step.ended and step.checks and not step.failed]
    seen = failed or shown
    if not seen:
        return ClaimReport(claim, Verdict.NOT_RUN)
    first, evidence = seen[0], tuple(step.evidence() for step in seen)
    joined = first.translate.text("; ").join
    if failed:
        return ClaimReport(claim, Verdict.DIFFERS, joined(first.values()), evidence=evidence)
    measured, conclusions = _values(claim, shown)
    return ClaimReport(claim, Verdict.CONFIRMED, joined(measured or first.values()), joined(conclusions), evidence)


def _values(claim: Claim, shown: list[_Step]) -> tuple[list[str], list[str]]:
    """What scenarios measured for a claim and concluded about it, each in one address family: IPv4 if it ran over IPv4.

    They are in the order of the scenarios, so that the values of two kernels can be compared.
    """
    firsts: dict[str, Result] = {}
    translators = {step.result.scenario.id: step.translate for step in shown}
    for step in shown:
        name, result = step.result.scenario.id, step.result
        firsts[name] = min(firsts.get(name, result), result, key=lambda each: each.family)
    measured: dict[str, None] = {}
    conclusions: dict[str, None] = {}
    for name, first in firsts.items():
        for event in first.recording.events if first.recording else ():
            if isinstance(event, Measured) and event.claim == claim.id:
                measured[translators[name].text(event.value)] = None
            elif isinstance(event, Concluded) and event.claim == claim.id:
                conclusions[translators[name].own(event.text)] = None
    return list(measured), list(conclusions)


def _evidence_rank(check: CheckMade) -> int:
    """Rank of a check as evidence, the best first: a segment, a value, a state, silence, a final check."""
    if check.frame is not None:
        return 0
    return {CheckKind.STATE: 2, CheckKind.SILENCE: 3}.get(check.kind, 1 if check.where is not None else 4)


def claim_lines(
    reports: Sequence[ClaimReport], catalogue: Catalogue, width: int = 80, language: str = "en"
) -> Iterator[str]:
    """Yield the reports under the headings of their topics; if all claims are there, also the article's misprints."""
    topic = ""
    for report in reports:
        if report.claim.topic != topic:
            topic = report.claim.topic
            yield catalogue.topics[topic].of(language)
            yield ""
        yield from _claim(report, width, language)
        yield ""
    if len(reports) == len(catalogue.claims):
        yield translator(language)("claims_errata")
        yield ""
        for each in catalogue.errata:
            yield from _three((), [each.printed, each.meant, each.text.of(language)], width)
        yield ""


def total_lines(reports: Sequence[ClaimReport], kernel: str, language: str = "en") -> Iterator[str]:
    """Yield the number of claims by verdict, and how many of the article's are right, imprecise, wrong or missing."""
    translate = translator(language)
    if not reports:
        yield translate("claims_none")
        return
    counts = Counter(report.verdict for report in reports)
    counted = [f"{counts[verdict]} {translate(f'verdict_{verdict.name}')}" for verdict in Verdict if counts[verdict]]
    yield translate("claims_total", count=len(reports), verdicts=translate("comma").join(counted), kernel=kernel)
    kinds = Counter(report.claim.kind for report in reports)
    told = [
        translate("claims_kind", count=kinds[kind], kind=translate(f"kind_{kind.name}")) for kind in Kind if kinds[kind]
    ]
    yield translate("comma").join(told)


def _claim(report: ClaimReport, width: int, language: str) -> Iterator[str]:
    translate, claim = translator(language), report.claim
    yield f"{claim.id}  {translate(f'verdict_{report.verdict.name}')}  {translate(f'kind_{claim.kind.name}')}"
    yield f"  {claim.section}"
    kernel = "claims_kernel" if report.verdict is Verdict.CONFIRMED else "claims_linux"
    headings = [translate(key) for key in ("claims_article", "claims_document", kernel)]
    linux = claim.linux.of(language) if claim.linux else translate("claims_as_documented")
    texts = [claim.article.of(language), claim.document.of(language), linux]
    yield from _three(headings, texts, width)
    for label, text in _rows(report, translate, language):
        if text:
            yield from labelled(label, text, width, indent=2, label_width=_LABEL)


def _three(headings: Sequence[str], texts: Sequence[str], width: int) -> Iterator[str]:
    """Yield three texts below their headings: side by side, or one after the other on a narrow screen."""
    if width >= _LEAST_IN_COLUMNS:
        for cells in filter(None, (headings, texts)):
            yield from side_by_side(cells, width, indent=2)
        return
    for heading, text in zip_longest(headings, texts, fillvalue=""):
        yield from indented(heading, width, first=2, later=4) if heading else ()
        yield from indented(text, width, first=4, later=4)


def _rows(report: ClaimReport, translate: Translator, language: str) -> Iterator[tuple[str, str]]:
    """Label and text of each row below the three columns; a text may be empty."""
    claim = report.claim
    yield translate("claims_conclusion"), report.conclusion
    yield translate("claims_measured"), report.measured
    for first in report.evidence[:1]:
        kind = "claims_step" if first.packet is None else "claims_packet"
        yield translate(kind), translate(f"{kind}_text", **first._asdict())
        others = dict.fromkeys(each.scenario for each in report.evidence if each.scenario != first.scenario)
        yield translate("claims_others"), ", ".join(others)
    yield translate("claims_depends"), translate.text(", ").join(map(translate.text, claim.depends))
    for since in claim.since:
        yield translate("claims_since", kernel=since.kernel), since.text.of(language)
