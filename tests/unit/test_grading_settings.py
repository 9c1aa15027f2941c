"""The teacher's settings and roster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.grading.config import BadSettings, Settings, read_roster, read_settings
from tests.unit.handed_in import KNOWN


def test_settings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "class.toml"
    file.write_text(
        'class = "spring"\ndeadline = 2026-12-18\nexercises = ["E07"]\npartial = true\n[weights]\nE07 = 2\n'
        '[cost]\nhint = 0.1\n[roster]\nstudent = "ID"\nname = "Name"\nfile = "github"\n[columns]\nTotal = "points"\n'
    )
    found = read_settings(file, KNOWN.exercises)
    assert (found.token, found.exercises, found.partial, found.weight("E07")) == ("spring", ("E07",), True, 2)
    assert (found.cost["hint"], found.cost["late"], found.columns) == (0.1, 1, {"Total": "points"})
    assert (found.student_column, found.name_column, found.file_column) == ("ID", "Name", "github")
    assert found.deadline is not None
    assert (found.deadline.hour, found.deadline.day, found.deadline.tzinfo is not None) == (23, 18, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clas = 'x'", "there is no 'clas' here; did you mean class?"),
        ("[weights]\nE77 = 1", "there is no 'E77' here; did you mean E"),
        ("[weights]\nE07 = -1", "E07 has a wrong value: -1"),
        ("[weights]\nE07 = true", "E07 has a wrong value: True"),
        ("[weights]\nE07 = nan", "E07 has a wrong value: nan"),
        ("class = 5", "class has a wrong value: 5"),
        ("deadline = 'soon'", "deadline has a wrong value: 'soon'"),
        ("exercises = ['E99']", "there is no 'E99' here"),
        ("exercises = [[]]", "there is no '[]' here"),
        ("[columns]\nA = 'pionts'", "there is no 'pionts' here; did you mean points?"),
        ("[columns]\nA = 5", "there is no '5' here"),
        ("[cost]\nhints = 1", "there is no 'hints' here; did you mean hint?"),
        ("x", "Expected '='"),
        ("\ud800", "it is not UTF-8"),
    ],
)
def test_settings_that_are_wrong_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "class.toml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(BadSettings, match=re.escape(message)):
        read_settings(file, KNOWN.exercises)


@pytest.mark.parametrize(
    "text",
    [
        "student,name\n1,Ada\n2,\n",
        "\ufeffstudent;name\r\n1;Ada\r\n2;\r\n",
        'student\tname\n"1"\tAda\n\t    Points Possible\n2\n',
    ],
    ids=["commas", "Excel with semicolons", "tabs, and a row without an id"],
)
def test_rosters_are_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "class.csv"
    file.write_text(text, newline="")
    rows = read_roster(file, Settings()).rows
    assert {id_: row["name"] for id_, row in rows.items()} == {"1": "Ada", "2": ""}


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("Student,name\n1,Ada\n", Settings(), "there is no 'student' here; did you mean Student?"),
        ("", Settings(), "there is no 'student' here"),
        ("student\n1\n", Settings(columns={"ID": "roster.Id"}), "there is no 'Id' here"),
        ("student\n1\n", Settings(file_column="github"), "there is no 'github' here"),
        (f"student\n{'x' * 200_000}\n", Settings(), "field larger than field limit"),
    ],
)
def test_rosters_that_are_wrong_are_named(tmp_path: Path, text: str, settings: Settings, message: str) -> None:
    file = tmp_path / "class.csv"
    file.write_text(text)
    with pytest.raises(BadSettings, match=re.escape(message)):
        read_roster(file, settings)
    with pytest.raises(BadSettings, match="No such file"):
        read_roster(tmp_path / "none.csv", settings)
