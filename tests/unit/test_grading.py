"""Grades: which attempt counts, what it costs, whose work it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.exercise.model import Learner
from lab.exercise.progress import Happened, Progress, Status
from lab.grading.config import Settings
from lab.grading.grading import grade
from tests.unit.handed_in import FIRST, KNOWN, ME, SECOND, attend, cell, graded, kinds, rewrite, roster_of


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    """The progress of a learner with an id and a class token."""
    found = Progress(tmp_path / "tcp-lab")
    found.enrol(ME)
    return found


def test_a_solved_exercise_gives_its_points(progress: Progress) -> None:
    attend(progress, FIRST)
    attend(progress, SECOND, wrong=["ack"])
    grades = graded(progress, settings=Settings(weights={"E01": 3, "E07": 2}))
    [row] = grades.rows
    assert (row.points, row.most, row.percent) == (3, 5, 60)
    assert (row.cells["E01"].status, row.cells["E07"].status) == (Status.SOLVED, Status.WRONG)
    assert (row.cells["E07"].right, row.cells["E07"].predictions) == (3, 4)
    assert grades.suspected == []


def test_part_of_the_points_for_part_of_the_predictions_if_the_teacher_wants_that(progress: Progress) -> None:
    attend(progress, SECOND, wrong=["ack"])
    assert cell(graded(progress, settings=Settings(partial=True)), SECOND).points == 0.75


def test_retries_are_counted_up_to_the_solved_one(progress: Progress) -> None:
    attend(progress, FIRST, wrong=["segments"])
    attend(progress, FIRST)
    attend(progress, FIRST, wrong=["segments"])
    settings = Settings(cost={"hint": 0, "attempt": 0.25, "give_up": 0, "late": 1})
    found = cell(graded(progress, settings=settings))
    assert (found.status, found.attempts, found.points) == (Status.SOLVED, 2, 0.75)


def test_a_reset_takes_no_hint_and_no_give_up_back(progress: Progress) -> None:
    for level in (1, 2):
        progress.add(Happened.HINT, FIRST, level=level)
    progress.add(Happened.GAVE_UP, FIRST)
    progress.add(Happened.RESET, FIRST)
    attend(progress, FIRST)
    settings = Settings(cost={"hint": 0.1, "attempt": 0, "give_up": 0.5, "late": 1})
    found = cell(graded(progress, settings=settings))
    assert (found.status, found.hints, found.gave_up, found.points) == (Status.SOLVED, 2, True, 0.3)


def test_giving_up_after_it_was_solved_costs_nothing(progress: Progress) -> None:
    attend(progress, FIRST)
    progress.add(Happened.GAVE_UP, FIRST)
    settings = Settings(cost={"hint": 0, "attempt": 0, "give_up": 1, "late": 1})
    assert cell(graded(progress, settings=settings)).points == 1


@pytest.mark.parametrize(
    ("happened", "status"),
    [(Happened.SKIPPED, Status.SKIPPED), (Happened.GAVE_UP, Status.GIVEN_UP), (Happened.STARTED, Status.STARTED)],
)
def test_what_was_skipped_given_up_or_begun_is_told_apart(
    progress: Progress, happened: Happened, status: Status
) -> None:
    progress.add(happened, FIRST, **({"attempt": 1} if happened is Happened.STARTED else {}))
    assert (cell(graded(progress)).status, cell(graded(progress)).points) == (status, 0)


def test_what_was_skipped_and_done_later_is_done(progress: Progress) -> None:
    progress.add(Happened.SKIPPED, FIRST)
    attend(progress, FIRST)
    assert cell(graded(progress)).status is Status.SOLVED
    progress.add(Happened.SKIPPED, SECOND)
    progress.add(Happened.STARTED, SECOND, attempt=1)
    assert cell(graded(progress), SECOND).status is Status.STARTED


def test_practice_without_an_id_is_passed_over_beside_work_with_one(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "tcp-lab")
    attend(progress, FIRST)
    assert [row.student for row in graded(progress).rows] == [""]
    progress.enrol(ME)
    attend(progress, SECOND)
    assert [row.student for row in graded(progress).rows] == ["1"]


@pytest.mark.parametrize(("cost", "points"), [(1.0, 0), (0.5, 0.5), (0.0, 1)])
def test_what_is_late_costs_what_the_teacher_says(progress: Progress, cost: float, points: float) -> None:
    attend(progress, FIRST)
    late = {"hint": 0, "attempt": 0, "give_up": 0, "late": cost}
    before = Settings(deadline=datetime.now(UTC) - timedelta(hours=1), cost=late)
    after = Settings(deadline=datetime.now(UTC) + timedelta(hours=1), cost=late)
    assert (cell(graded(progress, settings=before)).late, cell(graded(progress, settings=after)).late) == (True, False)
    assert cell(graded(progress, settings=before)).points == points
    assert cell(graded(progress, settings=after)).points == 1


def test_a_time_that_cannot_be_read_is_late(progress: Progress) -> None:
    attend(progress, FIRST)
    rewrite(progress, lambda line: {**line, "time": "yesterday"})
    assert cell(graded(progress, settings=Settings(deadline=datetime.now(UTC) + timedelta(days=1)))).late


def test_learners_of_the_roster_without_a_file_have_a_row(progress: Progress) -> None:
    attend(progress, FIRST)
    grades = graded(progress, roster=roster_of("1", "2"))
    assert [(row.student, row.points, len(row.files)) for row in grades.rows] == [("1", 1, 1), ("2", 0, 0)]
    assert kinds(grades) == []


def test_each_learner_of_a_shared_computer_has_a_row(progress: Progress) -> None:
    attend(progress, FIRST)
    progress.enrol(Learner("2", "spring"))
    attend(progress, FIRST, wrong=["segments"])
    grades = graded(progress, roster=roster_of("1", "2"), settings=Settings(token="spring"))
    assert [(row.student, row.points) for row in grades.rows] == [("1", 1), ("2", 0)]
    assert kinds(grades) == []


def test_work_under_a_misspelt_id_or_token_is_passed_over_if_there_is_other_work(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "tcp-lab")
    for learner in (Learner(), Learner("l", "spring"), Learner("1", "Spring"), ME):
        progress.enrol(learner)
        attend(progress, FIRST)
    grades = graded(progress, roster=roster_of("1"), settings=Settings(token="spring"))
    assert ([row.student for row in grades.rows], kinds(grades)) == (["1"], [])


def test_of_a_file_and_its_later_copy_the_later_one_counts(progress: Progress, tmp_path: Path) -> None:
    attend(progress, FIRST, wrong=["segments"])
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_bytes(progress.file.read_bytes())
    attend(progress, FIRST)
    grades = grade([earlier, progress.file], KNOWN.exercises, Settings(), None)
    assert [row.files for row in grades.rows] == [[progress.file]]
    assert cell(grades).attempts == 2


def test_after_a_lost_file_the_best_of_both_counts(progress: Progress, tmp_path: Path) -> None:
    attend(progress, FIRST)
    attend(progress, SECOND, wrong=["ack"])
    again = Progress(tmp_path / "again")
    again.enrol(ME)
    attend(again, FIRST, wrong=["segments"])
    attend(again, SECOND)
    [row] = graded(progress, again).rows
    assert (row.points, len(row.files), row.suspicions) == (2, 2, [])


def test_what_was_done_in_an_older_version_counts_and_is_told(progress: Progress) -> None:
    attend(progress, FIRST, version=FIRST.version - 1)
    grades = graded(progress)
    assert (cell(grades).points, kinds(grades)) == (1, [])
    assert [each.key for each in grades.rows[0].unjudged] == ["other_version"]


def test_the_misconceptions_of_the_class_are_counted_by_learner(progress: Progress, tmp_path: Path) -> None:
    for _ in range(2):
        attend(progress, FIRST, wrong=["segments"])
    other = Progress(tmp_path / "other")
    other.enrol(Learner("2"))
    attend(other, FIRST, wrong=["segments"])
    attend(other, SECOND, wrong=["ack"])
    [(first, most), (_, fewer)] = graded(progress, other).misconceptions
    assert (first, most, fewer) == (next(iter(FIRST.questions[0].wrong)), 2, 1)
