"""Checks a learner's file against one rung: the real kernel at one end, the file's endpoint at the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.author.lab import Lab
from lab.author.registry import Runnable
from lab.author.runner import Runner
from lab.exercise.make.driver import Step
from lab.exercise.make.play import Failure, Play
from lab.exercise.make.rungs import Rung
from lab.exercise.make.sandbox import LearnerProcess, Trouble
from lab.record.expectation import Bases
from lab.record.results import Outcome, Result
from lab.tcp.endpoint import Config
from lab.tcp.sequence import Seq


@dataclass(slots=True)
class Checked:
    """The result of a rung."""

    rung: Rung
    file: Path
    steps: list[Step]
    """The endpoint's steps, in order."""
    bases: Bases
    """Both ISS: `kernel` is the endpoint's own, as it is the one whose segments are judged."""
    failure: Failure | None = None
    result: Result | None = None
    """Of the run, if it did not pass: then the endpoint is not to blame."""

    @property
    def passed(self) -> bool:
        """Whether the endpoint did all that the rung demands."""
        return self.failure is None and self.result is None


def check(runner: Runner, rung: Rung, file: Path, source: str, family: int = 4) -> Checked:
    """Play a rung with the endpoint of a file, whose text is `source`. MachineError if this machine cannot."""
    iss = Config().iss
    checked = Checked(rung, file, [], Bases(iss, Seq(0)))

    def scenario(lab: Lab) -> None:
        checked.failure = None
        try:
            with LearnerProcess(source, file.name, iss) as process:
                _play(lab, process, checked)
        except Trouble as trouble:
            step = checked.steps[-1] if checked.steps and checked.steps[-1].trouble is trouble else None
            checked.failure = Failure(trouble.key, step, values=trouble.values)
            checked.failure.printed = trouble.printed
        except Failure as failure:
            checked.failure = failure

    code = rung.play.__code__
    result = runner.run(
        Runnable(
            f"make.{rung.id}",
            rung.id,
            rung.section,
            (4, 6),
            {},
            {},
            waits=True,
            router=False,
            file=Path(code.co_filename),
            line=code.co_firstlineno,
            alone=False,
            function=scenario,
        ),
        family,
    )
    if result.outcome is not Outcome.PASS and checked.failure is None:
        checked.result = result
    return checked


def _play(lab: Lab, process: LearnerProcess, checked: Checked) -> None:
    play = Play(lab, process, active=checked.rung.active)
    checked.steps = play.steps
    try:
        checked.rung.play(play)
        play.end()
    finally:
        play.driver.is_over = True
        checked.bases = play.bases
