"""What is suspicious in a progress file, what is not, and what cannot be judged here."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

import lab
from lab.exercise.model import Learner
from lab.exercise.progress import Happened, Progress
from lab.exercise.running import Finding
from lab.grading.config import Roster, Settings, owner_of
from lab.grading.grading import grade
from lab.grading.transcripts import read
from tests.unit.handed_in import (
    FIRST,
    KNOWN,
    ME,
    SECOND,
    Replay,
    attend,
    called_right,
    cell,
    graded,
    kinds,
    replayed,
    rewrite,
    roster_of,
)


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    """The progress of a learner with an id and a class token."""
    found = Progress(tmp_path / "tcp-lab")
    found.enrol(ME)
    return found


def test_a_change_by_hand_is_named(progress: Progress) -> None:
    attend(progress, FIRST, wrong=["segments"])
    rewrite(progress, lambda line: {**line, "typed": "3"} if line["event"] == "predicted" else line, seal=False)
    grades = graded(progress)
    assert kinds(grades) == ["altered record"]
    assert dict(grades.rows[0].suspicions[0].values)["line"] == 4


def test_a_prediction_after_its_verdict_does_not_count(progress: Progress) -> None:
    attend(progress, FIRST, wrong=["segments"])
    progress.add(Happened.PREDICTED, FIRST, question="segments", typed="3")
    [transcript] = read(progress.file)
    [attempt] = transcript.works["E01"].attempts
    assert attempt.rounds[0].answers["segments"].typed == "99"


def test_second_verdicts_and_ends_of_an_attempt_do_not_count(progress: Progress) -> None:
    attend(progress, FIRST, wrong=["segments"])
    for number, round_ in enumerate(FIRST.rounds):
        verdicts = {each.id: {"right": True, "kernel": "3"} for each in round_.predict}
        progress.add(Happened.JUDGED, FIRST, round=number, verdicts=verdicts)
    progress.add(Happened.FINISHED, FIRST, attempt=1, solved=True)
    [attempt] = read(progress.file)[0].works["E01"].attempts
    assert (attempt.claims_solved, attempt.rounds[0].answers["segments"].right) == (False, False)


def test_a_verdict_is_true_or_false(progress: Progress) -> None:
    attend(progress, FIRST, wrong=["segments"])
    rewrite(progress, lambda line: json.loads(json.dumps(line).replace('"right": false', '"right": "no"')))
    [attempt] = read(progress.file)[0].works["E01"].attempts
    assert attempt.rounds[0].answers["segments"].right is False


def test_solved_without_its_verdicts_is_not_earned(progress: Progress) -> None:
    attend(progress, FIRST, wrong=["segments"])
    rewrite(progress, lambda line: {**line, "solved": True} if line["event"] == "finished" else line)
    grades = graded(progress)
    assert (kinds(grades), cell(grades).points) == (["unearned verdict"], 0)
    rewrite(progress, lambda line: {**line, "verdicts": {}} if line["event"] == "judged" else line)
    assert kinds(graded(progress)) == ["unearned verdict"]


@pytest.mark.parametrize(
    ("learner", "kind", "key"),
    [
        (Learner("2", "spring"), "foreign learner", "numbers_of_learner"),
        (Learner("1", "autumn"), "foreign class token", "numbers_of_token"),
        (Learner("8", "winter"), "foreign learner", "numbers_of_nobody"),
    ],
)
def test_numbers_of_another_are_named(tmp_path: Path, learner: Learner, kind: str, key: str) -> None:
    """A copied file in which the id or the token was changed, with new digests."""
    progress, other = Progress(tmp_path / "mine"), Progress(tmp_path / "other")
    progress.enrol(learner)
    attend(progress, SECOND)
    other.enrol(Learner("2", "autumn"))
    rewrite(progress, lambda line: {**line, "student": "1", "class": "spring"} if line["event"] == "learner" else line)
    attend(other, FIRST)
    grades = graded(progress, other)
    [row] = [each for each in grades.rows if each.student == "1"]
    assert [(each.kind.value, each.key) for each in row.suspicions] == [(kind, key)]
    assert row.points == 0, "the predictions are those of another"


def test_other_numbers_of_another_version_of_the_lab_are_no_suspicion(progress: Progress) -> None:
    attend(progress, SECOND, environment={"lab": "0.0.1", "kernel": platform.release()})
    change = {"numbers": {"x": 1, "n": 2, "port": 3}}
    rewrite(progress, lambda line: {**line, **change} if line["event"] == "judged" else line)
    grades = graded(progress)
    assert (kinds(grades), [each.key for each in grades.rows[0].unjudged]) == ([], ["other_numbers"])


def test_a_learner_who_is_not_on_the_roster_is_named(progress: Progress) -> None:
    attend(progress, FIRST)
    assert kinds(graded(progress, roster=roster_of("2"))) == ["foreign learner"]
    assert kinds(graded(progress, roster=roster_of("1"), settings=Settings(token="x"))) == ["foreign class token"]


def test_a_file_whose_path_is_that_of_another_is_named(progress: Progress, tmp_path: Path) -> None:
    attend(progress, FIRST)
    roster = Roster(["student", "github"], {id_: {"student": id_, "github": f"user{id_}"} for id_ in ("1", "2")})
    for name, found in (("lab-user1", []), ("lab-user2", ["foreign learner"]), ("lab-user12", [])):
        copy = tmp_path / name / "progress.jsonl"
        copy.parent.mkdir()
        copy.write_bytes(progress.file.read_bytes())
        assert kinds(grade([copy], KNOWN.exercises, Settings(file_column="github"), roster)) == found
    assert owner_of(Path("Ada_user2_submission/x"), roster, "github") == "2"
    assert owner_of(Path("superuser2/x"), roster, "github") is None
    longer = Roster(roster.headings, {**roster.rows, "3": {"student": "3", "github": "lab-user2"}})
    assert owner_of(Path("lab-user2/x"), longer, "github") == "3"


def test_honest_predictions_earn_their_verdicts(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    attend(progress, FIRST, wrong=["segments"])
    attend(progress, FIRST, typed={"segments": "three"})
    attend(progress, SECOND, wrong=["ack"])
    grades = replayed(monkeypatch, Replay(), progress)
    assert (kinds(grades), grades.rows[0].points, grades.rows[0].unjudged) == ([], 1, [])


def test_all_rounds_are_played_however_many_there_are(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.grading.checking._AT_ONCE", 2)
    for exercise in (FIRST, SECOND):
        attend(progress, exercise)
    replay = Replay()
    replayed(monkeypatch, replay, progress)
    assert replay.jobs == len(FIRST.rounds) + len(SECOND.rounds)


def test_a_verdict_that_was_changed_is_not_earned(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    attend(progress, SECOND, wrong=["ack"])
    rewrite(progress, called_right)
    grades = replayed(monkeypatch, Replay(), progress)
    assert (kinds(grades), cell(grades, SECOND).points) == (["unearned verdict"], 0)


def test_a_second_forged_attempt_is_tried_too(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        attend(progress, SECOND, wrong=["ack"])
    rewrite(progress, called_right)
    assert cell(replayed(monkeypatch, Replay(), progress), SECOND).points == 0


def test_a_record_that_the_same_kernel_contradicts_is_altered(
    progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    attend(progress, FIRST)
    grades = replayed(monkeypatch, Replay(segments=4), progress)
    assert (kinds(grades), cell(grades).points) == (["altered record", "unearned verdict"], 0)


@pytest.mark.parametrize("made_by", [{"lab": lab.__version__, "kernel": "5.10.0"}, {"lab": "0", "kernel": "5.10.0"}])
def test_another_answer_of_another_kernel_is_never_wrong(
    progress: Progress, monkeypatch: pytest.MonkeyPatch, made_by: dict[str, str]
) -> None:
    attend(progress, FIRST, environment=made_by)
    grades = replayed(monkeypatch, Replay(segments=4), progress)
    assert (kinds(grades), cell(grades).points) == ([], 1)
    assert [(each.key, each.question) for each in grades.rows[0].unjudged] == [("other_kernel", "segments")]


def test_where_the_kernels_agree_another_kernel_judges(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    attend(progress, FIRST, wrong=["segments"], environment={"lab": lab.__version__, "kernel": "5.10.0"})
    rewrite(progress, called_right)
    assert kinds(replayed(monkeypatch, Replay(), progress)) == ["unearned verdict"]


@pytest.mark.parametrize("finding", [Finding.DIFFERS, Finding.UNTRIED])
def test_what_cannot_be_tried_here_is_no_suspicion(
    progress: Progress, monkeypatch: pytest.MonkeyPatch, finding: Finding
) -> None:
    attend(progress, FIRST)
    grades = replayed(monkeypatch, Replay(finding), progress)
    assert (kinds(grades), cell(grades).points) == ([], 1)
    assert {each.key for each in grades.rows[0].unjudged} == {f"here_{finding.name.lower()}"}
