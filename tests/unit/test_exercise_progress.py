"""The learner's progress: lines that are kept, computed anew each time, and readable by a later version."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.exercise.answers import of_progress
from lab.exercise.catalogue import load, next_exercise
from lab.exercise.model import Learner
from lab.exercise.notebook import run_file
from lab.exercise.progress import FILE, Happened, Progress, Status, Unreadable, first_altered, read_lines
from lab.record.saved.folder import NotWritable

KNOWN = load()
FIRST, SECOND = (KNOWN.exercises[id_] for id_ in KNOWN.tracks[0].exercises[:2])


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(tmp_path / "tcp-lab")


def lines(progress: Progress) -> list[dict[str, Any]]:
    return [json.loads(line) for line in progress.file.read_text().splitlines()]


def test_without_a_file_all_is_new(progress: Progress) -> None:
    assert progress.standing("E06").status is Status.NEW
    assert (progress.learner, progress.last) == (Learner(), None)
    assert not progress.folder.exists()


def test_each_line_has_its_time_and_is_there_for_the_next_process(progress: Progress) -> None:
    progress.add(Happened.STARTED, FIRST, attempt=1)
    progress.add(Happened.PREDICTED, FIRST, attempt=1, question="flags", typed="同步")
    again = Progress(progress.folder)
    assert again.standing(FIRST.id).answers == {"flags": "同步"}
    assert again.last == FIRST.id
    head, *rest = lines(progress)
    assert head == {"format": "tcp-packet-lab progress", "version": 1}
    assert all(each["time"].endswith("+00:00") and each["version"] == FIRST.version for each in rest)


def test_what_another_process_has_added_is_kept(progress: Progress) -> None:
    other = Progress(progress.folder)
    other.enrol(Learner("1", "token"))
    progress.add(Happened.STARTED, FIRST, attempt=1)
    assert progress.learner == Learner("1", "token")
    assert [each.get("event") for each in lines(progress)] == [None, "learner", "started"]


@pytest.mark.parametrize(
    ("happened", "status"),
    [
        ([], Status.NEW),
        ([(Happened.STARTED, {"attempt": 1})], Status.STARTED),
        ([(Happened.STARTED, {"attempt": 1}), (Happened.FINISHED, {"solved": False})], Status.WRONG),
        ([(Happened.STARTED, {"attempt": 1}), (Happened.FINISHED, {"solved": True})], Status.SOLVED),
        ([(Happened.SKIPPED, {})], Status.SKIPPED),
        ([(Happened.GAVE_UP, {})], Status.GIVEN_UP),
        ([(Happened.GAVE_UP, {}), (Happened.FINISHED, {"solved": True})], Status.SOLVED),
        ([(Happened.GAVE_UP, {}), (Happened.FINISHED, {"solved": False})], Status.GIVEN_UP),
        ([(Happened.FINISHED, {"solved": True}), (Happened.STARTED, {"attempt": 2})], Status.SOLVED),
        ([(Happened.FINISHED, {"solved": True}), (Happened.GAVE_UP, {})], Status.SOLVED),
        ([(Happened.FINISHED, {"solved": True}), (Happened.RESET, {})], Status.NEW),
    ],
)
def test_the_status_follows_from_the_lines(
    progress: Progress, happened: list[tuple[Happened, dict[str, Any]]], status: Status
) -> None:
    for each, more in happened:
        progress.add(each, FIRST, **more)
    assert progress.standing(FIRST.id).status is status


def test_a_new_attempt_forgets_the_answers_and_keeps_the_hints(progress: Progress) -> None:
    progress.add(Happened.STARTED, FIRST, attempt=1)
    progress.add(Happened.PREDICTED, FIRST, question="flags", typed="S")
    progress.add(Happened.HINT, FIRST, level=2)
    progress.add(Happened.STARTED, FIRST, attempt=2)
    standing = progress.standing(FIRST.id)
    assert (standing.attempt, standing.answers, standing.hints) == (2, {}, 2)


def test_the_next_exercise_skips_what_is_done_and_comes_back_to_what_was_skipped(progress: Progress) -> None:
    track = [KNOWN.exercises[id_] for id_ in KNOWN.tracks[0].exercises]
    assert next_exercise(KNOWN, progress) is track[0]
    progress.add(Happened.SKIPPED, track[0])
    for each in track[1:-1]:
        assert next_exercise(KNOWN, progress) is each
        progress.add(Happened.FINISHED, each, solved=True)
    progress.add(Happened.GAVE_UP, track[-1])
    assert next_exercise(KNOWN, progress) is track[0]
    progress.add(Happened.FINISHED, track[0], solved=True)
    assert next_exercise(KNOWN, progress) is None


def test_the_next_exercise_is_the_one_that_was_left_whatever_it_was_before(progress: Progress) -> None:
    """Given up, begun again and left: the learner goes on there, as `lab exercise` has promised."""
    for happened in (Happened.STARTED, Happened.GAVE_UP, Happened.STARTED):
        progress.add(happened, SECOND, **({"attempt": 1} if happened is Happened.STARTED else {}))
    assert next_exercise(KNOWN, progress) is SECOND
    progress.add(Happened.HINT, SECOND, level=1)
    assert next_exercise(KNOWN, progress) is SECOND
    progress.add(Happened.FINISHED, SECOND, solved=False)
    assert next_exercise(KNOWN, progress) is FIRST


@pytest.mark.parametrize("end", [Happened.FINISHED, Happened.SKIPPED, Happened.GAVE_UP, Happened.RESET])
def test_an_attempt_is_under_way_until_it_ends(progress: Progress, end: Happened) -> None:
    assert not progress.standing(FIRST.id).is_under_way
    progress.add(Happened.STARTED, FIRST, attempt=1)
    progress.add(Happened.PREDICTED, FIRST, attempt=1, question="flags", typed="S")
    assert progress.standing(FIRST.id).is_under_way
    progress.add(end, FIRST, **({"solved": True} if end is Happened.FINISHED else {}))
    assert not progress.standing(FIRST.id).is_under_way


def test_an_attempt_keeps_the_numbers_of_the_learner_who_began_it(progress: Progress) -> None:
    progress.add(Happened.STARTED, FIRST, attempt=1)
    progress.add(Happened.PREDICTED, FIRST, attempt=1, question="flags", typed="S")
    progress.enrol(Learner("1", "token"))
    assert (progress.standing(FIRST.id).status, of_progress(progress, [FIRST]).typed) == (Status.NEW, [])
    progress.enrol(Learner())
    assert (progress.standing(FIRST.id).is_under_way, progress.standing(FIRST.id).answers) == (True, {"flags": "S"})


def test_an_exercise_of_a_file_is_found_again_by_its_file(progress: Progress) -> None:
    progress.add(Happened.STARTED, replace(FIRST, id="MINE", file=Path("mine.py")), attempt=1)
    assert Progress(progress.folder).last == "mine.py"
    assert next_exercise(KNOWN, progress) is FIRST


def test_it_is_readable_after_a_new_version_of_an_exercise(progress: Progress) -> None:
    progress.add(Happened.PREDICTED, FIRST, question="no longer asked", typed="S")
    progress.add(Happened.FINISHED, replace(FIRST, version=1), solved=True)
    progress.add(Happened.HINT, replace(FIRST, id="gone"), level=1)
    standing = progress.standing(FIRST.id)
    assert (standing.status, standing.solved_version) == (Status.SOLVED, 1)


def test_events_of_a_later_lab_are_passed_over(progress: Progress) -> None:
    progress.add(Happened.SKIPPED, FIRST)
    with progress.file.open("a") as file:
        file.write(json.dumps({"event": "made", "exercise": FIRST.id}) + "\n")
        file.write(json.dumps({"event": "started", "exercise": FIRST.id, "attempt": "two"}) + "\n")
    assert Progress(progress.folder).standing(FIRST.id).status is Status.SKIPPED


HEAD = '{"format": "tcp-packet-lab progress", "version": 1}\n'


@pytest.mark.parametrize(
    "text",
    ["nonsense", "[]", "{}", HEAD.replace("progress", "run"), HEAD.replace("1", "2"), HEAD + '{"no": "event"}',
     HEAD + "[1]", "\ufffd"],
)  # fmt: skip
def test_a_damaged_file_is_named_and_kept(progress: Progress, text: str) -> None:
    progress.folder.mkdir()
    progress.file.write_text(text)
    with pytest.raises(Unreadable, match=FILE):
        Progress(progress.folder)
    assert progress.file.read_text() == text


def test_symbolic_links_are_refused(progress: Progress, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / FILE).write_text(HEAD)
    progress.folder.mkdir()
    progress.file.symlink_to(elsewhere / FILE)
    with pytest.raises(Unreadable, match=FILE):
        Progress(progress.folder)
    progress.file.unlink()
    progress.folder.rmdir()
    progress.folder.symlink_to(elsewhere)
    with pytest.raises(NotWritable, match="symbolic link"):
        progress.add(Happened.SKIPPED, FIRST)
    assert len((elsewhere / FILE).read_text().splitlines()) == 1


def test_whatever_is_typed_can_be_kept(progress: Progress) -> None:
    """Bytes that are no text, and characters that a terminal obeys: the file has them as escapes."""
    typed = "\udc80\x1b[2J\x9b\u202e\n"
    progress.add(Happened.PREDICTED, FIRST, question="flags", typed=typed)
    assert Progress(progress.folder).standing(FIRST.id).answers == {"flags": typed}
    assert progress.file.read_text().replace("\n", "").isprintable()
    assert FIRST.numbers(Learner("\udc80")) != FIRST.numbers(Learner())


def test_each_learner_of_a_shared_folder_has_a_standing_of_their_own(progress: Progress) -> None:
    progress.enrol(Learner("1", "t"))
    progress.add(Happened.FINISHED, FIRST, solved=True)
    assert progress.place == 1
    progress.enrol(Learner("2", "t"))
    assert (progress.standing(FIRST.id).status, progress.last, progress.place) == (Status.NEW, None, 2)
    progress.add(Happened.SKIPPED, SECOND)
    progress.enrol(Learner("1", "t"))
    assert (progress.standing(FIRST.id).status, progress.last, progress.place) == (Status.SOLVED, FIRST.id, 1)
    assert progress.standing(SECOND.id).status is Status.NEW
    assert run_file(progress, FIRST, 1).name == f"{FIRST.id}-1.json"
    progress.enrol(Learner("2", "t"))
    assert run_file(progress, FIRST, 1).name == f"{FIRST.id}-1-learner-2.json"


def test_a_round_that_was_not_judged_is_judged_later(progress: Progress) -> None:
    """A kernel that differs, or a machine that cannot run it, leaves no verdict."""
    progress.add(Happened.STARTED, FIRST, attempt=1)
    progress.add(Happened.JUDGED, FIRST, round=0, finding="could not be tried", verdicts={})
    assert progress.standing(FIRST.id).judged == {}
    progress.add(Happened.JUDGED, FIRST, round=0, finding="as known", verdicts={"flags": {"right": True}})
    assert progress.standing(FIRST.id).judged == {0: {"flags": {"right": True}}}


def test_a_change_by_hand_breaks_the_digests(progress: Progress) -> None:
    progress.enrol(Learner("1", "t"))
    for typed in ("S", "SA", "\udcff同步"):
        progress.add(Happened.PREDICTED, FIRST, question="flags", typed=typed)
    own = read_lines(progress.file)
    assert first_altered(own) is None
    assert first_altered([*own[:2], {**own[2], "typed": "A"}, own[3]]) == 2
    assert first_altered([*own[:2], own[3]]) == 2, "a line is missing"
    assert first_altered([own[0], own[2], own[1], own[3]]) == 1, "two lines are exchanged"
    assert first_altered([*own, {"event": "judged"}]) == 4
    again = Progress(progress.folder)
    again.add(Happened.SKIPPED, FIRST)
    assert first_altered(read_lines(progress.file)) is None
