"""Finds exercises and tracks in `scenarios/exercises`, and exercise files elsewhere."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from lab.author.registry import load_modules
from lab.claims.catalogue import Text, scenarios_folder
from lab.exercise.model import Exercise
from lab.exercise.progress import Progress, Status
from lab.record.results import BrokenFile


class Track(NamedTuple):
    """Exercises in the order in which they are done."""

    id: str
    title: Text
    exercises: tuple[str, ...]


@dataclass(slots=True)
class Catalogue:
    """The exercises that could be loaded, and the files that could not."""

    exercises: dict[str, Exercise] = field(default_factory=dict)
    """By id."""
    broken: list[BrokenFile] = field(default_factory=list)
    tracks: tuple[Track, ...] = ()


def exercises_folder() -> Path:
    """Folder of the lab's exercises."""
    return scenarios_folder() / "exercises"


def load(files: list[Path] | None = None) -> Catalogue:
    """Load these exercise files; without any, those of the lab with their tracks."""
    found = Catalogue()
    listed = files if files is not None else sorted(exercises_folder().glob("*.py"))
    for file, _, module in load_modules([(each, each.resolve()) for each in listed], found.broken):
        exercises = getattr(module, "EXERCISES", None) or (getattr(module, "EXERCISE", None),)
        for exercise in exercises:
            if not isinstance(exercise, Exercise):
                found.broken.append(BrokenFile(file, 1, "it has no EXERCISE = Exercise(...)"))
            elif exercise.id in found.exercises:
                found.broken.append(BrokenFile(file, 1, f"another file has the exercise {exercise.id} already"))
            else:
                found.exercises[exercise.id] = exercise if files is None else replace(exercise, file=file)
    found.exercises = dict(sorted(found.exercises.items()))
    if files is None:
        found.tracks = read_tracks()
    return found


def read_tracks() -> tuple[Track, ...]:
    """The tracks of the lab; no exercise is loaded."""
    read = tomllib.loads((exercises_folder() / "tracks.toml").read_text(encoding="utf-8"))
    return tuple(Track(id_, Text(each["en"], each["zh"]), tuple(each["exercises"])) for id_, each in read.items())


def next_exercise(catalogue: Catalogue, progress: Progress) -> Exercise | None:
    """The exercise to do next: the one that was left, else the first of the first track; those skipped come last."""
    left = catalogue.exercises.get(progress.last or "")
    if left is not None and progress.standing(left.id).is_under_way:
        return left
    for status in (Status.STARTED, Status.NEW, Status.WRONG, Status.SKIPPED):
        for id_ in catalogue.tracks[0].exercises if catalogue.tracks else catalogue.exercises:
            if progress.standing(id_).status is status:
                return catalogue.exercises[id_]
    return None


def template(name: str) -> str:
    """The text of an exercise file to start from, for an exercise of this name."""
    text = Path(__file__).with_name("template.py").read_text(encoding="utf-8")
    return text.replace("TEMPLATE", name.upper())
