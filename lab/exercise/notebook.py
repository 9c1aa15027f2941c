"""The runs of a learner, saved beside the progress, from which the summary draws their ladders again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import lab
from lab.author.environment import environment_of, new_run
from lab.exercise.model import Exercise, Round
from lab.exercise.progress import Progress, Standing
from lab.exercise.running import Finding, Played, assess, judged
from lab.exercise.view import View
from lab.record.results import Result
from lab.record.saved.document import Unreadable, lines_of, load
from lab.record.saved.folder import put
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Kind, Ladder

_MOST_SEGMENTS = 200
"""Most segments of a run in the progress file."""


def run_file(progress: Progress, exercise: Exercise, attempt: int) -> Path:
    """File of the run of one attempt; `lab show` and `lab report` read it too.

    Its name has the place of the learner, if that is not the first who has worked in the folder.
    """
    learner = f"-learner-{progress.place}" if progress.place > 1 else ""
    return progress.folder / f"{exercise.id}-{attempt}{learner}.json"


def transcript(played: Played, family: int) -> dict[str, object]:
    """What the progress file keeps of a run, so that it can be graded without the file of the run."""
    recording = played.result.recording
    environment = {"lab": lab.__version__, **environment_of([played.result])}
    del environment["sysctls"]  # they are those of the lab
    return {
        "family": family,
        "numbers": dict(played.own),
        "environment": environment,
        "segments": list(_segments(ladder_of(recording))) if recording is not None else [],
    }


def _segments(ladder: Ladder) -> Iterator[str]:
    """The segments in the order of the ladder, with relative numbers: "> S 0:0(0) win 65535" is the peer's."""
    segments = (rung for rung in ladder.rungs if rung.kind is Kind.SEGMENT)
    for rung in islice(segments, _MOST_SEGMENTS):
        yield f"{'>' if rung.from_peer else '<'} {rung.letters} {rung.text}"


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
        own = exercise.numbers(progress.learner, standing.attempt)
        for number, (round_, result) in enumerate(zip(exercise.rounds, results, strict=False)):
            played = assess(exercise, number, exercise.numbers_of(round_, own, result.family), result)
            if played.finding is Finding.KNOWN and len(played.truths) == len(round_.questions):
                yield round_, played
    except Unreadable:
        return  # it was not run, or the file is damaged: its ladders are left out
