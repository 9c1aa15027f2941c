"""`lab exercise` against the real kernel: files of answers, verdicts that are never mixed, authors, the guides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab.exercise.catalogue import exercises_folder, load
from lab.exercise.model import Exercise, Learner
from tests.kernel.helpers import ROOT, run_lab
from tests.kernel.test_readme import blocks

KNOWN = load()
STUDENT = ("--student", "2026001", "--class", "spring")
ME = Learner("2026001", "spring")
NOBODY = Learner()


def right_answers(exercise: Exercise, learner: Learner = NOBODY, attempt: int = 1) -> dict[str, str]:
    """What this learner has to type, by question."""
    own = exercise.numbers(learner, attempt)
    return {
        question.id: question.kind.show(question.known(exercise.numbers_of(each, own)))
        for each in exercise.rounds
        for question in each.questions
    }


def answers_file(folder: Path, answers: Mapping[str, Mapping[str, str]], learner: Learner = NOBODY) -> Path:
    tables = [f'student = "{learner.student}"\nclass = "{learner.token}"\n']
    for id_, table in answers.items():
        tables += [f"[{id_}]\n", *(f'{name} = "{text}"\n' for name, text in table.items())]
    (folder / "answers.toml").write_text("".join(tables))
    return folder / "answers.toml"


def test_each_exercise_is_good() -> None:
    """Over IPv4 here; the weekly workflow verifies all over both families, and under other kernels."""
    done = run_lab("exercise", "verify", "-4")
    good = [f"good  {id_}  {exercise.title.en}" for id_, exercise in KNOWN.exercises.items() if 4 in exercise.families]
    assert done.stdout.splitlines() == good, done.stderr
    assert done.returncode == 0


def test_true_answers_pass(tmp_path: Path) -> None:
    answers = {id_: right_answers(exercise, ME) for id_, exercise in KNOWN.exercises.items()}
    done = run_lab("exercise", "check", "--answers", answers_file(tmp_path, answers, ME), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "wrong   you: " not in done.stdout
    assert done.stdout.count("right   you: ") == sum(map(len, answers.values()))
    assert not (tmp_path / "tcp-lab").exists(), "a file of answers leaves the progress alone"


def test_a_form_can_be_filled_in(tmp_path: Path) -> None:
    form = run_lab("exercise", "form", *STUDENT, cwd=tmp_path).stdout
    (tmp_path / "answers.toml").write_text(form)
    empty = run_lab("exercise", "check", "E07", "E36", "--answers", "answers.toml", cwd=tmp_path)
    assert (empty.returncode, "E01" in empty.stdout) == (1, False)
    for id_, exercise in KNOWN.exercises.items():
        head, table, rest = form.partition(f"[{id_}]\n")
        answers = right_answers(exercise, ME)
        for name in (question.id for each in exercise.rounds for question in each.predict):
            rest = rest.replace(f'\n{name} = ""\n', f'\n{name} = "{answers[name]}"\n', 1)
        form = head + table + rest
    (tmp_path / "answers.toml").write_text(form)
    done = run_lab("exercise", "check", "--answers", "answers.toml", cwd=tmp_path)
    unanswered = re.findall(r"^ +no answer$", done.stdout, re.MULTILINE)
    assert (done.returncode, unanswered) == (0, []), done.stdout


def test_the_answers_of_a_neighbour_are_wrong(tmp_path: Path) -> None:
    answers = {"E07": right_answers(KNOWN.exercises["E07"], Learner("2026002", "spring"))}
    file = answers_file(tmp_path, answers)
    done = run_lab("exercise", "check", "--answers", file, *STUDENT, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("wrong   you: ") == 2


def test_wrong_answers_are_explained(tmp_path: Path) -> None:
    exercise = KNOWN.exercises["E07"]
    own = exercise.numbers(Learner())
    answers = {**right_answers(exercise), "ack": str(own.x), "data_ack": str(own.x + 1 + own.n), "flags": "ack"}
    junit = tmp_path / "verdicts.xml"
    file = answers_file(tmp_path, {"E07": answers})
    done = run_lab("exercise", "check", "--answers", file, "--junit", junit, cwd=tmp_path)
    assert done.returncode == 1
    failed = {case.get("name"): case.find("failure") for case in ET.parse(junit).iter("testcase")}
    kinds = {name: each.get("type") if each is not None else None for name, each in failed.items()}
    assert kinds == {
        "flags": "syn-is-answered-by-ack-only",
        "ack": "syn-not-counted",
        "data_ack": "not-wrapped",
        "kernel_seq": None,
        "ack_after_the_last": None,
    }
    assert "A SYN takes up one sequence number" in done.stdout
    in_chinese = run_lab("exercise", "check", "--answers", file, "--lang", "zh", cwd=tmp_path)
    assert "SYN 不携带数据，但占用一个序列号" in in_chinese.stdout


def test_what_is_not_answered_is_not_right(tmp_path: Path) -> None:
    file = answers_file(tmp_path, {"E07": {"flags": "SA"}})
    done = run_lab("exercise", "check", "--answers", file, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("no answer") == 3
    own = KNOWN.exercises["E07"].numbers(NOBODY)
    assert str(own.x + 1) not in done.stdout, "the answer is not given away"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[E077]\n", "there is no exercise 'E077'; did you mean E07?"),
        ("[E07]\nflag = 'S'\n", "E07 has no question 'flag'; did you mean flags?"),
        ("E07 = 'S'\n", "E07 must be a table: [E07]"),
        ("[E07", "answers.toml: it is not TOML: Expected ']'"),
        ("[E07]\nack = '\xff'\n", "answers.toml: it is not UTF-8"),
        ("", "answers.toml: there are no answers in it"),
    ],
)
def test_a_file_of_answers_that_is_wrong_is_wrong_usage(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "answers.toml").write_text(text, encoding="latin-1")
    done = run_lab("exercise", "check", "--answers", tmp_path / "answers.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


DIFFERENT = 'peer.expect("A", seq=1, ack=1 + own.n)', 'peer.expect("A", seq=1, ack=2 + own.n)'
UNKNOWN = 'known=lambda own: At("x", 1 + own.n)', 'known=lambda own: At("x", 2 + own.n)'
CANNOT = "    server = lab", '    lab.kernel.sysctl("net.ipv4.no_such_setting")\n    server = lab'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (DIFFERENT, "This kernel did something else than it is known to do. Your predictions are not judged."),
        (UNKNOWN, "This kernel did something else than it is known to do. Your predictions are not judged."),
        (CANNOT, "This could not be tried here, so your predictions are not judged: this kernel has no sysctl"),
    ],
    ids=["in the scenario", "in the answer", "cannot be tried"],
)
def test_a_kernel_that_differs_is_no_wrong_prediction(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """Three outcomes that are never mixed: a wrong prediction (1), a kernel that differs, and what cannot run (3)."""
    run_lab("exercise", "new", "mine", cwd=tmp_path)
    file = tmp_path / "mine.py"
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change))
    answers = answers_file(tmp_path, {"MINE": {"flags": "F", "ack": "x"}})
    done = run_lab("exercise", "check", "mine.py", "--answers", answers, cwd=tmp_path)
    assert done.returncode == 3
    assert said in " ".join(done.stdout.split())
    assert "wrong   you:" not in done.stdout


def test_a_timer_that_a_busy_machine_delays_is_neither_a_wrong_prediction_nor_a_kernel_that_differs(
    tmp_path: Path,
) -> None:
    run_lab("exercise", "new", "mine", cwd=tmp_path)
    file = tmp_path / "mine.py"
    late = (
        'class Late:\n    field = "time"\n\n    def __call__(self, _: object) -> Seen:\n        return Seen("S", 0)\n'
    )
    text = file.read_text().replace("import Exercise, Numbers", "import Exercise, Numbers, Seen")
    text = text.replace('seen=OfSegment(2, "flags")', "seen=Late()").replace("EXERCISE = ", f"{late}\n\nEXERCISE = ")
    file.write_text(text)
    answers = answers_file(tmp_path, {"MINE": {"flags": "A", "ack": "x"}})
    done = run_lab("exercise", "check", "mine.py", "--answers", answers, cwd=tmp_path)
    assert done.returncode == 3
    assert "predictions are not judged: this machine is too busy: a timer of the kernel was" in " ".join(
        done.stdout.split()
    )


def test_a_new_exercise_is_good_and_no_file_is_overwritten(tmp_path: Path) -> None:
    assert run_lab("exercise", "new", "mine", cwd=tmp_path).returncode == 0
    done = run_lab("exercise", "verify", "mine.py", "-4", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("good  MINE  Data is acknowledged\n", 0)
    again = run_lab("exercise", "new", "mine", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (2, "mine.py exists already\n")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (DIFFERENT, "IPv4: round 1: kernel differs: the expectation did not hold"),
        (
            ('seen=OfSegment(2, "flags")', 'seen=lambda _: Seen("A", 0)'),
            "IPv4: flags: no altered reading of the kernel",
        ),
        (('lambda _: "A"', 'lambda _: "R"'), "IPv4: value: expected RST, got ACK\n"),
    ],
    ids=["the kernel differs", "the kernel is not looked at", "the known answer is wrong"],
)
def test_an_exercise_that_is_not_good_is_named(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    run_lab("exercise", "new", "mine", cwd=tmp_path)
    text = (tmp_path / "mine.py").read_text().replace("import Exercise, Numbers", "import Exercise, Numbers, Seen")
    (tmp_path / "mine.py").write_text(text.replace(*change))
    done = run_lab("exercise", "verify", "mine.py", "-4", cwd=tmp_path)
    assert done.returncode == 1
    assert problem in done.stdout


def test_a_round_that_is_not_for_this_kernel_is_no_fault_of_the_exercise(tmp_path: Path) -> None:
    run_lab("exercise", "new", "mine", cwd=tmp_path)
    text = (tmp_path / "mine.py").read_text().replace("import Lab\n", "import Lab, NotApplicable\n")
    text = text.replace("    server = lab", '    raise NotApplicable("it lacks something")\n    server = lab')
    (tmp_path / "mine.py").write_text(text)
    done = run_lab("exercise", "verify", "mine.py", "-4", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("good  MINE  Data is acknowledged\n", 0)
    assert done.stderr == "MINE, IPv4: round 1 is not for this kernel: it lacks something\n"


def test_authors_are_told_in_chinese(tmp_path: Path) -> None:
    chinese = "--lang", "zh"
    made = run_lab("exercise", "new", "mine", *chinese, cwd=tmp_path)
    assert made.stdout.splitlines()[1:] == [
        "验证：  lab exercise verify mine.py",
        "试做：  lab exercise start mine.py",
    ]
    good = run_lab("exercise", "verify", "mine.py", "-4", *chinese, cwd=tmp_path)
    assert good.stdout == "合格  MINE  数据得到确认\n"
    text = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(text.replace(*DIFFERENT))
    differs = run_lab("exercise", "verify", "mine.py", "-4", *chinese, cwd=tmp_path)
    assert differs.stdout.startswith("不合格  MINE  数据得到确认\n      在 IPv4 上：第 1 轮：内核的行为不同：")
    (tmp_path / "mine.py").write_text(
        text.replace("minutes=5", "minutes=0").replace('"会说出内核如何确认数据。"', '""')
    )
    data = run_lab("exercise", "verify", "mine.py", *chinese, cwd=tmp_path)
    assert data.stdout.splitlines()[1:] == ["      它需要分钟数、文章的章节和文档的章节", "      目标：没有中文文本"]


def test_the_exercise_of_the_guide_is_good(tmp_path: Path) -> None:
    [block] = blocks(exercises_folder() / "README.md", "python")
    (tmp_path / "refused.py").write_text(block)
    done = run_lab("exercise", "verify", "refused.py", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("good  REFUSED  Nobody listens\n", 0)


def test_the_answers_of_the_readme_are_right(tmp_path: Path) -> None:
    [block] = blocks(ROOT / "README.md", "toml")
    (tmp_path / "answers.toml").write_text(block)
    done = run_lab("exercise", "check", "--answers", "answers.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout.count("right   you: ")) == (0, 2)


def test_the_commands_of_the_readme_work_one_after_the_other(tmp_path: Path) -> None:
    """As a learner types them who has answered one question, and gives up."""
    (tmp_path / "FILE.toml").write_text(blocks(ROOT / "README.md", "toml")[0])
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^\| `lab (exercise .*?)` \|", text, re.MULTILINE)
    assert {command.split()[1] for command in commands} == learners_commands()
    for command in commands:
        done = run_lab(*command.split(), cwd=tmp_path, typed="SA\n")
        assert (done.returncode, done.stderr) == (1 if command == "exercise check" else 0, ""), (command, done.stdout)
    for option in re.findall(r"`(--?[a-z0-9]+)", text.partition("| `lab exercise start")[2].partition("\n|")[0]):
        assert option in run_lab("exercise", "start", "-h").stdout


def learners_commands() -> set[str]:
    """All commands below `lab exercise` but those for authors."""
    listed = re.search(r"^Commands:\n(.*?)\n\n", run_lab("exercise", "-h").stdout, re.MULTILINE | re.DOTALL)
    assert listed is not None
    return set(re.findall(r"^  (\S+)", listed[1], re.MULTILINE)) - {"new", "verify"}


def test_the_guide_in_chinese_has_the_same_code_and_words() -> None:
    english, chinese = (exercises_folder() / name for name in ("README.md", "README.zh.md"))
    assert blocks(chinese, "python") == blocks(english, "python")
    first = re.compile(r"^\| (`.*?`) \|", re.MULTILINE)
    assert first.findall(chinese.read_text()) == first.findall(english.read_text())


def test_the_guide_lists_all_exercises() -> None:
    text = (exercises_folder() / "README.md").read_text()
    listed = re.findall(r"^\| (E\d\d|M01 to M14) \| `(\w+\.py)`", text, re.MULTILINE)
    assert sorted(file for _, file in listed) == sorted(path.name for path in exercises_folder().glob("*.py"))
    mysteries = [f"M{number:02}" for number in range(1, 15)]
    assert [id_ for id_, _ in listed][:-1] + mysteries == list(KNOWN.exercises)
