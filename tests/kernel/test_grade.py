"""`lab grade` against the real kernel: a class of sixty, whose files the real program has written."""

from __future__ import annotations

import builtins
import csv
import io
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.author.runner import Runner
from lab.cli.lesson import Lesson
from lab.exercise.catalogue import exercises_folder, load
from lab.exercise.model import Learner
from lab.exercise.progress import FILE, FORMAT, Happened, Progress, sealed
from lab.exercise.running import Finding, Job, play_all
from lab.exercise.view import View
from lab.grading.config import read_roster, read_settings
from lab.report.screen import Screen
from tests.kernel.helpers import COMMAND, ROOT, environment, run_lab
from tests.kernel.test_exercise import right_answers
from tests.kernel.test_exercise_prompt import typed
from tests.kernel.test_readme import blocks

KNOWN = load()
DONE = ("E07",)
"""Exercises that the class does; its answers are numbers of one's own."""
TOKEN = "spring"
STUDENTS = [f"2026{number:03}" for number in range(1, 61)]
Lines = list[dict[str, Any]]


def attend(folder: Path, learner: Learner, answers: dict[str, dict[str, str]], runner: Runner) -> Path:
    """Work through exercises at the prompt as this learner, who types these answers. Returns the progress file."""
    lines = [line for id_, each in answers.items() for line in typed(KNOWN.exercises[id_], each)]
    waiting = iter(lines)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(builtins, "input", lambda _: next(waiting))
        patched.setattr("lab.cli.lesson.playing", nullcontext)  # no scenario here closes the output
        patched.setattr(Lesson, "print", lambda _, lines: list(lines))
        lesson = Lesson(View(Screen(), 100), Progress(folder), 4, lambda: runner)
        lesson.enrol(learner.student, learner.token)
        for id_ in answers:
            lesson.teach(KNOWN.exercises[id_])
    assert next(waiting, None) is None
    return folder / FILE


def wrong_answers(learner: Learner) -> dict[str, dict[str, str]]:
    """True answers, but for one of E07."""
    answers = {id_: right_answers(KNOWN.exercises[id_], learner) for id_ in DONE}
    own = KNOWN.exercises["E07"].numbers(learner)
    return {**answers, "E07": {**answers["E07"], "ack": str(own.x)}}


def true_answers(learner: Learner) -> dict[str, dict[str, str]]:
    return {id_: right_answers(KNOWN.exercises[id_], learner) for id_ in DONE}


def lines_of(file: Path) -> Lines:
    return [json.loads(line) for line in file.read_text().splitlines()[1:]]


def write(file: Path, lines: Sequence[dict[str, Any]], *, seal: bool) -> None:
    """Write a changed file: as somebody who makes the digests anew, or who knows nothing of them."""
    kept: Lines = []
    for line in lines:
        kept.append(sealed(line, kept) if seal else line)
    head = {"format": FORMAT, "version": 1}
    file.write_text("".join(f"{json.dumps(line)}\n" for line in (head, *kept)))


def judged(lines: Lines, exercise: str, round_: int = 0) -> dict[str, Any]:
    """The line with the verdicts of a round."""
    return next(
        each
        for each in lines
        if (each["event"], each.get("exercise"), each.get("round")) == (Happened.JUDGED.value, exercise, round_)
    )


def called_right(lines: Lines) -> None:
    """The wrong prediction gets the verdict right."""
    judged(lines, "E07")["verdicts"]["ack"].update(right=True, misconception="")
    next(each for each in lines if (each["event"], each.get("exercise")) == ("finished", "E07"))["solved"] = True


def kernel_called_wrong(lines: Lines) -> None:
    """The record has the kernel answer what was predicted."""
    prediction = next(each for each in lines if each.get("question") == "ack" and each["event"] == "predicted")
    judged(lines, "E07")["verdicts"]["ack"]["kernel"] = prediction["typed"]
    called_right(lines)


def prediction_improved(lines: Lines) -> None:
    """What was typed is what the kernel answered."""
    prediction = next(each for each in lines if each.get("question") == "ack" and each["event"] == "predicted")
    prediction["typed"] = judged(lines, "E07")["verdicts"]["ack"]["kernel"]
    called_right(lines)


def renamed(student: str) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        lines[0]["student"] = student

    return change


def with_token(lines: Lines) -> None:
    lines[0]["class"] = TOKEN


