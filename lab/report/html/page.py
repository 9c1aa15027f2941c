"""HTML page of a run: template, style, script and data in one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lab.claims.catalogue import Catalogue, Text
from lab.claims.groups import groups, learning_order
from lab.record.events import StepBegun
from lab.record.results import Outcome, Result, Run, Scenario
from lab.record.translations import NONE
from lab.report.claims import claim_reports
from lab.report.colours import ladder_style, phase_rules, variables
from lab.report.coverage import Coverage, coverage
from lab.report.evidence import Evidence
from lab.report.html.data import SIGNS, CaptureLink, Details, link, no_capture, numbers_not_drawn, packed
from lab.report.html.diagram import EDGE_SIGNS, diagram, label, status
from lab.report.html.templates import escaping, hash_of
from lab.report.i18n import LANGUAGES, table, translator
from lab.report.ladder import ladder_of
from lab.report.misconceptions import misconceptions
from lab.report.svg import NARROW, WIDE, figure
from lab.report.verdicts import QUIET, place

_HERE = Path(__file__).parent
_STYLES = ("page.css", "scenario.css")
_SCRIPTS = ("base.js", "fields.js", "packet.js", "inspector.js", "predict.js", "scenario.js", "search.js", "main.js")
_MOST_EVIDENCE = 4
_BASIC_GROUP = "handshake"
_MOST_RUNGS_AT_FIRST = 30
"""Limit on rungs of the ladder on the overview."""


def page(run: Run, catalogue: Catalogue, capture: CaptureLink = no_capture, *, excerpt: bool = False) -> str:
    """The whole page. An excerpt of a run has only the claims that its scenarios name.

    All recorded values are escaped, or packed so that they cannot become markup.
    """
    run = replace(run, results=sorted(run.results, key=lambda each: learning_order(_group(each))))
    environment = escaping(_HERE)
    functions = (_few, _link_to, _name_of, _said, label, link, place, status, zip)
    environment.globals |= {each.__name__.strip("_"): each for each in functions} | {"text_of": Text}
    style = variables() + ladder_style() + phase_rules(".inspector .pill", "border-color") + _joined(_STYLES)
    script = f"(() => {{\n'use strict';\n{_joined(_SCRIPTS)}}})();\n"
    basic = _basic(run)
    details = Details(run, basic.scenario.id if basic else "", capture)
    return environment.get_template("page.html.jinja").render(
        **_verdicts(run),
        **_figure(coverage(run)),
        **_claims(run, catalogue, excerpt),
        **_first_ladder(basic),
        run=run,
        packets=details.packets,
        words={language: translator(language) for language in LANGUAGES},
        languages=LANGUAGES,
        style=Markup(style),  # files of this package
        script=Markup(script),
        style_hash=hash_of(style),
        script_hash=hash_of(script),
        index=packed({"words": table(), "misconceptions": _named_in(script), **details.index}),
        details=details.packed,
    )


def _named_in(script: str) -> dict[str, list[str]]:
    """The misconceptions that the script names: texts in each language, and the section."""
    known = misconceptions().items()
    return {id_: [*each.text, each.section] for id_, each in known if f"'{id_}'" in script}


def _joined(names: tuple[str, ...]) -> str:
    return "".join((_HERE / name).read_text(encoding="utf-8") for name in names)


def _verdicts(run: Run) -> dict[str, Any]:
    """Template values: the verdict, the failures, and the results by scenario and by file."""
    counts = Counter(result.outcome for result in run.results)
    counts[Outcome.ERROR] += len(run.broken)
    worse = (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.CHANGED)
    worst = next((each for each in worse if counts[each]), Outcome.PASS)
    scenarios = [list(results) for _, results in groupby(run.results, lambda each: each.scenario.id)]
    by_group = groupby(scenarios, lambda each: _group(each[0]))
    return {
        "signs": SIGNS,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome},
        "total": len(run.results) + len(run.broken),
        "verdict_class": worst.value,
        "checks": sum(result.checks for result in run.results),
        "scenarios": scenarios,
        "groups": [(name, groups().get(name), list(listed)) for name, listed in by_group],
        "failures": [result for result in run.results if result.outcome not in QUIET],
    }


def _figure(found: Coverage) -> dict[str, Any]:
    """Template values: figure 5 as a drawing and as a table."""
    seen = {each.state for each in found.states if each.kernel}
    counts = Counter(status(each) for each in found.edges)
    return {
        "edge_signs": EDGE_SIGNS,
        "edge_counts": {how: counts[how] for how in EDGE_SIGNS if counts[how]},
        "diagrams": {
            language: Markup(diagram(found.edges, seen, translator(language), _link_to))  # diagram() escapes its texts
            for language in LANGUAGES
        },
        "edges": found.edges,
    }


def _group(result: Result) -> str:
    return result.scenario.id.partition(".")[0]


def _basic(run: Run) -> Result | None:
    """The result to look at first: the basic handshake, else the first one with a segment."""
    drawn = [each for each in run.results if each.recording is not None and each.recording.connections]
    return min(drawn, key=lambda each: _group(each) != _BASIC_GROUP, default=None)


def _first_ladder(basic: Result | None) -> dict[str, Any]:
    """Template values: the ladder on the overview, as width, height and drawing of each layout."""
    if basic is None or basic.recording is None:
        return {"basic": None}
    hidden = numbers_not_drawn(basic.recording)
    ladder = ladder_of(basic.recording, _MOST_RUNGS_AT_FIRST)
    english, *others = (translator(language, basic.scenario.translations) for language in LANGUAGES)
    ladders = []
    for name, sheet in (("wide", WIDE), ("narrow", NARROW)):
        height, drawing = figure(ladder, english, sheet, *others)
        ladders.append((name, sheet.width, height, Markup(drawing)))  # figure() escapes its texts
    return {"basic": basic, "ladders": ladders, "hidden": hidden}


def _claims(run: Run, catalogue: Catalogue, excerpt: bool) -> dict[str, Any]:
    """Template values: the claims by topic, with the verdicts of the run."""
    reports, chinese = (claim_reports(run, catalogue, language) for language in LANGUAGES)
    if excerpt:
        named = {claim for result in run.results for claim in _named(result)}
        reports = [each for each in reports if each.claim.id in named]
    by_topic = groupby(reports, lambda each: each.claim.topic)
    return {
        "topics": [(catalogue.topics[topic], list(listed)) for topic, listed in by_topic],
        "errata": () if excerpt else catalogue.errata,
        "chinese": {each.claim.id: each for each in chinese},
        "claim_verdicts": Counter(each.verdict.name for each in reports),
        "claim_kinds": Counter(each.claim.kind.name for each in reports),
    }


def _named(result: Result) -> Iterator[str]:
    """The claims that the steps of a result name."""
    for event in result.recording.events if result.recording else ():
        if isinstance(event, StepBegun):
            yield from event.claims


def _few(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The first few different pieces of evidence, each in one address family only."""
    different: dict[tuple[str, int | None, str], Evidence] = {}
    for each in evidence:
        different.setdefault((each.scenario, each.packet, each.step), each)
    return list(islice(different.values(), _MOST_EVIDENCE))


def _said(text: str, scenario: Scenario | None = None) -> Text:
    """A text of the lab, or of a recording of the scenario, in each language."""
    own = scenario.translations if scenario is not None else NONE
    return Text(*(translator(language, own).text(text) for language in LANGUAGES))


def _link_to(evidence: Evidence) -> str:
    return link(evidence.scenario, evidence.family, evidence.packet)


def _name_of(evidence: Evidence) -> str:
    packet = f", {evidence.packet}" if evidence.packet is not None else ""
    return f"{evidence.scenario} IPv{evidence.family}{packet}"
