"""`lab coverage` as a process: this kernel walks every arrow of figure 5 that Linux offers."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from lab.report.coverage import NOT_OFFERED, TAKES_LONG
from lab.report.edge_coverage import FIGURE_5
from lab.tcp.state import State
from tests.kernel.helpers import DEADLINE_S, as_an_ordinary_user, run_lab, started_lab

MINUTES = {(source.value, event.value) for source, event in TAKES_LONG}
IMPOSSIBLE = {(source.value, event.value) for source, event in NOT_OFFERED}


def not_walked(edges: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(edge["source"], edge["event"]) for edge in edges if not edge["kernel"]}


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_all_states_and_all_arrows_are_walked_in_each_family(family: str) -> None:
    done = run_lab("coverage", "--json", family)
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["state"] for each in told["states"] if each["kernel"]] == [state.value for state in State]
    assert len(told["edges"]) == len(FIGURE_5) == 20
    assert not_walked(told["edges"]) == MINUTES | IMPOSSIBLE
    assert {(edge["source"], edge["event"]) for edge in told["edges"] if not edge["offered"]} == IMPOSSIBLE
    evidence = [each for edge in told["edges"] for side in ("kernel", "peer") for each in edge[side]]
    assert {each["family"] for each in evidence} == {f"IPv{family[1]}"}


def test_the_arrow_that_takes_a_minute_is_walked_by_a_full_run() -> None:
    done = run_lab("coverage", "--json", "--full", "-4", "the_wait_lasts_a_minute")
    (edge,) = (edge for edge in json.loads(done.stdout)["edges"] if (edge["source"], edge["event"]) in MINUTES)
    (seen,) = edge["kernel"]
    assert done.returncode == 0
    assert (edge["target"], edge["reason"]) == ("CLOSED", "")
    waited = re.fullmatch(r"a timer: (\d+\.\d) s without a segment", seen["text"])
    assert waited
    assert float(waited[1]) >= 59.9, "no timer is early"


def test_every_arrow_that_a_segment_walks_names_its_packet() -> None:
    told = json.loads(run_lab("coverage", "--json", "-4", "closing", "handshake").stdout)
    by_calls = {"the user listens", "the user closes", "the user connects"}
    walked = [edge for edge in told["edges"] if edge["kernel"]]
    assert len(walked) >= 10
    assert all(each["packet"] for edge in walked if edge["event"] not in by_calls for each in edge["kernel"])


def test_inet_diag_alone_shows_every_arrow_too() -> None:
    with started_lab(
        "coverage", "--json", "-4", mark=f"{os.getpid()} coverage", preexec=as_an_ordinary_user()
    ) as process:
        output, _ = process.communicate(timeout=DEADLINE_S)
    told = json.loads(output)
    witnesses = {each["text"] for state in told["states"] for each in state["kernel"]}
    assert witnesses == {"seen by inet_diag"}
    assert not_walked(told["edges"]) == MINUTES | IMPOSSIBLE


def test_text_names_scenario_and_packet_and_ends_with_the_totals() -> None:
    done = run_lab("coverage", "kernel_closes_second", "-4")
    walked = r"    kernel  closing\.kernel_closes_second IPv4, packet \d+: peer > kernel  FA 1:1\(0\)"
    assert re.search(walked, done.stdout)
    assert done.stdout.splitlines()[-2].startswith("the kernel: 6 of 11 states, ")
    assert done.returncode == 0


def test_a_saved_run_gives_the_same_coverage(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run_lab("run", "-q", "-4", "closing", "--out", folder).returncode == 0
    saved = run_lab("coverage", "--from", folder, "--json")
    assert saved.returncode == 0
    arrows = {(each["source"], each["target"]) for each in json.loads(saved.stdout)["edges"] if each["kernel"]}
    assert {("ESTABLISHED", "CLOSE-WAIT"), ("CLOSING", "TIME-WAIT"), ("LAST-ACK", "CLOSED")} <= arrows
    assert run_lab("coverage", "--from", folder, "handshake").returncode == 2


def test_a_pattern_that_matches_nothing_is_wrong_usage() -> None:
    done = run_lab("coverage", "nosuchthing")
    assert done.returncode == 2
    assert "no scenario matches 'nosuchthing'" in done.stderr
