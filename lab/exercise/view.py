"""Exercises as lines of text: questions, the ladder with the predictions beside it, answers. It prints nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple, cast

from lab.exercise.model import Exercise, Numbers, Question
from lab.exercise.mystery import bare_rungs
from lab.exercise.notation import SPAN, At, letter
from lab.exercise.running import Finding, Graded, Played, Verdict
from lab.record.events import Recording
from lab.record.translations import NONE, Translations
from lab.report.i18n import Translator, translator
from lab.report.i18n import table as texts_of_views
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Kind, Ladder, Rung
from lab.report.misconceptions import misconceptions
from lab.report.plain import sentences
from lab.report.screen import Screen, labelled, printable, wrapped
from lab.report.text import ladder_lines
from lab.report.verdicts import what_differs

_INDENT = 2
_NUMBER = 4
"""Columns for the number of a packet."""
_BESIDE = 11
"""Column of the verdicts below a segment: that of the ladder's text."""


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """All texts by key and language; those that the page shows too come from the room of views."""
    own = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
    return {**texts_of_views(), **own}


class View(NamedTuple):
    """How lines are made."""

    screen: Screen
    width: int
    """Width of texts in columns; that of ladders is the screen's."""
    command: str = "lab"
    """The command as it was typed, for texts that name the next one."""

    @property
    def language(self) -> str:
        """The language of the texts."""
        return self.screen.language

    @property
    def translate(self) -> Translator:
        """Translates the texts of recordings and messages."""
        return translator(self.language)

    def say(self, key: str, **values: object) -> str:
        """A text of `words.toml`."""
        return self.filled(table()[key], **values)

    def filled(self, text: Mapping[str, str], /, **values: object) -> str:
        """A text in the view's language. `{lab}` is the command as it was typed."""
        return text[self.language].format_map({"lab": self.command, **values})

    def with_section(self, text: str, section: str) -> str:
        """The text and the section of the documents behind it, if there is one."""
        between = "" if self.language == "zh" else " "
        return between.join(filter(None, (text, section)))

    def article(self, exercise: Exercise) -> str:
        """The sections of the article that an exercise is about."""
        sections = exercise.article.split(", ")
        key = "article_section" if len(sections) == 1 else "article_sections"
        return self.say(key, sections=self.say("between_sections").join(sections))

    def paragraph(self, text: str, style: str = "", indent: int = 0) -> Iterator[str]:
        """The text in lines that fit."""
        for line in wrapped(printable(text), self.width - indent):
            yield " " * indent + (self.screen.paint(line, style) if style else line)

    def question(self, question: Question, own: Numbers) -> Iterator[str]:
        """The question with the answers to choose from."""
        yield from self.paragraph(question.text.of(self.language).format_map(own), "title")
        for index, option in enumerate(question.kind.options):
            yield from labelled(f"{letter(index)})", option.of(self.language), self.width, _INDENT, 5)
        yield from self.paragraph(self.say("how_to_type", how=self.say(question.kind.how)), "faint")

    def value(self, question: Question, value: object, own: Numbers) -> str:
        """A true or predicted answer as it is shown: a number also absolute, a letter with what it stands for."""
        text = question.kind.show(value)
        if isinstance(value, At) and value.base in own:
            return f"{text} = {(own[value.base] + value.offset) % SPAN}"
        if question.kind.options:
            chosen = [value] if isinstance(value, int) else sorted(cast("frozenset[int]", value))
            named = [question.kind.options[each].of(self.language) for each in chosen]
            return f"{text}) {self.say('between').join(named)}" if named else self.say("none_of_them")
        known = {"": "no_segment", "none": "no_segment", "success": "success"}
        return self.say(known[text]) if text in known else text

    def verdict(self, verdict: Verdict, played: Played, indent: int) -> Iterator[str]:
        """The question, the prediction beside the true answer, and why it is wrong."""
        question, own = verdict.question, played.own
        yield from self.paragraph(question.text.of(self.language).format_map(own), "faint", indent)
        if verdict.typed is None:  # the answer is not given away
            yield from self.paragraph(self.say("missing"), "fail", indent)
            return
        right, typed = verdict.judgement.right, verdict.typed
        said = self.say("right" if right else "wrong")
        if question.kind.options and not verdict.unclear:
            typed = self.value(question, question.kind.parse(typed, own), own)
        kernel = self.value(question, played.truths[question.id].value, own)
        beside = "   ".join((self.say("you", value=typed), self.say("of_kernel", value=kernel)))
        yield from self.paragraph(f"{said}   {beside}", "pass" if right else "fail", indent)
        if not right:
            yield from self.paragraph(self.reason(verdict, own), indent=indent)

    def reason(self, verdict: Verdict, own: Numbers) -> str:
        """Why a prediction is wrong: the misconception behind it, or else the reason for the true answer."""
        if verdict.typed is None:
            return self.say("missing")
        if verdict.unclear:
            return self.say("not_understood", why=self.say(verdict.unclear))
        known = misconceptions().get(verdict.judgement.misconception)
        if known is None:
            return verdict.question.why.of(self.language).format_map(own)
        return self.with_section(known.text.of(self.language), known.section)

    def not_judged(self, played: Played) -> Iterator[str]:
        """Say that the kernel differs, or that this could not be tried: neither is a wrong prediction."""
        result = played.result
        translate = translator(self.language, result.scenario.translations)
        if played.finding is Finding.DIFFERS and result.difference is not None and result.recording is not None:
            yield from self.paragraph(self.say("differs"), "error")
            yield from what_differs(result.recording, result.difference, self.screen, translate)
        else:
            yield from self.paragraph(self.say("untried", why=translate.text(result.summary)), "error")

    def graded(self, exercise: Exercise, rounds: Iterable[Graded]) -> Iterator[str]:
        """The verdicts on an exercise without its ladder."""
        heading = self.say("heading", id=exercise.id, title=exercise.title.of(self.language))
        yield from self.paragraph(heading, "title")
        for each in rounds:
            if each.played.finding is not Finding.KNOWN:
                yield from self.not_judged(each.played)
            for verdict in each.verdicts:
                yield from self.verdict(verdict, each.played, _INDENT)

    def answers(self, exercise: Exercise, own: Numbers, family: int) -> Iterator[str]:
        """The known answers with their reasons."""
        for each in exercise.rounds:
            numbers = exercise.numbers_of(each, own, family)
            for question in each.questions:
                value = self.value(question, question.known(numbers), numbers)
                yield from self.paragraph(question.text.of(self.language).format_map(numbers), "faint")
                yield from self.paragraph(value, indent=_INDENT)
                yield from self.paragraph(question.why.of(self.language).format_map(numbers), indent=_INDENT)

    def pages(self, played: Played, verdicts: list[Verdict]) -> Iterator[list[str]]:
        """The ladder with the verdicts: a page for each segment that shows one, and for those between them.

        A verdict about a call, or about what was asked after it, comes below the call.
        """
        assert played.result.recording is not None
        ladder = ladder_of(played.result.recording)
        place = {index: at for at, index in enumerate(played.result.recording.chronological)}
        waiting = sorted(verdicts, key=lambda each: place[played.truths[each.question.id].event])
        per_segment = list(_pages(ladder.rungs))
        page: list[str] = []
        for number, rungs in enumerate(per_segment):
            later = per_segment[number + 1] if number + 1 < len(per_segment) else []
            until = next((place[each.event] for each in later if each.event is not None), len(place))
            shown = [each for each in waiting if place[played.truths[each.question.id].event] < until]
            waiting = waiting[len(shown) :]
            if shown and page:
                yield page
                page = []
            translations = played.result.scenario.translations
            page += self.rungs(Ladder(rungs, ladder.recording), translations, is_first=number == 0)
            if shown:
                yield [*page, *(line for each in shown for line in self.verdict(each, played, _BESIDE))]
                page = []
        if page:
            yield page

    def packets(self, recording: Recording) -> Iterator[str]:
        """The packets of a mystery, numbered as in its capture, without the states."""
        number = 0
        narrower = self._replace(screen=self.screen._replace(width=self.screen.width - _NUMBER))
        for at, rung in enumerate(bare_rungs(recording)):
            lines = narrower.rungs(Ladder([rung], recording), is_first=at == 0)
            if not at and not self.screen.plain:
                yield " " * _NUMBER + lines.pop(0)
            number += rung.kind is Kind.SEGMENT
            for each in lines:
                yield f"{number if each is lines[0] and rung.kind is Kind.SEGMENT else '':>{_NUMBER - 1}} {each}"

    def rungs(self, ladder: Ladder, translations: Translations = NONE, *, is_first: bool) -> list[str]:
        """Rungs as lines; for a screen reader as sentences. Only the first ones have the names of the columns."""
        translate = translator(self.language, translations)
        if self.screen.plain:
            return [line for each in sentences(ladder, translate) for line in self.paragraph(each)]
        return list(ladder_lines(ladder, self.screen, translate))[not is_first :]


def _pages(rungs: list[Rung]) -> Iterator[list[Rung]]:
    """Each segment with the rungs before it; those after the last segment belong to it."""
    ends = [at + 1 for at, rung in enumerate(rungs) if rung.kind is Kind.SEGMENT]
    for begin, end in zip([0, *ends[:-1]], [*ends[:-1], len(rungs)], strict=True):
        yield rungs[begin:end]
