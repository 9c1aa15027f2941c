"""Rungs and what came of them as lines of text. It prints nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lab.exercise.make.checking import Checked
from lab.exercise.make.driver import TIMER, Step
from lab.exercise.make.inside import MODULES
from lab.exercise.make.play import Failure
from lab.exercise.make.rungs import RUNGS, Rung
from lab.exercise.view import View
from lab.record.expectation import Bases, payload_text
from lab.report.evidence import segment_text
from lab.report.screen import labelled, printable
from lab.report.verdicts import field_lines
from lab.tcp.segment import Segment

_INDENT = 2
_SHOWN_STEPS = 8
_MOST_PRINTED = 20
"""Lines of what the learner's code printed."""


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """All texts of views by key and language."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


@cache
def texts() -> Mapping[str, Any]:
    """Titles and tasks by the id of their rung, and `why`: reasons by key."""
    return tomllib.loads(Path(__file__).with_name("rungs.toml").read_text(encoding="utf-8"))


class MakeView:
    """How rungs are shown."""

    def __init__(self, view: View) -> None:
        self.view = view

    def say(self, key: str, **values: object) -> str:
        """A text of `words.toml`."""
        return self.view.filled(words()[key], **values)

    def heading(self, rung: Rung) -> str:
        """Id and title."""
        return self.say("heading", id=rung.id, title=texts()[rung.id]["title"][self.view.language])

    def task(self, rung: Rung) -> Iterator[str]:
        """Yield heading and task."""
        yield from self.view.paragraph(self.heading(rung), "title")
        task = self.view.with_section(texts()[rung.id]["task"][self.view.language], rung.section)
        yield from self.view.paragraph(task, indent=_INDENT)

    def ladder(self, passed: set[str]) -> Iterator[str]:
        """Yield a line for each rung."""
        for rung in RUNGS.values():
            key = "mark_passed" if rung.id in passed else "mark_open"
            yield from labelled(self.say(key), self.heading(rung), self.view.width, _INDENT, 10)

    def checked(self, checked: Checked) -> Iterator[str]:
        """Yield what came of a rung: that it passed, or the failure with all that helps to understand it."""
        if checked.result is not None:
            why = self.view.translate.text(checked.result.summary)
            yield from self.view.paragraph(self.say("untried", why=why), "error")
            return
        if checked.failure is None:
            yield from self.view.paragraph(f"{checked.rung.id}  {self.say('passed')}", "pass")
            yield from self._printed(checked)
            return
        yield from self._failed(checked, checked.failure)
        yield from self._printed(checked)
        yield from self._so_far(checked)

    def _failed(self, checked: Checked, failure: Failure) -> Iterator[str]:
        key = failure.key
        if key == "raised" and not checked.steps:
            key = "not_loaded"
        if key == "nothing_came" and failure.values.get("expected") == "timer":
            key = "no_timer_fired"
        yield from self.view.paragraph(f"{checked.rung.id}  {self.say('not_yet')}", "fail")
        yield from self.view.paragraph(self.say(key, **failure.values))
        if failure.values.get("line"):
            place = self.say("at_line", file=checked.file, line=failure.values["line"], code=failure.values["code"])
            yield from self.view.paragraph(place, indent=_INDENT)
        if failure.values.get("type") in {
            "ModuleNotFoundError",
            "PermissionError",
            "FileNotFoundError",
            "BlockingIOError",
        }:
            yield from self.view.paragraph(self.say("hint_import", modules=", ".join(MODULES)))
        if failure.step is not None:
            yield from self._step(failure.step, checked.bases)
        if failure.rows:
            yield ""
            yield from field_lines(failure.rows, self.view.screen, self.view.translate, _INDENT)
        yield from self._why(failure)

    def _why(self, failure: Failure) -> Iterator[str]:
        text = self.view.translate.text
        why = ""
        if failure.breach is not None:
            rule = failure.breach.rule
            why = f"{text(rule.sentence)}   {rule.section}: {text(failure.breach.message)}"
        elif failure.why:
            why = texts()["why"][failure.why][self.view.language]
        if why:
            yield ""
            yield from labelled(self.say("l_why"), why, self.view.width, _INDENT, 7)

    def _step(self, step: Step, bases: Bases) -> Iterator[str]:
        """Yield what happened in a step."""
        yield ""
        listed = [
            ("l_arrived" if step.arrived is not None else "l_called", _what(step, bases)),
            ("l_before", step.before),
        ]
        if step.trouble is None:
            sent = [_segment(each, bases) for each in step.sent]
            listed += [("l_sent", each) for each in sent or [self.say("nothing")]]
            listed.append(("l_after", step.after))
        for key, text in listed:
            yield from labelled(self.say(key), text, self.view.width, _INDENT, 14)

    def _so_far(self, checked: Checked) -> Iterator[str]:
        if not checked.steps:
            return
        yield ""
        yield from self.view.paragraph(self.say("so_far"), "faint")
        first = max(0, len(checked.steps) - _SHOWN_STEPS)
        for number, step in enumerate(checked.steps[first:], first + 1):
            state = f"{step.before} -> {step.after}" if step.after not in {"", step.before} else step.before
            arrow = "< " if step.arrived is not None else ""
            yield from labelled(
                f"{number}", f"{arrow}{_what(step, checked.bases)}   {state}", self.view.width, _INDENT, 6
            )
            for each in step.sent:
                yield from labelled("", f"> {_segment(each, checked.bases)}", self.view.width, _INDENT, 6)

    def _printed(self, checked: Checked) -> Iterator[str]:
        printed = "".join(each.printed for each in checked.steps)
        if checked.failure is not None and checked.failure.step is None:
            printed += checked.failure.printed
        lines: Sequence[str] = printed.splitlines()
        if lines:
            yield ""
            yield from self.view.paragraph(self.say("l_printed"), "faint")
        for line in lines[-_MOST_PRINTED:]:
            yield from self.view.paragraph(line, indent=_INDENT)


def _what(step: Step, bases: Bases) -> str:
    """The call of a step, or the segment that arrived."""
    if step.arrived is not None:
        return f"{step.arrived.letters} {segment_text(step.arrived, bases, from_peer=True)}"
    if step.call == TIMER:
        return f"{TIMER}()"
    return f"{step.call}({payload_text(step.data) if step.data else ''})"


def _segment(segment: Segment, bases: Bases) -> str:
    return printable(f"{segment.letters or '-'} {segment_text(segment, bases, from_peer=False)}")
