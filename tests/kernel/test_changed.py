"""`lab run --sysctl`: a lawful answer that differs from the one under the baseline is a change, not a failure."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from lab.author.registry import Runnable
from lab.author.runner import Runner
from lab.author.settings import may_explain
from lab.host import sysctls
from lab.record.events import CheckKind
from lab.record.expectation import Expected, Row
from lab.record.results import Outcome, Result
from lab.tcp.flags import bits
from lab.tcp.state import State
from tests.kernel.helpers import ROOT, result_of, run_lab, scenario_file
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
SACK, TIME_WAITS = "net.ipv4.tcp_sack", "net.ipv4.tcp_max_tw_buckets"
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
    check = story.differs(frame, Expected(bits("A")))._replace(kind=kind, connection=0)
    return Result(scenario, 4, Outcome.FAIL, 0.1, story.recording, check)


@pytest.mark.parametrize(
    ("setting", "rule", "explains"),
    [
        ("net.ipv4.tcp_shrink_window", "window-edge", True),
        ("net.ipv4.tcp_shrink_window", "mss", False),
        ("net.ipv4.tcp_min_snd_mss", "mss", True),
        ("net.ipv4.tcp_sack", "mss", False),
    ],
)
def test_only_a_setting_made_for_it_explains_a_broken_rule(
    tmp_path: Path, setting: str, rule: str, explains: bool
) -> None:
    story = Story()
    story.handshake()
    result = failed(tmp_path, story, story.kernel("A", State.ESTABLISHED, seq=1), CheckKind.RULE)
    assert result.difference is not None
    result.difference = result.difference._replace(expected=None, rows=(Row(rule, "obeyed", "broken", False),))
    assert may_explain([SACK, setting], result) is explains


@pytest.mark.parametrize("setting", [SACK, TIME_WAITS])
@pytest.mark.parametrize("state", [State.TIME_WAIT, State.CLOSED])
def test_which_setting_explains_a_missing_timer(tmp_path: Path, setting: str, state: State) -> None:
    story = Story()
    story.handshake()
    story.state(State.FIN_WAIT_2)
    story.state(state)
    result = failed(tmp_path, story, story.peer("FA", State.LAST_ACK, seq=1), CheckKind.TIMER)
    assert may_explain([setting], result) is (setting == TIME_WAITS and state is State.CLOSED)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("answers", [True, False], ids=["answer to a segment", "of its own accord"])
def test_only_the_reset_of_an_open_connection_is_never_explained(tmp_path: Path, state: State, answers: bool) -> None:
    """Also when the kernel closes first and sends the reset then, but not when a segment arrives after the end."""
    story = Story()
    story.handshake()
    story.state(State.CLOSED)
    story.peer("S", State.SYN_SENT)
    story.state(state)
    if not answers:
        story.state(State.CLOSED)
    story.peer("A", State.CLOSE_WAIT, seq=1)
    if answers:
        story.state(State.CLOSED)
    result = failed(tmp_path, story, story.kernel("R", State.CLOSED, seq=1))
    was_open = state not in (State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED, State.TIME_WAIT)
    assert may_explain([SACK], result) is not (was_open and answers)


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ("tcp_ecn=99", 3, "sysctl net.ipv4.tcp_ecn = '99': Invalid argument"),
        ("tcp_sack=abc", 3, "sysctl net.ipv4.tcp_sack = 'abc': Invalid argument"),
        ("tcp_max_orphans=0", 3, "belongs to the whole machine"),
        ("icmp_echo_ignore_all=1", 3, "net.ipv4.icmp_echo_ignore_all has to be 0"),
        ("tcp_sock=1", 2, "this kernel has no sysctl net.ipv4.tcp_sock"),
    ],
)
def test_a_setting_that_cannot_be_is_one_error(tmp_path: Path, setting: str, code: int, said: str) -> None:
    done = run_lab("run", "--sysctl", f"net.ipv4.{setting}", scenario_file(tmp_path, STAMPED))
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count(said) == 1


@pytest.mark.parametrize("kind", ["value", "name"])
def test_what_only_a_later_kernel_has_is_a_skip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    name, value = ("net.ipv4.tcp_ecn", "99") if kind == "value" else ("net.ipv4.tcp_from_the_future", "1")
    monkeypatch.setattr(sysctls, "LATER", {"net.ipv4.tcp_ecn": ("99",)})
    monkeypatch.setattr(sysctls, "OPTIONAL", {"net.ipv4.tcp_from_the_future"})
    assert sysctls.is_known(name)
    missing = sysctls.missing_here({SACK: "1", name: value})
    assert missing.startswith("this kernel has no ")
    scenario = result_of(scenario_file(tmp_path, STAMPED)).scenario
    assert isinstance(scenario, Runnable)
    with closing(Runner(sysctls={name: value}, missing=missing)) as runner:
        result = runner.run(scenario, 4)
    assert (result.outcome, result.message) == (Outcome.SKIP, missing)


def test_no_setting_of_the_table_accuses_the_kernel(tmp_path: Path) -> None:
    """A slice: a few settings over a few scenarios, by the script that renews tests/SETTINGS.md."""
    rows = [line for line in (ROOT / "tests/SETTINGS.md").read_text().splitlines() if "`net." in line]
    chosen = "tcp_timestamps=0", "tcp_sack=0", "tcp_ecn=1", "tcp_max_tw_buckets=0", "tcp_min_snd_mss=536"
    done, table = settings_table(tmp_path, [row for row in rows if any(each in row for each in chosen)])
    assert done.returncode == 0, done.stdout
    counts = [row.split("|")[2].strip() for row in table]
    assert len(counts) == len(chosen)
    assert "0" not in counts, table


def test_a_setting_that_cannot_be_tried_is_named(tmp_path: Path) -> None:
    done, table = settings_table(tmp_path, ["| `net.ipv4.tcp_sack=abc` | 7 | `old` 7 | words |", "another line"])
    assert (done.returncode, table) == (1, ["| `net.ipv4.tcp_sack=abc` | 0 | none | words |", "another line"])
    assert "the run ended with exit status 3" in done.stdout
    assert done.stdout.endswith("1 runs failed\n")


def settings_table(folder: Path, rows: list[str]) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    table = folder / "table.md"
    table.write_text("\n".join(rows))
    files = ["--only=handshake", "--only=closing", "--only=segment_size"]
    call: list[str | Path] = [ROOT / "scripts/settings", "--table", table]
    done = subprocess.run([*call, *files], capture_output=True, text=True, timeout=300, check=False)
    return done, table.read_text().splitlines()
