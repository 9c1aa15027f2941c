"""Data for the page's script: a small index of the run, and the details of each scenario.

Both are JSON, compressed with deflate and encoded in base64. So payloads, titles and file names never become markup,
and two hundred scenario runs take a megabyte.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

from lab.record.events import CheckKind, CheckMade, FrameSeen, Recording
from lab.record.expectation import relative
from lab.record.results import Result, Run
from lab.report import typed
from lab.report.colours import PHASE_OF
from lab.report.evidence import own_and_other
from lab.report.i18n import LANGUAGES, translator
from lab.report.ladder import is_drawn, ladder_of
from lab.report.ladder_model import Kind, Ladder, Rung
from lab.report.plain import FLAG_NAMES, event_sentence, outcome
from lab.report.screen import printable
from lab.report.svg import MOST_RUNGS, NARROW, WIDE, figure
from lab.report.verdicts import result_text
from lab.tcp import flags
from lab.tcp.diagram import EDGES
from lab.tcp.options import NAMES, value_text
from lab.tcp.rules import RULES, rules_for
from lab.tcp.state import State

Json = dict[str, Any]

SIGNS = {"pass": "✓", "changed": "≠", "fail": "✗", "error": "!", "inconclusive": "?", "skip": "⊘"}
"""Signs of the outcomes, for readers who see no colours."""
_CONTROL_BITS = {name: flags.letters(1 << bit) for bit, name in enumerate(FLAG_NAMES) if name != "NS"}
"""Letters of the control bits by name, for the search. NS is left out: it would be two letters."""
_TYPED = {name.lower(): value for name, value in vars(typed).items() if name.isupper()}
"""How readers type predictions, by the names of `lab.report.typed`."""
_RULE_NUMBERS = {rule.id: number for number, rule in enumerate(RULES)}
_EDGES: dict[tuple[State, State], list[str]] = {}
for _edge in EDGES:
    _EDGES.setdefault((_edge.source, _edge.target), []).append(f"{_edge.event.value}   RFC 9293 {_edge.section}")


def packed(value: Any) -> str:
    """A value as JSON, compressed, in base64; a browser unpacks it with `DecompressionStream("deflate")`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8", "backslashreplace"), 9)).decode("ascii")


CaptureLink = Callable[[Result], str]
"""Function that returns the address of a result's capture file, "" for none."""


def no_capture(_: Result) -> str:
    """Always "": for a page without links to captures."""
    return ""


def link(scenario: str, family: int, packet: int | None = None) -> str:
    """URL fragment of a scenario on the page, or of one of its packets."""
    return f"#/{quote(scenario, safe='')}/{family}" + (f"/p{packet}" if packet is not None else "")


