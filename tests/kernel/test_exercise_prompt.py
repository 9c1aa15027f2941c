"""`lab exercise` at the prompt, against the real kernel: what is typed, what is shown, what the progress keeps."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.exercise.model import Exercise, Learner, Round
from lab.exercise.progress import Happened, Progress, Status
from tests.kernel.helpers import COMMAND, DEADLINE_S, as_an_ordinary_user, environment, run_lab
from tests.kernel.test_exercise import KNOWN, ME, NOBODY, STUDENT, answers_file, right_answers

STOPS = {
    "E01": (1, 1), "E06": (2, 1), "E07": (3, 2), "E15": (2, 1), "E21": (1, 1), "E32": (3, 1), "E34": (2, 1),
    "E36": (1, 1),
}  # fmt: skip
"""How often Enter is pressed while each round of an exercise is shown: around each segment with a prediction."""


def typed(exercise: Exercise, answers: Mapping[str, str]) -> list[str]:
    """The lines that are typed at the prompt."""
    lines = []
    for each, count in zip(exercise.rounds, STOPS[exercise.id], strict=True):
        lines += [answers[question.id] for question in each.predict]
        lines += [""] * count
        lines += [answers[question.id] for question in each.investigate]
    return lines


def test_the_prompt_leads_through_an_exercise(tmp_path: Path) -> None:
    exercise = KNOWN.exercises["E07"]
    answers = right_answers(exercise, ME)
    lines = typed(exercise, answers)
    done = run_lab("exercise", "start", "E07", *STUDENT, cwd=tmp_path, typed="\n".join([*lines, "quit", ""]))
    assert done.returncode == 0, done.stderr
    assert "Right predictions: 3 of 3." in done.stdout
    assert "E07 is solved." in done.stdout
    standing = Progress(tmp_path / "tcp-lab").standing("E07")
    assert (standing.status, standing.attempt) == (Status.SOLVED, 1)
    assert standing.answers == {name: text for name, text in answers.items() if name != "kernel_seq"}
    listed = json.loads(run_lab("exercise", "list", "--json", cwd=tmp_path).stdout)
    assert {each["id"]: each["status"] for each in listed}["E07"] == "solved"


def test_a_whole_track_ends_with_a_summary(tmp_path: Path) -> None:
    """Each exercise in its order, by its true answers; then the learner's own ladders with the predictions."""
    lines = []
    for id_ in KNOWN.tracks[0].exercises:
        exercise = KNOWN.exercises[id_]
        lines += [*typed(exercise, right_answers(exercise, ME)), ""]
    done = run_lab("ex", *STUDENT, cwd=tmp_path, typed="\n".join([*lines, ""]))
    assert done.returncode == 0, done.stdout[-2000:]
    _, _, summary = done.stdout.rpartition("no exercise is left")
    for id_ in KNOWN.tracks[0].exercises:
        assert f"{id_} is solved." in done.stdout
        assert f"{id_}  {KNOWN.exercises[id_].title.en}\n{KNOWN.exercises[id_].learned.en[:40]}" in summary
    assert summary.count("right   you: ") == sum(len(each.predict) for each in rounds_of_the_track())
    assert "All exercises of this track are done." in summary
    again = run_lab("exercise", "summary", cwd=tmp_path)
    assert again.stdout.count("right   you: ") == summary.count("right   you: ")
    assert run_lab("show", "tcp-lab/E01-1.json", cwd=tmp_path).returncode == 0
    following = run_lab("exercise", "next", cwd=tmp_path)
    assert following.stdout.startswith("All exercises of this track are done.")


def rounds_of_the_track() -> list[Round]:
    return [each for id_ in KNOWN.tracks[0].exercises for each in KNOWN.exercises[id_].rounds]


def test_predictions_are_stored_before_the_run(tmp_path: Path) -> None:
    done = run_lab("exercise", "start", "E07", cwd=tmp_path, typed="what?\nSA\n")
    assert "These are no control bits." in done.stdout
    assert "Saved in tcp-lab/progress.jsonl" in done.stdout
    assert "Run:" not in done.stdout
    assert Progress(tmp_path / "tcp-lab").standing("E07").answers == {"flags": "SA"}


