"""Exercises as data: those of the lab are good without a run, and what is wrong with an exercise is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.claims.catalogue import Text
from lab.exercise import catalogue
from lab.exercise.catalogue import exercises_folder, load, template
from lab.exercise.judging import judge
from lab.exercise.model import Exercise, Learner, Numbers, Question, Round
from lab.exercise.notation import At
from lab.exercise.verifying import problems_of_data
from lab.report.misconceptions import misconceptions
from tests.unit.test_i18n import texts_of_exercises

KNOWN = load()
ALL = list(KNOWN.exercises.values())


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Exercise:
    """The exercise from which authors start."""
    file = tmp_path_factory.mktemp("exercises") / "example.py"
    file.write_text(template("example"), encoding="utf-8")
    [exercise] = load([file]).exercises.values()
    return exercise


def test_all_files_are_exercises() -> None:
    assert KNOWN.broken == []
    files = {each.run.__code__.co_filename for each in ALL}
    assert files == {str(file) for file in exercises_folder().glob("*.py")}


@pytest.mark.parametrize("exercise", ALL, ids=lambda each: each.id)
def test_the_exercises_of_the_lab_are_good(exercise: Exercise) -> None:
    assert list(problems_of_data(exercise)) == []


def test_tracks_name_exercises_once() -> None:
    for track in KNOWN.tracks:
        assert set(track.exercises) <= set(KNOWN.exercises)
        assert len(set(track.exercises)) == len(track.exercises)


def test_each_misconception_belongs_to_an_exercise() -> None:
    used = {id_ for exercise in ALL for question in exercise.questions for id_ in question.wrong}
    assert set(misconceptions()) == used


def test_the_texts_of_exercises_are_looked_at() -> None:
    wheres = {where for where, _, _ in texts_of_exercises()}
    assert {"E06 title", "misconception own-number", "words right"} <= wheres


def with_question(exercise: Exercise, **changes: object) -> Exercise:
    """The exercise with another first question."""
    [only] = exercise.rounds
    first = replace(only.predict[0], **changes)  # type: ignore[arg-type]
    return replace(exercise, rounds=(replace(only, predict=(first, *only.predict[1:])),))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"hints": ()}, "it has 0 hints, and needs 3"),
        ({"minutes": 0}, "it needs minutes, the section of the article, and a section of the documents"),
        ({"section": "somewhere"}, "it needs minutes, the section of the article, and a section of the documents"),
        ({"rounds": ()}, "it needs one round, or two: the second changes one number"),
        ({"title": Text("A title", "A title in English")}, "title: there is no Chinese text"),
        ({"title": Text("标题", "标题")}, "title: there is no English text"),
        ({"goal": Text("{n} bytes", "字节")}, "goal: English and Chinese name other numbers: ['n'] and []"),
        ({"goal": Text("{m} bytes", "{m} 字节")}, "goal: no number is called 'm'"),
    ],
)
def test_what_is_wrong_with_an_exercise_is_named(example: Exercise, changes: dict[str, object], problem: str) -> None:
    assert list(problems_of_data(example)) == []
    assert problem in list(problems_of_data(replace(example, **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "ack"}, "two of its questions have the same id"),
        ({"known": lambda _: "XY"}, "flags: its answer 'XY' cannot be typed as it is shown"),
        ({"wrong": {"no-such": lambda _: "S"}}, "flags: misconceptions.toml has no 'no-such'"),
        (
            {"wrong": {"ack-with-syn": lambda _: "SA", "syn-again": lambda _: "SA"}},
            "flags: the answer 'SA' is explained by 'ack-with-syn' instead of 'syn-again'",
        ),
    ],
    ids=["same id", "cannot be typed", "unknown misconception", "two for one answer"],
)
def test_what_is_wrong_with_a_question_is_named(example: Exercise, changes: dict[str, object], problem: str) -> None:
    assert list(problems_of_data(with_question(example, **changes))).count(problem) == 1


def test_a_wrong_answer_that_is_right_for_all_numbers_is_named(example: Exercise) -> None:
    found = list(problems_of_data(with_question(example, wrong={"ack-with-syn": lambda _: "A"})))
    assert found
    assert "flags: no typical wrong answer is wrong for" in found[0]


def test_too_few_wrong_answers_are_named(example: Exercise) -> None:
    [only] = example.rounds
    fewer = replace(example, rounds=(replace(only, predict=only.predict[:1]),))
    assert "its predictions have 1 typical wrong answers, and need 3" in list(problems_of_data(fewer))


def test_a_prediction_is_right_wrong_or_wrong_in_a_typical_way(example: Exercise) -> None:
    question = example.questions[1]
    own, truth = Numbers({"x": 10, "n": 5}), At("x", 6)
    assert judge(question, At("x", 6), own, truth) == (True, "")
    assert judge(question, At("x", 5), own, truth) == (False, "syn-not-counted")
    assert judge(question, At("x", 99), own, truth) == (False, "")


def test_the_kernel_is_the_answer_key(example: Exercise) -> None:
    """What the kernel did is right, also where that is a typical wrong answer elsewhere."""
    question = example.questions[1]
    assert judge(question, At("x", 5), Numbers({"x": 10, "n": 5}), At("x", 5)) == (True, "")


def test_numbers_are_the_learners_own(example: Exercise) -> None:
    of = {
        learner: dict(example.numbers(learner))
        for learner in (Learner(), Learner("1"), Learner("2"), Learner("1", "t"))
    }
    assert len({tuple(sorted(each.items())) for each in of.values()}) == len(of)
    assert dict(example.numbers(Learner("1"))) == of[Learner("1")]
    assert dict(example.numbers(Learner("1"), attempt=2)) != of[Learner("1")]
    assert all(of[learner][name] in values for learner in of for name, values in example.draw.items())


def test_the_answers_differ_from_learner_to_learner() -> None:
    for exercise in ALL:  # of a mystery, only the packets and the number of one of them differ
        asked = [(each, question) for each in exercise.rounds for question in each.predict]
        own = [exercise.numbers(Learner(str(student), "class")) for student in range(60)]
        answers = [answers_of(exercise, asked, each) for each in own]
        alike = max(answers.count(each) for each in answers)
        assert alike <= 3 or exercise.id in SAME_FOR_ALL or exercise.mystery, exercise.id


SAME_FOR_ALL = {"E01", "E06", "E10", "E11", "E12", "E15", "E16", "E30", "E48", "E49"}
"""Exercises whose answers are rules: with relative numbers they are the same for all learners."""


def answers_of(exercise: Exercise, asked: list[tuple[Round, Question]], own: Numbers) -> list[object]:
    return [question.known(exercise.numbers_of(each, own)) for each, question in asked]


def test_the_address_family_is_a_number_of_each_round(example: Exercise) -> None:
    own = example.numbers(Learner())
    [only] = example.rounds
    over_ipv6 = example.numbers_of(only, own, 6)
    assert [over_ipv6.family, example.numbers_of(only, over_ipv6).family] == [6, 4]


def test_a_file_without_an_exercise_is_named(tmp_path: Path) -> None:
    for name, text in (
        ("none.py", ""),
        ("broken.py", "nonsense"),
        ("one.py", template("one")),
        ("two.py", template("one")),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = load(sorted(tmp_path.glob("*.py")))
    assert [(each.file.name, each.why) for each in found.broken] == [
        ("broken.py", "NameError: name 'nonsense' is not defined"),
        ("none.py", "it has no EXERCISE = Exercise(...)"),
        ("two.py", "another file has the exercise ONE already"),
    ]
    assert list(found.exercises) == ["ONE"]
    assert catalogue.exercises_folder().is_dir()