class Details:
    """Data of a run for the page's script: the index, and the details of each scenario."""

    def __init__(self, run: Run, basic: str = "", capture: CaptureLink = no_capture) -> None:
        self._capture = capture
        self.packets = 0
        """Number of packets in the whole run."""
        self.packed: list[tuple[str, str]] = []
        """Scenario id and packed details, both address families together: they compress well."""
        self._sentences: dict[str, tuple[str, ...]] = {"": ("", "", "")}
        """Sentences that explain checks and rules: in each language, and the section. The first stands for none."""
        self._numbers = {"": 0}
        self._translate = {language: translator(language) for language in LANGUAGES}
        self._texts: dict[str, str] = {}
        """Chinese of the texts of authors and of the lab that the script shows."""
        listed = [self._scenario(list(each)) for _, each in groupby(run.results, lambda each: each.scenario.id)]
        rules = [[rule.id, self._number(f"{rule.sentence}   {rule.section}")] for rule in RULES]
        self.index: Json = {
            "scenarios": listed,
            "basic": basic,
            "kernel": run.environment.get("kernel", ""),
            "rules": rules,
            "sentences": list(self._sentences.values()),
            "texts": self._texts,
            "signs": SIGNS,
            "phases": {state.value: phase for state, phase in PHASE_OF.items()},
            "options": NAMES,
            "control": _CONTROL_BITS,
            "letters": flags.letters((1 << len(FLAG_NAMES)) - 1),
            "typed": _TYPED,
        }

    def _scenario(self, results: Sequence[Result]) -> Json:
        described = results[0].scenario
        self._translate = {language: translator(language, described.translations) for language in LANGUAGES}
        runs, families = [], {}
        for result in results:
            families[result.family], searchable = self._of(result)
            self.packets += len(searchable)
            runs.append(
                {
                    "family": result.family,
                    "link": link(described.id, result.family),
                    "outcome": result.outcome.value,
                    "checks": result.checks,
                    "message": self._text(result.message),
                    "packets": searchable,
                }
            )
        self.packed.append((described.id, packed(families)))
        title, file = self._text(described.title), described.file.name
        return {"id": described.id, "title": title, "section": described.section, "file": file, "runs": runs}

    def _of(self, result: Result) -> tuple[Json, list[list[Any]]]:
        """All details of one result, and the searchable parts of each packet."""
        recording = result.recording
        if recording is None:
            return {}, []
        ladder = ladder_of(recording, MOST_RUNGS)
        english, *others = self._translate.values()
        rungs = [self._rung(ladder, rung) for rung in ladder.rungs]
        details = {
            "rungs": rungs,
            "capture": self._capture(result),
            "omitted": ladder.omitted,
            "hidden": numbers_not_drawn(recording),
            "names": ladder.names,
            "judged": recording.segments_judged,
            "lost": recording.transitions_lost,
            "wide": [WIDE.width, *figure(ladder, english, WIDE, *others)],
            "narrow": [NARROW.width, *figure(ladder, english, NARROW, *others)],
        }
        searchable = [
            [at, rung.packet, rung.letters, rung.text, rung.from_peer, " ".join(_marks(rung))]
            for at, rung in enumerate(ladder.rungs)
            if rung.packet is not None
        ]
        return details, searchable

    def _rung(self, ladder: Ladder, rung: Rung) -> Json:
        details: Json = {"k": rung.kind.value, "t": rung.time_ns // 1000, "x": self._text(rung.text)}
        details["s"] = [event_sentence(ladder, rung, self._translate[language]) for language in LANGUAGES]
        after = [outcome(rung, self._translate[language]) for language in LANGUAGES]
        if any(after):
            details["after"] = after
        if rung.kind is Kind.STEP:
            details["claims"] = rung.claims
            return details
        sides = rung.before, rung.after
        details["b"], details["a"] = ([state.value if state else "" for state in states] for states in sides)
        if rung.packet is not None:
            details |= {"n": rung.packet, "l": rung.letters, "p": rung.from_peer, "c": rung.connection}
            details |= _marks(rung)
        seen = ladder.seen(rung)
        if seen is not None:
            frame, segment = seen
            own, other = own_and_other(frame.bases, frame.from_peer)
            syn, fin = (segment.flags >> bit & 1 for bit in (1, 0))
            details["seq"] = [relative(segment.seq, own), len(segment.payload), syn, fin]
            details["end"] = relative(segment.end, own)
            details["iss"] = [int(own), int(other)]
            details["o"] = [value_text(each) if not isinstance(each[1], bytes) else "" for each in segment.options]
            if segment.flags & flags.ACK:
                details["ack"] = relative(segment.ack, other)
            details["q"], details["r"] = rung.acknowledges, rung.acknowledged
            if not frame.from_peer:
                details["rules"] = [_RULE_NUMBERS[rule.id] for rule in rules_for(segment)]
        event = ladder.recording.events[rung.event] if rung.event is not None else None
        if isinstance(event, FrameSeen):
            details["d"] = base64.b64encode(event.data).decode("ascii")
        details["checks"] = [self._check(ladder.recording, check, rung) for check in rung.checks]
        return details

    def _check(self, recording: Recording, check: CheckMade, rung: Rung) -> Json:
        rows = recording.rows(check)
        details: Json = {
            "o": check.passed,
            "k": check.kind.value,
            "u": self._shown(result_text(check.subject, rows, each) for each in self._translate.values()),
            "rows": [[*map(self._text, row[:3]), row.agrees, self._why(check, rung)] for row in rows],
            "why": self._number(check.difference.why if check.difference else ""),
        }
        if check.where is not None:
            details |= {"line": check.where.line, "source": printable(check.where.source)}
        if check.difference is not None:
            details["summary"] = self._text(check.difference.summary)
        return details

    def _why(self, check: CheckMade, rung: Rung) -> int:
        """Number of the sentence that explains a change of state; 0 for none."""
        before, after = rung.before.kernel, rung.after.kernel
        if check.kind is CheckKind.STATE and check.passed and before and after and before is not after:
            known = _EDGES.get((before, after), [])
            return self._number(known[0] if len(known) == 1 else "")
        return 0

    def _in_both(self, sentence: str) -> tuple[str, ...]:
        """The sentence in each language, and its section."""
        text, _, section = sentence.partition("   ")
        return *(translate.text(text) for translate in self._translate.values()), section

    def _text(self, text: str) -> str:
        """The English of a recording's text. The Chinese is added to the table of texts for the page's script."""
        return self._shown(each.text(text) for each in self._translate.values())

    def _shown(self, texts: Iterable[str]) -> str:
        english, chinese = map(printable, texts)
        if chinese != english:
            self._texts[english] = chinese
        return english

    def _number(self, sentence: str) -> int:
        """The number of a sentence among all; a new one is added."""
        if sentence not in self._numbers:
            self._numbers[sentence] = len(self._numbers)
            self._sentences[sentence] = self._in_both(sentence)
        return self._numbers[sentence]


def numbers_not_drawn(recording: Recording) -> str:
    """Packet numbers of the frames that no ladder shows, such as echo requests of the lab: "4-5, 9"; "" for none."""
    ranges: list[list[int]] = []
    for at, event in recording.in_order:
        if not isinstance(event, FrameSeen) or is_drawn(event):
            continue
        number = recording.packet(at)
        if ranges and ranges[-1][-1] == number - 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ", ".join("-".join(map(str, each)) for each in ranges)


def _marks(rung: Rung) -> Json:
    marks = {"again": rung.retransmission, "lost": rung.lost, "broke": rung.broke, "crosses": rung.arrival is not None}
    return {name: True for name, holds in marks.items() if holds}
