"""The exercises by track, with minutes and progress: as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.exercise.catalogue import Catalogue
from lab.exercise.progress import Progress, Status
from lab.exercise.view import View


def overview_lines(catalogue: Catalogue, progress: Progress, view: View) -> Iterator[str]:
    """The tracks, each with its exercises."""
    for track in catalogue.tracks:
        listed = [catalogue.exercises[id_] for id_ in track.exercises]
        minutes = view.say("minutes", minutes=sum(each.minutes for each in listed))
        solved = sum(progress.standing(each.id).status is Status.SOLVED for each in listed)
        yield from view.paragraph(f"{track.title.of(view.language)}   {solved}/{len(listed)}   {minutes}", "title")
        for each in listed:
            standing = progress.standing(each.id)
            status = view.say(f"status_{standing.status.name.lower()}")
            if standing.solved_version not in (None, each.version):
                status = view.say("solved_before", version=standing.solved_version)
            minutes = view.say("minutes", minutes=each.minutes)
            yield from view.paragraph(f"{each.id}  {each.title.of(view.language)}   {minutes}   {status}", indent=2)


def as_json(catalogue: Catalogue, progress: Progress) -> list[dict[str, Any]]:
    """A row for each exercise of each track."""
    return [
        {
            "id": each.id,
            "track": track.id,
            "title": each.title._asdict(),
            "minutes": each.minutes,
            "section": each.section,
            "article": each.article,
            "version": each.version,
            "questions": [question.id for question in each.questions],
            "status": progress.standing(each.id).status.value,
            "attempt": progress.standing(each.id).attempt,
            "hints": progress.standing(each.id).hints,
        }
        for track in catalogue.tracks
        for each in (catalogue.exercises[id_] for id_ in track.exercises)
    ]
