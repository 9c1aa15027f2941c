"""Grades as page, CSV and lines: nothing in a file does more than be shown."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from lab.exercise.model import Learner
from lab.exercise.progress import Progress
from lab.grading import checking
from lab.grading.config import Roster, Settings
from lab.grading.grading import Grades, Row, grade
from lab.grading.lines import lines
from lab.grading.page import page
from lab.grading.sheet import neutral, sheet
from lab.grading.transcripts import TooMany, files_in
from lab.report.i18n import LANGUAGES
from lab.report.screen import Screen
from tests.unit.handed_in import (
    FIRST,
    HOSTILE,
    KNOWN,
    ME,
    SECOND,
    Replay,
    attend,
    graded,
    kinds,
    replayed,
    rewrite,
    roster_of,
    write,
)


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    """The progress of a learner with an id and a class token."""
    found = Progress(tmp_path / "tcp-lab")
    found.enrol(ME)
    return found


@pytest.mark.parametrize(
    "line",
    [
        {"event": "started", "exercise": "E01", "attempt": "x"},
        {"event": "started", "exercise": ["E01"], "attempt": 1, "version": 1},
        {"event": "judged", "exercise": "E01", "round": 10**9, "verdicts": {"segments": {"right": True}}},
        {"event": "judged", "exercise": "E01", "round": -1, "verdicts": {"segments": {"right": True}}},
        {"event": "judged", "exercise": "E01", "round": 0, "verdicts": {"segments": 5}},
        {"event": "judged", "exercise": "E01", "round": 0, "verdicts": {"segments": {"right": 1, "kernel": {}}}},
        {"event": "judged", "exercise": "E01", "round": 0, "verdicts": {"x": {}}, "environment": 5, "numbers": [1]},
        {"event": "finished", "exercise": "E01", "solved": True, "time": 5},
        {"event": "hint", "exercise": "E01", "level": 10**100},
        {"event": "learner", "student": {"a": []}, "class": None},
        {"event": "investigated", "exercise": "E01", "misconception": HOSTILE},
        {"event": "learner", "student": HOSTILE, "class": HOSTILE},
    ],
)
def test_hostile_lines_are_shown_and_do_nothing(
    progress: Progress, monkeypatch: pytest.MonkeyPatch, line: dict[str, Any]
) -> None:
    started = {"event": "started", "exercise": "E01", "attempt": 1, "version": 1}
    write(progress.file, line, started, line, {**line, "typed": HOSTILE}, started)
    grades = replayed(monkeypatch, Replay(), progress)
    for language in LANGUAGES:
        assert page(grades, language)
        assert list(lines(grades, Screen(), language))
    assert sheet(grades)
    assert sum(row.points for row in grades.rows) == 0


def everything_hostile(tmp_path: Path) -> Grades:
    """Grades in which each text that comes from outside is hostile."""
    progress = Progress(tmp_path / HOSTILE.replace("/", "_"))
    progress.enrol(Learner(HOSTILE, HOSTILE))
    attend(progress, FIRST, typed={"segments": HOSTILE}, environment={"lab": HOSTILE, "kernel": HOSTILE})
    rewrite(progress, lambda line: {**line, "kernel": HOSTILE}, seal=False)
    bad = tmp_path / f"{HOSTILE.replace('/', '_')}.jsonl"
    bad.write_text("nonsense")
    roster = Roster(["student", "name", HOSTILE], {HOSTILE: {"student": HOSTILE, "name": HOSTILE, HOSTILE: HOSTILE}})
    return grade([progress.file, bad], KNOWN.exercises, Settings(token="spring"), roster)


def test_the_page_escapes_all_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "play_all", Replay(segments=4))
    grades = everything_hostile(tmp_path)
    assert len(grades.unreadable) == 1
    assert kinds(grades) == ["altered record", "foreign class token"]
    for language in LANGUAGES:
        html = page(grades, language)
        assert "<img" not in html
        assert "\u202e" not in html
        assert "\x1b" not in html
        assert html.count("<script>") == html.count("</script>") == 1
        assert "&lt;img src=x" in html


def test_the_page_asks_the_network_for_nothing(progress: Progress) -> None:
    attend(progress, FIRST)
    html = page(graded(progress), "en")
    assert "default-src 'none'" in html
    assert re.findall(r"https?:|//\w|@import|url\(", html.partition("<script>")[0]) == []
    assert set(re.findall(r"(?:href|src)=\"([^\"]*)\"", html)) <= {"#suspicions"}


def test_the_terminal_gets_no_control_characters(tmp_path: Path) -> None:
    printed = "\n".join(lines(everything_hostile(tmp_path), Screen(), "en"))
    assert not set(printed) & set("\x1b\u202e\r")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "\uff1d"])
def test_no_cell_is_a_formula(start: str) -> None:
    for text in (f"{start}1+1", f"a,{start}1", f"a;{start}1", f"a\t{start}1"):
        told = neutral(text)
        assert not re.search("(^|[,;\t\r\n])[=+\\-@\t\r\n\uff1d]", told)
    assert neutral("a-b@example.org, 2026-11-28") == "a-b@example.org, 2026-11-28"


def test_the_csv_file_is_a_row_for_each_learner(tmp_path: Path) -> None:
    read_again = list(csv.DictReader(io.StringIO(sheet(everything_hostile(tmp_path)).decode(), newline="")))
    [row] = read_again
    assert all(not re.match("[=+\\-@\t\r]", each) for each in (*row, *row.values()))
    assert row["suspicions"] == "altered record, foreign class token"


def test_columns_are_those_of_the_settings(progress: Progress) -> None:
    attend(progress, FIRST, wrong=["segments"])
    attend(progress, FIRST)
    columns = {"ID": "roster.ID", "SIS Login ID": "student", "TCP": "percent", "E01": "E01.status", "n": "E01.attempts"}
    grades = graded(progress, roster=roster_of("1", ID="77"), settings=Settings(columns=columns))
    assert sheet(grades).decode().splitlines() == [
        '"ID","SIS Login ID","TCP","E01","n"',
        '"77","1","100","solved","2"',
    ]


def test_folders_are_searched_and_links_are_not_followed(progress: Progress, tmp_path: Path) -> None:
    attend(progress, FIRST)
    handed_in = tmp_path / "in"
    (handed_in / "a").mkdir(parents=True)
    (handed_in / "a" / "progress.jsonl").write_bytes(progress.file.read_bytes())
    (handed_in / "b.jsonl").symlink_to(progress.file)
    (handed_in / "c").symlink_to(progress.folder)
    (handed_in / "notes.txt").touch()
    found = files_in([handed_in])
    assert found == [handed_in / "a" / "progress.jsonl", handed_in / "b.jsonl"]
    assert files_in([handed_in / "c"]) == [handed_in / "c"], "a link is no folder"
    grades = grade(found, KNOWN.exercises, Settings(), None)
    assert ([row.student for row in grades.rows], len(grades.unreadable)) == (["1"], 1)
    assert "b.jsonl" in grades.unreadable[0]


def test_sizes_are_bounded(progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = {"event": "hint", "exercise": "E01", "level": 1}
    write(progress.file, *[line] * 100_001)
    assert "it has too many lines" in graded(progress).unreadable[0]
    write(progress.file, *(each for at in range(101) for each in ({"event": "learner", "student": str(at)}, line)))
    assert "it has more than 100 learners" in graded(progress).unreadable[0]
    progress.file.write_bytes(b" " * 16_000_001)
    assert "it is too large" in graded(progress).unreadable[0]
    monkeypatch.setattr("lab.grading.transcripts._MOST_FILES", 1)
    with pytest.raises(TooMany, match="these are more than 1 files"):
        files_in([tmp_path / "a", tmp_path / "b"])


def test_what_cannot_be_read_is_told_in_chinese_too(progress: Progress) -> None:
    write(progress.file)
    assert "没有学生做过的练习" in "".join(lines(graded(progress), Screen(), "zh"))
    assert "没有学生做过的练习" in page(graded(progress), "zh")


def test_long_texts_are_cut_off(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    attend(progress, SECOND, typed={"ack": "7" * 100_000})
    grades = replayed(monkeypatch, Replay(), progress)
    assert kinds(grades) == ["unearned verdict"]
    assert len(page(grades, "en")) < 60_000
    assert max(map(len, lines(grades, Screen(), "en"))) <= 100


def test_a_row_of_nothing_has_no_percent() -> None:
    assert Row("1").percent == 0


def test_many_exercises_are_drawn_without_their_ids(progress: Progress) -> None:
    attend(progress, FIRST)
    few = list(lines(graded(progress), Screen(), "en"))
    many = list(
        lines(graded(progress, settings=Settings(exercises=tuple(KNOWN.exercises)[:20])), Screen(width=60), "en")
    )
    assert ("E01" in few[0], "E01" in many[0]) == (True, False)
    assert many[0].split()[1] == "✓" + "-" * 19
    assert [*lines(graded(progress), Screen(unicode=False), "en")][1].split()[1] == "+"


def test_the_table_says_what_its_signs_mean(progress: Progress) -> None:
    attend(progress, FIRST)
    english = list(lines(graded(progress), Screen(), "en"))
    assert "✓ solved, ✗ not solved, … begun, » skipped, ! given up, - not begun." in english
    ascii_only = "\n".join(lines(graded(progress), Screen(unicode=False), "zh"))
    assert "+ 已完成，x 未做对，. 进行中，> 已跳过，! 已放弃，- 未做。" in ascii_only
    assert "» skipped" in page(graded(progress), "en")


def test_the_page_heads_corrections_as_corrections(progress: Progress) -> None:
    """The sentence is what puts a wrong answer right, so it must not stand below "Misconception"."""
    assert ">How it is right<" in page(graded(progress), "en")


def test_what_has_to_be_looked_at_is_in_chinese_with_its_colon(
    progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    attend(progress, SECOND, typed={"ack": "7"})
    found = lines(replayed(monkeypatch, Replay(), progress), Screen(), "zh")
    assert [each for each in found if each.endswith("：评判不成立")]
