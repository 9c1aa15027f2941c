"""The runs of a learner, saved beside the progress, from which the summary draws their ladders again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab.author.environment import environment_of, new_run
from lab.exercise.model import Exercise, Round
from lab.exercise.progress import Progress, Standing
from lab.exercise.running import Finding, Played, assess, judged
from lab.exercise.view import View
from lab.record.results import Result
from lab.record.saved.document import Unreadable, lines_of, load
from lab.record.saved.folder import put


def run_file(progress: Progress, exercise: Exercise, attempt: int) -> Path:
    """File of the run of one attempt; `lab show` and `lab report` read it too."""
    return progress.folder / f"{exercise.id}-{attempt}.json"


def save(progress: Progress, exercise: Exercise, attempt: int, results: list[Result]) -> None:
    """Save the rounds of an attempt that were run so far. Raises NotWritable if that fails."""
    run = new_run()
    run.results = results
    run.environment = environment_of(results)
    put(run_file(progress, exercise, attempt), (line.encode() for line in lines_of(run)))


def summary(exercise: Exercise, progress: Progress, view: View) -> Iterator[str]:
    """What an exercise has shown, and the ladders of its last attempt with the predictions beside them."""
    standing = progress.standing(exercise.id)
    yield from view.paragraph(f"{exercise.id}  {exercise.title.of(view.language)}", "title")
    yield from view.paragraph(exercise.learned.of(view.language))
    yield from view.paragraph(view.say(f"status_{standing.status.name.lower()}"))
    for round_, played in _rounds(exercise, progress, standing):
        verdicts = [judged(each, standing.answers.get(each.id), played) for each in round_.predict]
        for page in view.pages(played, verdicts):
            yield from page
    yield ""


def _rounds(exercise: Exercise, progress: Progress, standing: Standing) -> Iterator[tuple[Round, Played]]:
    try:
        results = load(run_file(progress, exercise, standing.attempt)).results
        own = exercise.numbers(standing.learner, standing.attempt)
        for number, (round_, result) in enumerate(zip(exercise.rounds, results, strict=False)):
            played = assess(exercise, number, exercise.numbers_of(round_, own, result.family), result)
            if played.finding is Finding.KNOWN and len(played.truths) == len(round_.questions):
                yield round_, played
    except Unreadable:
        return  # it was not run, or the file is damaged: its ladders are left out