CHEATS: dict[str, tuple[str, bool, Callable[[Lines], None] | None, Learner | None, bool]] = {
    # student  kind                  sealed  change               who did the work              by wrong answers
    "2026005": ("unearned verdict", False, called_right, None, True),
    "2026011": ("unearned verdict", True, called_right, None, True),
    "2026017": ("altered record", False, prediction_improved, None, True),
    "2026023": ("altered record", True, kernel_called_wrong, None, True),
    "2026029": ("foreign learner", True, renamed("2026029"), Learner("2026030", TOKEN), False),
    "2026035": ("foreign learner", False, renamed("2026999"), None, False),
    "2026041": ("foreign class token", True, None, Learner("2026041", "autumn"), False),
    "2026047": ("foreign class token", True, with_token, Learner("2026047", "autumn"), False),
}
"""Two of each kind: what is wrong with the file of a student."""


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of sixty learners, a third of whom have predicted something wrong."""
    folder = tmp_path_factory.mktemp("class")
    runner = Runner()
    for number, student in enumerate(STUDENTS):
        _, seal, change, by, is_wrong = CHEATS.get(student, ("", True, None, None, number % 3 == 0))
        learner = by or Learner(student, TOKEN)
        answers = wrong_answers(learner) if is_wrong else true_answers(learner)
        file = attend(folder / student, learner, answers, runner)
        if change is not None:
            lines = lines_of(file)
            change(lines)
            write(file, lines, seal=seal)
    runner.close()
    names = "".join(f"{student},Learner {student[-2:]}\n" for student in STUDENTS)
    (folder / "roster.csv").write_text(f"student,name\n{names}")
    (folder / "class.toml").write_text(f'class = "{TOKEN}"\n')
    return folder


def grade(folder: Path, *options: str | Path) -> list[dict[str, str]]:
    """The rows of the CSV file."""
    settings = ("--roster", folder / "roster.csv", "--config", folder / "class.toml")
    done = run_lab("grade", folder, *settings, *options, "--csv", "-", cwd=folder)
    assert "Traceback" not in done.stderr
    return rows_of(done.stdout)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def replayed(handed_in: Path) -> list[dict[str, str]]:
    """The rows after the predictions were played again."""
    return grade(handed_in, "--rerun")


def test_eight_of_sixty_files_are_named_and_none_of_the_others(replayed: list[dict[str, str]]) -> None:
    named = {row["student"]: row["suspicions"] for row in replayed if row["suspicions"]}
    # The one who has taken an id that is not on the roster has a row under that id.
    expected = {student if student != "2026035" else "2026999": kind for student, (kind, *_) in CHEATS.items()}
    assert named.keys() == expected.keys()
    assert {student: kind for student, kind in expected.items() if kind not in named[student]} == {}
    honest = {row["student"]: row["points"] for row in replayed if row["student"] in set(STUDENTS) - CHEATS.keys()}
    assert honest == {
        student: "0" if number % 3 == 0 else "1" for number, student in enumerate(STUDENTS) if student not in CHEATS
    }


def test_a_verdict_that_is_not_earned_gives_no_points(replayed: list[dict[str, str]]) -> None:
    points = {row["student"]: row["E07"] for row in replayed}
    assert [points[student] for student, (kind, *_) in CHEATS.items() if kind == "unearned verdict"] == ["0", "0"]
    assert (points["2026023"], points["2026029"], points["2026047"]) == ("0", "0", "0")
    assert points["2026041"] == "1", "the work is that of the learner; the teacher decides about the token"


def test_without_a_rerun_what_the_files_tell_by_themselves_is_named(handed_in: Path) -> None:
    named = {row["student"]: row["suspicions"] for row in grade(handed_in) if row["suspicions"]}
    assert named.keys() == {"2026005", "2026017", "2026029", "2026999", "2026041", "2026047"}
    assert named["2026029"] == "foreign learner"


def test_the_names_are_on_the_terminal_too(handed_in: Path) -> None:
    settings = ("--roster", handed_in / "roster.csv", "--config", handed_in / "class.toml")
    done = run_lab("grade", handed_in, *settings, cwd=handed_in)
    assert done.returncode == 1
    assert "The numbers in the record are those of 2026030." in done.stdout
    assert "The numbers in the record are those of the class token autumn." in done.stdout
    assert re.search(r"^2026001 +✗ +0 of 1 points +0 % +Learner 01$", done.stdout, re.MULTILINE), done.stdout


def test_rounds_side_by_side_have_their_own_numbers_and_address_family() -> None:
    exercise, runner = KNOWN.exercises["E08"], Runner()  # the MSS depends on the family
    jobs = [
        Job(exercise, number, exercise.numbers(Learner(student)), family)
        for student in STUDENTS[:2]
        for family in (6, 4)
        for number in range(len(exercise.rounds))
    ]
    for job, played in zip(jobs, play_all(runner, jobs), strict=True):
        assert played is not None
        assert (played.finding, played.result.family) == (Finding.KNOWN, job.family), played.result.summary
        own = exercise.numbers_of(exercise.rounds[job.number], job.own, job.family)
        assert dict(played.own) == dict(own)
        for question in exercise.rounds[job.number].predict:
            assert played.truths[question.id].value == question.known(own)
    runner.close()


def test_no_link_is_followed_and_no_file_is_read_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "page.html").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "empty").mkdir()
    for arguments, code, said in (
        (("pipe.jsonl", "--html", "page.html"), 2, "cannot write page.html: it is a symbolic link"),
        (("pipe.jsonl", "--csv", "page.html"), 2, "cannot write page.html: it is a symbolic link"),
        (("empty",), 2, "There is no progress file"),
        (("page.html",), 3, "page.html: "),
        (("pipe.jsonl",), 3, "pipe.jsonl: it has no work of a learner"),
        (("/dev/zero",), 3, "it is too large"),
    ):
        done = run_lab("grade", *arguments, cwd=tmp_path)
        assert (done.returncode, said in done.stdout + done.stderr) == (code, True), (arguments, done)
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "elsewhere").exists()


TEACHERS = (exercises_folder() / "TEACHERS.md", exercises_folder() / "TEACHERS.zh.md")


@pytest.mark.parametrize("document", TEACHERS, ids=["en", "zh"])
def test_the_commands_of_the_page_for_teachers_grade_a_class(document: Path, tmp_path: Path) -> None:
    """From nothing to a graded class: a learner at the prompt, the files of the page, and its two calls."""
    text = document.read_text(encoding="utf-8")
    start, plain, again = re.findall(r"^\$ (?:sudo )?scripts/lab (.*)$", text, re.MULTILINE)
    for student, predicted in (("2026001", "3"), ("2026002", "4")):
        folder = tmp_path / "handed-in" / student
        folder.mkdir(parents=True)
        lines = f"{predicted}\n\n2\n2\n\nquit\n"
        done = run_lab(*start.replace("2026001", student).split(), cwd=folder, typed=lines)
        assert done.returncode == 0, done.stderr
    (tmp_path / "class.csv").write_text(blocks(document, "csv")[0])
    (tmp_path / "class.toml").write_text(blocks(document, "toml")[0])
    for call in (plain, again):
        done = run_lab(*call.split(), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f'data-lang="{document.stem.partition(".")[2] or "en"}"' in (tmp_path / "grades.html").read_text()
    rows = rows_of((tmp_path / "grades.csv").read_text())
    assert [(row["name"], row["E01"]) for row in rows] == [("Ada", "1"), ("Bob", "0"), ("Eve", "0")]
    assert {row["most"] for row in rows} == {"3"}


@pytest.mark.parametrize("document", TEACHERS, ids=["en", "zh"])
def test_the_settings_of_the_page_for_teachers_fit_the_exports_that_it_names(document: Path, tmp_path: Path) -> None:
    heads = [
        "student,name,email",
        "student,email",
        "Student,ID,SIS User ID,SIS Login ID,Section",
        "identifier,github_username",
    ]
    for head, block in zip(heads, blocks(document, "toml"), strict=True):
        (tmp_path / "class.toml").write_text(block)
        (tmp_path / "class.csv").write_text(f"{head}\n")
        read_roster(tmp_path / "class.csv", read_settings(tmp_path / "class.toml", KNOWN.exercises))


def test_both_pages_for_teachers_have_the_same_files_and_commands() -> None:
    english, chinese = (each.read_text(encoding="utf-8") for each in TEACHERS)
    assert [each.split("#")[0].rstrip() for each in "".join(blocks(TEACHERS[0], "toml")).splitlines()] == [
        each.split("#")[0].rstrip() for each in "".join(blocks(TEACHERS[1], "toml")).splitlines()
    ]
    assert blocks(TEACHERS[0], "csv") == blocks(TEACHERS[1], "csv")
    assert english.count("\n| ") == chinese.count("\n| ")
    assert english.count("\n## ") == chinese.count("\n## ")


def test_the_workflow_for_github_classroom_judges_the_answers(tmp_path: Path) -> None:
    """It is a workflow with pinned actions, and its command judges right answers and wrong ones."""
    workflow = yaml.safe_load((exercises_folder() / "classroom.yml").read_text())
    [job] = workflow["jobs"].values()
    assert workflow[True] == {"push": None, "workflow_dispatch": None}  # YAML 1.1 reads "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    ours = (ROOT / ".github/workflows/ci.yml").read_text()
    assert [each for each in uses if not re.search(r"@[0-9a-f]{40}$", each) or each not in ours] == []
    [judging] = [step for step in job["steps"] if "exercise check" in step.get("run", "")]
    script = judging["run"].replace("sudo tcp-packet-lab/scripts/lab", shlex.join(COMMAND))
    for predicted, code in (("3", 0), ("4", 1)):
        (tmp_path / "answers.toml").write_text(f"[E01]\nsegments = {predicted}\nsegments_when_refused = 2\n")
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],  # as a runner calls it
            cwd=tmp_path, env={**environment(), **judging["env"]}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert (tmp_path / "verdicts.xml").exists()
