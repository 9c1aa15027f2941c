"""Mysteries: the packets come before the questions, without anything that gives the answer away."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lab.exercise.catalogue import exercises_folder, load
from lab.exercise.model import Exercise, Learner
from lab.tcp.state import State
from tests.kernel.helpers import run_lab

MYSTERIES = list(load([exercises_folder() / "mysteries.py"]).exercises.values())
QUICK = [each for each in MYSTERIES if not each.waits]
ANN = Learner("ann", "spring")
AS_ANN = ("--student", ANN.student, "--class", ANN.token)


def packets(capture: Path, field: str) -> list[str]:
    command = ["tshark", "-o", "tcp.relative_sequence_numbers:false", "-r", str(capture), "-T", "fields", "-e", field]
    told: str = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return told.split("\n")[:-1]


def known(exercise: Exercise, question: str, learner: Learner = ANN) -> str:
    own = exercise.numbers_of(exercise.rounds[0], exercise.numbers(learner))
    (asked,) = (each for each in exercise.questions if each.id == question)
    return asked.kind.show(asked.known(own))


@pytest.mark.parametrize("mystery", QUICK, ids=lambda each: each.id)
def test_the_packets_give_nothing_away(tmp_path: Path, mystery: Exercise) -> None:
    shown = run_lab("exercise", "start", mystery.id, *AS_ANN, typed="quit\n", cwd=tmp_path).stdout
    before = shown.partition("Question 1")[0]
    numbered = re.findall(r"^ +(\d+) +\d+\.\d{3} ", before, re.MULTILINE)
    assert numbered == [str(number) for number in range(1, len(numbered) + 1)]
    assert len(numbered) >= int(known(mystery, "packet"))
    assert not [state for state in State if state.value in before]
    assert not re.search("retransmission|lost|fault|checksum", before)
    (capture,) = tmp_path.glob("tcp-lab/*.pcapng")
    assert len(packets(capture, "frame.number")) == len(numbered)
    assert set(packets(capture, "frame.comment")) == {""}
    assert not list(tmp_path.glob("tcp-lab/*.json")), "the states are saved after the answers"


def test_the_right_answers_solve_it_and_the_ladder_comes_after_them(tmp_path: Path) -> None:
    mystery = QUICK[0]
    answers = "".join(f"{known(mystery, each.id)}\n" for each in mystery.questions)
    done = run_lab("exercise", "start", mystery.id, *AS_ANN, typed=answers + "\n" * 9 + "quit\n", cwd=tmp_path)
    count = len(mystery.questions)
    assert f"Right predictions: {count} of {count}" in done.stdout
    assert "SYN-SENT" in done.stdout.partition(f"Question {count} of {count}")[2]
    assert list(tmp_path.glob("tcp-lab/*.json"))


def test_a_mystery_is_not_introduced_as_a_prediction(tmp_path: Path) -> None:
    done = run_lab("exercise", "start", QUICK[0].id, cwd=tmp_path, typed="quit\n").stdout
    assert done.startswith("You see the packets of a run")
    assert "You predict" not in done
    assert "Article: sections 3 and 4. RFC" in done


def test_a_neighbour_has_other_packets(tmp_path: Path) -> None:
    numbers = []
    for learner in ("ann", "ben"):
        file = tmp_path / f"{learner}.pcapng"
        assert run_lab("exercise", "capture", "M02", "--student", learner, "-o", file, cwd=tmp_path).returncode == 0
        numbers.append(packets(file, "tcp.seq")[-2:])
    assert numbers[0] != numbers[1]


def test_the_capture_is_the_same_each_time(tmp_path: Path) -> None:
    told = []
    for name in ("one", "two"):
        file = tmp_path / name
        assert run_lab("exercise", "capture", "M06", *AS_ANN, "-o", file, cwd=tmp_path).returncode == 0
        told.append([packets(file, field) for field in ("tcp.srcport", "tcp.flags.str", "tcp.len")])
    assert told[0] == told[1]


def test_only_a_mystery_has_a_capture(tmp_path: Path) -> None:
    done = run_lab("exercise", "capture", "E01", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "E01 is no mystery: its packets come after the predictions.\n")
    assert not list(tmp_path.iterdir())


def test_a_form_names_the_command_for_the_packets(tmp_path: Path) -> None:
    form = run_lab("exercise", "form", "M03", *AS_ANN, cwd=tmp_path).stdout
    assert "# Its packets: lab exercise capture M03 --student ann --class spring" in form
