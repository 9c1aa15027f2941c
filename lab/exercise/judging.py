"""Judges a prediction: right, wrong, or wrong in a typical way."""

from __future__ import annotations

from typing import NamedTuple

from lab.exercise.model import Numbers, Question


class Judgement(NamedTuple):
    """Verdict on a prediction: right or wrong, and the misconception that explains it."""

    right: bool
    misconception: str = ""
    """Id of the misconception behind a wrong answer; "" if it is not a typical one."""


def judge(question: Question, value: object, own: Numbers, truth: object) -> Judgement:
    """Compare a prediction with the true answer."""
    if value == truth:
        return Judgement(right=True)
    typical = (id_ for id_, wrong in question.wrong.items() if wrong(own) == value)
    return Judgement(right=False, misconception=next(typical, ""))
