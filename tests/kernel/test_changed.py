"""`lab run --sysctl`: a lawful answer that differs from the one under the baseline is a change, not a failure."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lab.author.runner import may_depend_on_settings
from lab.record.events import CheckKind
from lab.record.expectation import Expected
from lab.record.results import Outcome, Result
from lab.tcp.flags import bits
from lab.tcp.state import State
from tests.kernel.helpers import result_of, run_lab, scenario_file
from tests.unit.stories import Story

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
]

STAMPED = """
peer = lab.peer(to=lab.kernel.listen(port=80), timestamps=True)
peer.send("S")
peer.expect("SA", options=[("MSS", ANY), ("NOP", None), ("NOP", None), ("Timestamp", ANY)])
"""
NO_TIMESTAMPS = ("--sysctl", "net.ipv4.tcp_timestamps=0")


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 1)], ids=["by default", "strict"])
def test_a_setting_changes_the_answer(tmp_path: Path, options: tuple[str, ...], code: int) -> None:
    file = scenario_file(tmp_path, STAMPED)
    done = run_lab("run", "-4", *NO_TIMESTAMPS, *options, "--json", tmp_path / "results.json", file)
    assert done.returncode == code, done.stdout
    assert "1 changed" in done.stdout
    assert "with net.ipv4.tcp_timestamps=0" in done.stdout
    assert "Timestamp" in done.stdout or "TS val" in done.stdout, "the difference"
    (result,) = json.loads((tmp_path / "results.json").read_text())["scenarios"]
    assert result["outcome"] == "changed"


def test_without_the_setting_nothing_changes(tmp_path: Path) -> None:
    done = run_lab("run", "-4", scenario_file(tmp_path, STAMPED))
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_an_expectation_that_is_wrong_anyway_fails(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, STAMPED.replace('"SA"', '"FA"'))
    done = run_lab("run", "-4", *NO_TIMESTAMPS, file)
    assert (done.returncode, "1 failed" in done.stdout) == (1, True), done.stdout


def failed(tmp_path: Path, story: Story, frame: int, kind: CheckKind = CheckKind.SEGMENT) -> Result:
    scenario = result_of(scenario_file(tmp_path, "lab.kernel.listen(port=80)")).scenario
    check = story.differs(frame, Expected(bits("A")))._replace(kind=kind)
    return Result(scenario, 4, Outcome.FAIL, 0.1, story.recording, check)


@pytest.mark.parametrize("kind", [CheckKind.RULE, CheckKind.TIMER])
def test_no_setting_explains_a_broken_rule_or_a_wrong_timer(tmp_path: Path, kind: CheckKind) -> None:
    story = Story()
    story.handshake()
    assert not may_depend_on_settings(failed(tmp_path, story, story.kernel("PA", State.ESTABLISHED, seq=1), kind))


@pytest.mark.parametrize("is_open", [True, False])
def test_no_setting_explains_the_reset_of_an_open_connection(tmp_path: Path, is_open: bool) -> None:
    story = Story()
    if is_open:
        story.handshake()
    else:
        story.peer("S", State.SYN_SENT)
    result = failed(tmp_path, story, story.kernel("R", State.CLOSED, seq=1))
    assert may_depend_on_settings(result) is not is_open
