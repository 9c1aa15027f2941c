"""Rungs of `lab exercise make`, for tests of them."""

from __future__ import annotations

from pathlib import Path

from lab.author.runner import Runner
from lab.exercise.make.checking import Checked, check
from lab.exercise.make.rungs import RUNGS
from lab.exercise.make.view import MakeView
from lab.exercise.view import View
from lab.report.screen import Screen

MODEL = """
from lab.exercise.make.given import ModelEndpoint

class Endpoint(ModelEndpoint):
    pass
"""


def made(runner: Runner, rung: str, source: str, family: int = 4) -> Checked:
    """The rung, checked with an endpoint of this source."""
    return check(runner, RUNGS[rung], Path("tcp-lab/make/endpoint.py"), source, family)


def shown(checked: Checked, language: str = "en") -> str:
    """What a learner sees of it, on a wide terminal."""
    screen = Screen(language=language, width=200, plain=False, colours=False)
    return "\n".join(MakeView(View(screen, width=200)).checked(checked))
