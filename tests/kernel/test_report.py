"""`lab report` as a process, on a run with the real kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kernel.helpers import run_lab, scenario_file


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "run"
    assert run_lab("run", "-q", "closing.", "simultaneous_open", "--out", folder).returncode == 0
    return folder


def test_the_page_is_written_beside_the_run(saved: Path) -> None:
    done = run_lab("report", saved)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{saved}/report.html\n", "")
    page = (saved / "report.html").read_text(encoding="utf-8")
    assert "The kernel did as documented." in page
    assert os.uname().release in page
    assert 'data-scenario="closing.kernel_closes_first"' in page
    assert 'data-scenario="simultaneous_open.syns_cross"' in page


def test_claims_and_diagram_link_to_packets_of_the_run(saved: Path) -> None:
    page = (saved / "report.html").read_text(encoding="utf-8")
    assert 'class="edge kernel" href="#/' in page
    assert '<a href="#/closing.' in page.partition('id="claims"')[2]


def test_another_file_can_be_named(saved: Path, tmp_path: Path) -> None:
    done = run_lab("report", saved, "-o", tmp_path / "my page.html")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/my page.html\n")


def test_a_page_of_one_scenario_is_small_and_holds_its_capture(saved: Path, tmp_path: Path) -> None:
    file = tmp_path / "one.html"
    done = run_lab("report", saved, "kernel_closes_first", "-o", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}\n", "")
    page = file.read_text(encoding="utf-8")
    assert page.count("data-scenario=") == 1
    assert len(page) < 300_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_scenario", "-o", "x.html"], "no scenario matches 'no_such_scenario'"),
        (["kernel_closes_first"], "a page about some scenarios needs the name of its file: -o FILE"),
    ],
    ids=["unknown scenario", "no file"],
)
def test_wrong_usage_writes_nothing(saved: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run_lab("report", saved, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(saved: Path) -> None:
    done = run_lab("report", saved, "-o", "/proc/report.html")
    assert done.returncode == 3
    assert done.stderr.startswith("cannot write /proc/report.html: ")


def test_the_default_is_the_newest_run_below_the_current_folder(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, "lab.peer(to=81).send('R')")
    for name in ("second", "first"):
        assert run_lab("run", "-q", "-4", file, "--out", f"out/{name}", cwd=tmp_path).returncode == 0
    assert run_lab("report", cwd=tmp_path).stdout == "out/first/report.html\n"


def test_no_run_is_wrong_usage(tmp_path: Path) -> None:
    done = run_lab("report", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no saved run" in done.stderr