def test_it_goes_on_where_it_was_left(tmp_path: Path) -> None:
    run_lab("exercise", "start", "E07", cwd=tmp_path, typed="SA\n")
    done = run_lab("exercise", cwd=tmp_path, typed="hint\nskip\nquit\n")
    assert "Question 2 of 3" in done.stdout
    assert "Question 1 of 3" not in done.stdout
    assert "Hint 1 of 3" in done.stdout
    standing = Progress(tmp_path / "tcp-lab").standing("E07")
    assert (standing.status, standing.hints) == (Status.SKIPPED, 1)


def test_texts_name_the_command_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout there is no `lab`: who types what a text says must not be told that it is not found."""
    monkeypatch.setenv("LAB_COMMAND", "scripts/lab")
    made = run_lab("exercise", "new", "mine", cwd=tmp_path).stdout.splitlines()
    assert made[1:] == [
        "verify it:  scripts/lab exercise verify mine.py",
        "try it:     scripts/lab exercise start mine.py",
    ]
    left = run_lab("exercise", cwd=tmp_path, typed="quit\n").stdout
    assert left.endswith("`scripts/lab exercise` goes on from here.\n")
    assert "`scripts/lab exercise make --list` names them" in run_lab("exercise", "make", "R99", cwd=tmp_path).stderr


def test_an_enter_too_much_answers_nothing(tmp_path: Path) -> None:
    """The one after the last segment goes to the next question, which may have an answer for "nothing"."""
    exercise = KNOWN.exercises["E36"]
    lines = ["", "", *(f"{line}\n" for line in typed(exercise, right_answers(exercise)))]
    done = run_lab("exercise", "start", "E36", cwd=tmp_path, typed="\n".join([*lines, "quit", ""]))
    assert "E36 is solved." in done.stdout
    assert "These are no" not in done.stdout


def test_quit_between_two_segments_leaves(tmp_path: Path) -> None:
    done = run_lab("exercise", "start", "E07", cwd=tmp_path, typed="SA\n1\n2\nquit\nnothing more is read\n")
    assert "Look at the segments" not in done.stdout
    assert done.stdout.endswith(
        "[Enter] next segment Saved in tcp-lab/progress.jsonl. `lab exercise` goes on from here.\n"
    )


def test_a_hint_is_about_the_question(tmp_path: Path) -> None:
    """Before the first run, about its segments, and before the second run."""
    exercise = KNOWN.exercises["E01"]
    change = exercise.rounds[1].hint
    assert change is not None
    done = run_lab("exercise", "start", "E01", cwd=tmp_path, typed="help\nhint\n3\n\nhint\n1\n2\nhint\n")
    first, _, rest = done.stdout.partition("Look at the segments")
    look, _, second = rest.partition("Change one thing")
    assert first.count("You can also type:") == 2, "at the beginning and for help"
    assert f"Hint 1 of 3: {exercise.hints[0].en}" in first
    assert "The answer is in the segments above. After 3 wrong answers it is shown." in look
    assert "Look again. The answer is shown after 2 more." in look
    assert f"Hint: {change.en}" in second
    assert Progress(tmp_path / "tcp-lab").standing("E01").hints == 1
    bare = run_lab("exercise", "hint", cwd=tmp_path)
    assert bare.stdout == f"E01  {exercise.title.en}\nHint: {change.en}\n"


def test_what_follows_is_said_once_and_again_after_a_word_that_is_not_understood(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "tcp-lab")
    for each in KNOWN.tracks[0].exercises[1:]:
        progress.add(Happened.GAVE_UP, KNOWN.exercises[each])
    done = run_lab("exercise", cwd=tmp_path, typed="2\n\n2\n2\n\nwhat\nquit\n")
    assert done.stdout.count("[Enter] E01 with other numbers   [quit]\n") == 2
    assert "[again]" not in done.stdout


def test_what_was_given_up_is_named_at_the_end(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "tcp-lab")
    track = KNOWN.tracks[0].exercises
    for each in track:
        given_up = each in track[1:3]
        more = {} if given_up else {"solved": True}
        progress.add(Happened.GAVE_UP if given_up else Happened.FINISHED, KNOWN.exercises[each], **more)
    for command in ([], ["next"]):
        done = run_lab("exercise", *command, cwd=tmp_path)
        assert done.stdout.splitlines()[-1] == "Given up: E06, E07. `lab exercise reset E06` begins one again."


def test_an_attempt_that_was_begun_again_is_gone_on_with(tmp_path: Path) -> None:
    run_lab("exercise", "start", "E07", cwd=tmp_path, typed="give-up\nagain\nSA\n")
    done = run_lab("exercise", cwd=tmp_path, typed="quit\n")
    assert "E07  What a SYN costs" in done.stdout
    assert "Question 2 of 3" in done.stdout
    assert Progress(tmp_path / "tcp-lab").standing("E07").attempt == 2


def test_the_exercise_of_a_file_is_gone_on_with_by_its_file(tmp_path: Path) -> None:
    run_lab("exercise", "new", "mine", cwd=tmp_path)
    run_lab("exercise", "start", "mine.py", cwd=tmp_path, typed="A\n")
    hint = run_lab("exercise", "hint", cwd=tmp_path)
    assert (hint.returncode, hint.stdout.splitlines()[0]) == (0, "MINE  Data is acknowledged"), hint.stderr
    done = run_lab("exercise", cwd=tmp_path, typed="quit\n")
    assert "MINE  Data is acknowledged" in done.stdout
    assert "Question 2 of 2" in done.stdout
    (tmp_path / "mine.py").unlink()
    without = run_lab("exercise", cwd=tmp_path, typed="quit\n")
    assert "E01  What connect() sends" in without.stdout


def test_each_learner_of_a_folder_begins_anew_and_goes_on_with_their_own(tmp_path: Path) -> None:
    exercise = KNOWN.exercises["E07"]
    lines = "\n".join([*typed(exercise, right_answers(exercise, ME)), ""])
    run_lab("exercise", "start", "E07", *STUDENT, cwd=tmp_path, typed=lines)
    done = run_lab("exercise", "start", "E07", "--student", "another", cwd=tmp_path, typed="SA\n")
    assert "Work of another --student or --class in this folder is kept apart." in done.stdout
    assert str(exercise.numbers(Learner("another", ME.token)).x) in done.stdout
    assert run_lab("exercise", "summary", cwd=tmp_path).stdout == ""
    done = run_lab("exercise", "start", "E15", *STUDENT, cwd=tmp_path, typed="quit\n")
    for command in (["summary"], ["check", "E07"]):
        assert run_lab("exercise", *command, cwd=tmp_path).stdout.count("right   you: ") == 4
    done = run_lab("exercise", "start", "E07", "--student", "another", cwd=tmp_path, typed="quit\n")
    assert "Question 2 of 3" in done.stdout


def test_an_attempt_over_ipv6_stays_there(tmp_path: Path) -> None:
    """E08 asks for an MSS, which differs: resumed, checked and explained without -6, it is that of IPv6."""
    exercise = KNOWN.exercises["E08"]
    run_lab("exercise", "start", "E08", "-6", cwd=tmp_path, typed="1\n")
    done = run_lab("exercise", cwd=tmp_path, typed="quit\n")
    assert "Over IPv6" in done.stdout
    assert "Question 2 of" in done.stdout
    own = exercise.numbers_of(exercise.rounds[0], exercise.numbers(NOBODY), 6)
    first = exercise.rounds[0].predict[0]
    known = f"kernel: {first.kind.show(first.known(own))}"
    assert known in run_lab("exercise", "check", "E08", cwd=tmp_path).stdout
    anew = run_lab("exercise", "start", "E08", "-6", cwd=tmp_path, typed="quit\n")
    assert "Question 2 of" in anew.stdout


def test_an_exercise_in_place_of_a_command_is_wrong_usage_that_says_what_to_type(tmp_path: Path) -> None:
    done = run_lab("exercise", "e07", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'e07'. Did you mean 'start e07'?" in done.stderr
    assert "start" not in run_lab("exercise", "seven", cwd=tmp_path).stderr
    chinese = run_lab("exercise", "mine.py", "--lang", "zh", cwd=tmp_path)
    assert "是否想输入“start mine.py”？" in chinese.stderr


def test_a_file_is_executed_once_however_often_it_is_named(tmp_path: Path) -> None:
    """Otherwise a call that names eight exercises of the lab executes the files of all of them eight times."""
    run_lab("exercise", "new", "mine", cwd=tmp_path)
    file = tmp_path / "mine.py"
    file.write_text(file.read_text() + '\nwith open("executed", "a") as log:\n    log.write("once\\n")\n')
    run_lab("exercise", "form", "mine.py", "mine.py", cwd=tmp_path)
    assert (tmp_path / "executed").read_text() == "once\n"


def test_an_id_may_be_typed_without_capital_and_zero(tmp_path: Path) -> None:
    for typed_id, meant in (("e6", "E06"), ("m1", "M01"), ("E34", "E34")):
        done = run_lab("exercise", "reset", typed_id, cwd=tmp_path)
        assert done.stdout.startswith(f"{meant} begins again"), done.stderr


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        ("E077", "there is no exercise 'E077'; did you mean E07?", "没有练习 'E077'；是否想输入 E07？"),
        (
            "zzz",
            "there is no exercise 'zzz'; `lab exercise list` names them",
            "没有练习 'zzz'；`lab exercise list` 列出所有练习",
        ),
    ],
)
def test_an_unknown_exercise_is_answered_with_one_thing_to_do(
    tmp_path: Path, name: str, english: str, chinese: str
) -> None:
    assert run_lab("exercise", "hint", name, cwd=tmp_path).stderr == f"{english}\n"
    assert run_lab("exercise", "hint", name, "--lang", "zh", cwd=tmp_path).stderr == f"{chinese}\n"


def test_letters_are_shown_with_what_they_stand_for(tmp_path: Path) -> None:
    done = run_lab("exercise", "give-up", "e6", cwd=tmp_path)
    assert "abc) MSS: the largest segment that the sender takes; window scale; SACK permitted\n" in done.stdout
    answers = answers_file(tmp_path, {"E06": {"syn_options": "none"}})
    chinese = run_lab("exercise", "check", "E06", "--answers", answers, "--lang", "zh", cwd=tmp_path)
    assert "你：无   内核：abcd) MSS" in chinese.stdout


def test_a_wrong_prediction_is_tried_again_with_other_numbers(tmp_path: Path) -> None:
    exercise = KNOWN.exercises["E07"]
    wrong = {**right_answers(exercise), "ack": "5"}
    lines = [*typed(exercise, wrong), "again", *typed(exercise, right_answers(exercise, attempt=2))]
    done = run_lab("exercise", "start", "E07", cwd=tmp_path, typed="\n".join([*lines, "quit", ""]))
    assert "Not every prediction was right. Try E07 again" in done.stdout
    assert "E07 is solved." in done.stdout
    assert Progress(tmp_path / "tcp-lab").standing("E07").attempt == 2


def test_what_was_given_up_is_recorded_and_explained(tmp_path: Path) -> None:
    refused = run_lab("exercise", "explain", "E07", cwd=tmp_path)
    assert (refused.returncode, "Predict first" in refused.stdout) == (2, True)
    done = run_lab("exercise", "give-up", "E07", cwd=tmp_path)
    assert (done.returncode, "SYN+ACK" in done.stdout) == (0, True)
    assert Progress(tmp_path / "tcp-lab").standing("E07").status is Status.GIVEN_UP
    assert run_lab("exercise", "explain", "E07", cwd=tmp_path).returncode == 0
    run_lab("exercise", "reset", "E07", cwd=tmp_path)
    assert Progress(tmp_path / "tcp-lab").standing("E07").status is Status.NEW


def test_check_judges_the_predictions_made_so_far(tmp_path: Path) -> None:
    nothing = run_lab("exercise", "check", cwd=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    exercise = KNOWN.exercises["E07"]
    lines = typed(exercise, right_answers(exercise))
    run_lab("exercise", "start", "E07", cwd=tmp_path, typed="\n".join([*lines, ""]))
    done = run_lab("exercise", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout.count("right   you: ")) == (0, 4)


def test_ctrl_c_leaves_at_once_and_loses_nothing(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "ex", "start", "E07"],
        cwd=tmp_path,
        env=environment(),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    with process, os.fdopen(leader, "r+b", buffering=0) as terminal:
        read_until(terminal, b"Question 1")
        terminal.write(b"SA\n")
        shown = read_until(terminal, b"Question 2").partition(b"Question 2")[2]
        while b"> " not in shown:
            shown += read_until(terminal, b" ")
        wait_for_sleep(process.pid)  # readline loses a Ctrl-C between its prompt and its wait for a key
        process.send_signal(signal.SIGINT)
        read_until(terminal, b"Saved in")
        assert process.wait(DEADLINE_S) == 130
    assert Progress(tmp_path / "tcp-lab").standing("E07").answers == {"flags": "SA"}


def test_a_closed_terminal_loses_nothing(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "ex", "start", "E07"],
        cwd=tmp_path,
        env=environment(),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    with process:
        with os.fdopen(leader, "r+b", buffering=0) as terminal:
            read_until(terminal, b"Question 1")
            terminal.write(b"SA\n")
            read_until(terminal, b"Question 2")
        process.wait(DEADLINE_S)
    assert Progress(tmp_path / "tcp-lab").standing("E07").answers == {"flags": "SA"}


def wait_for_sleep(process: int) -> None:
    """Return when the process waits for something: at a prompt, for a key."""
    while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        os.sched_yield()


def read_until(terminal: object, text: bytes) -> bytes:
    read = b""
    while text not in read:
        part = os.read(terminal.fileno(), 65536)  # type: ignore[attr-defined]
        assert part
        read += part
    return read


def test_the_progress_belongs_to_the_user_behind_sudo(tmp_path: Path) -> None:
    os.chown(tmp_path, 1000, 1000)
    behind_sudo = {**environment(), "SUDO_UID": "1000", "SUDO_GID": "1000"}
    subprocess.run(
        [*COMMAND, "exercise", "skip", "E07"], cwd=tmp_path, env=behind_sudo, check=True, capture_output=True
    )
    for path in (tmp_path / "tcp-lab", tmp_path / "tcp-lab" / "progress.jsonl"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1000, 1000)


def test_a_progress_that_cannot_be_saved_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "tcp-lab").write_text("a file in its place")
    done = run_lab("exercise", "skip", "E07", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tcp-lab/progress.jsonl: Not a directory\n"
    (tmp_path / "tcp-lab").unlink()
    (tmp_path / "tcp-lab").symlink_to(tmp_path)
    done = run_lab("exercise", "skip", "E07", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "cannot write tcp-lab: it is a symbolic link\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("most_namespaces", [None, 0], ids=["with namespaces", "without"])
def test_an_ordinary_user_needs_no_root_where_the_machine_allows_it(
    tmp_path: Path, most_namespaces: int | None
) -> None:
    """The prediction is kept either way; where no user namespace can be made, the machine cannot run it (3)."""
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [*COMMAND, "exercise", "start", "E01"], cwd=tmp_path, env=environment(), input="3\n\n2\n2\n\nquit\n",
        preexec_fn=as_an_ordinary_user(most_namespaces),
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    status = Progress(tmp_path / "tcp-lab").standing("E01").status
    if done.returncode == 3 or most_namespaces == 0:
        assert (done.returncode, status) == (3, Status.STARTED)
        assert "the lab cannot run here" in done.stderr
        assert "wrong   you: " not in done.stdout
    else:
        assert (done.returncode, status) == (0, Status.SOLVED)
