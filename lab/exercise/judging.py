"""Judges a prediction: right, wrong, or wrong in a typical way."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from lab.claims.catalogue import Text
from lab.exercise.model import Numbers, Question


class Misconception(NamedTuple):
    """A typical wrong idea, in the words in which it is explained to the learner."""

    text: Text
    section: str
    """Section of the documents; "" without one."""


class Judgement(NamedTuple):
    """Verdict on a prediction: right or wrong, and the misconception that explains it."""

    right: bool
    misconception: str = ""
    """Id of the misconception behind a wrong answer; "" if it is not a typical one."""


@cache
def misconceptions() -> dict[str, Misconception]:
    """All misconceptions by id."""
    import tomllib

    read = tomllib.loads(Path(__file__).with_name("misconceptions.toml").read_text(encoding="utf-8"))
    return {id_: Misconception(Text(each["en"], each["zh"]), each.get("section", "")) for id_, each in read.items()}


def judge(question: Question, value: object, own: Numbers, truth: object) -> Judgement:
    """Compare a prediction with the true answer."""
    if value == truth:
        return Judgement(right=True)
    typical = (id_ for id_, wrong in question.wrong.items() if wrong(own) == value)
    return Judgement(right=False, misconception=next(typical, ""))
