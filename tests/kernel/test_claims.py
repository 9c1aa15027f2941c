"""`lab claims` as a process, and the verdicts of a whole run on the catalogue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.claims.catalogue import Claim, Kind, catalogue
from tests.kernel.helpers import COMMAND, DEADLINE_S, ROOT, environment, run_lab, scenario_file

STEP = """
server = lab.kernel.listen(port=80)
peer = lab.peer(to=server)
lab.step("The answer", claims="C48 C50")
peer.send("S")
peer.expect("SA", seq=0, ack={ack})
lab.step("The rest", claims="C62")
peer.send("A")
lab.kernel.expect_state(peer, "ESTABLISHED")
{end}
"""


# Scenarios of the test's own stand where those of the lab do; the catalogue stays.
WITH_SCENARIOS_OF = """
import sys
from pathlib import Path
from lab.cli import main
from lab.author import registry
from lab.claims.catalogue import Claim, Kind, catalogue

catalogue()
folder = sys.argv.pop(1)
registry.scenarios_folder = lambda: Path(folder)
main()
"""


def run_claims_of(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-P", "-c", WITH_SCENARIOS_OF, str(folder), "claims", *arguments]
    return subprocess.run(
        call, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def test_this_kernel_confirms_every_claim() -> None:
    done = run_lab("claims", "--json")
    told = json.loads(done.stdout)
    assert [(each["id"], each["measured"]) for each in told if each["verdict"] == "differs"] == []
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["id"] for each in told] == list(catalogue().claims)
    assert [each["id"] for each in told if each["verdict"] != "shown"] == []
    assert all(each["measured"] and each["evidence"] for each in told)


def test_only_requested_claims_are_run_and_reported() -> None:
    done = run_lab("claims", "c80", "C77", "-4", "--json")
    told = json.loads(done.stdout)
    assert [(each["id"], each["kind"], each["verdict"]) for each in told] == [
        ("C77", "holds", "shown"),
        ("C80", "holds", "shown"),
    ]
    assert {seen["family"] for each in told for seen in each["evidence"]} == {"IPv4"}


def test_text_in_chinese_fits_eighty_columns() -> None:
    done = run_lab("claims", "C85", "-6", "--lang", "zh")
    assert done.returncode == 0
    assert "C85  已验证  Linux 与文章不同" in done.stdout
    assert done.stdout.splitlines()[-2].startswith("共 1 条：1 已验证（Linux ")
    assert done.stdout.splitlines()[-1] == "Linux 与文章不同：1 条"


@pytest.mark.parametrize(("asked", "near"), [("C999", "did you mean C99?\n"), ("handshake", "they are C1 to C")])
def test_an_unknown_claim_is_wrong_usage(asked: str, near: str) -> None:
    done = run_lab("claims", "C1", asked)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"there is no claim {asked.upper()!r}; " in done.stderr
    assert near in done.stderr


def test_a_difference_is_exit_1_and_names_the_claims_of_its_step_alone(tmp_path: Path) -> None:
    scenario_file(tmp_path, STEP.format(ack=2, end=""))
    done = run_claims_of(tmp_path, "C50", "C62", "-4", "--json")
    first, second = json.loads(done.stdout)
    assert done.returncode == 1
    assert (first["id"], first["verdict"]) == ("C50", "differs")
    assert first["evidence"][0]["packet"] >= 2  # behind the SYN, and whatever else the kernel says on a new wire
    assert "instead of 2" in first["measured"]
    assert (second["id"], second["verdict"], second["evidence"]) == ("C62", "not run", [])


def test_an_error_in_a_scenario_is_exit_3_and_its_earlier_steps_count(tmp_path: Path) -> None:
    scenario_file(tmp_path, STEP.format(ack=1, end="raise ValueError('mine')"))
    done = run_claims_of(tmp_path, "C50", "C62", "-4", "--json")
    assert [each["verdict"] for each in json.loads(done.stdout)] == ["shown", "not run"]
    assert done.returncode == 3
    assert "ValueError: mine" in done.stderr


def without_packets(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Evidence of two runs without packet numbers: each run has other housekeeping frames between the segments."""
    for each in told:
        each["evidence"] = [{**seen, "packet": None} for seen in each["evidence"]]
    return told


def test_a_saved_run_gives_the_same_verdicts(tmp_path: Path) -> None:
    scenario_file(tmp_path, STEP.format(ack=1, end=""))
    assert run_lab("run", "-4", "--out", tmp_path / "saved", tmp_path).returncode == 0
    live = json.loads(run_claims_of(tmp_path, "C50", "C62", "-4", "--json").stdout)
    saved = run_lab("claims", "C50", "C62", "--from", tmp_path / "saved", "--json")
    assert (saved.returncode, saved.stderr) == (0, "")
    assert [(each["id"], each["verdict"]) for each in json.loads(saved.stdout)] == [("C50", "shown"), ("C62", "shown")]
    assert without_packets(json.loads(saved.stdout)) == without_packets(live)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two saved runs of the scenarios that name C77, `older` and `newer`."""
    place = tmp_path_factory.mktemp("runs")
    for name in ("older", "newer"):
        assert run_lab("run", "-4", "-q", "C77", "--out", f"out/{name}", cwd=place).returncode == 0
    return place


Asked = Callable[[Claim], bool]
CLAIMS_ABOUT: dict[str, Asked] = {
    "--kind differs": lambda claim: claim.kind is Kind.DIFFERS,
    "--kind left-out --kind imprecise": lambda claim: claim.kind in {Kind.LEFT_OUT, Kind.IMPRECISE},
    "--topic close_first": lambda claim: claim.topic == "close_first",
    "--topic first --topic header --kind holds": lambda claim: (
        claim.topic in {"first", "header"} and claim.kind is Kind.HOLDS
    ),
    "C77 C85 --kind differs": lambda claim: claim.id == "C85",
}


@pytest.mark.parametrize("filters", CLAIMS_ABOUT)
def test_claims_are_filtered_by_kind_and_topic(runs: Path, filters: str) -> None:
    told = json.loads(run_lab("claims", *filters.split(), "--from", "newer", "--json", cwd=runs).stdout)
    asked = CLAIMS_ABOUT[filters]
    assert [each["id"] for each in told] == [each.id for each in catalogue().claims.values() if asked(each)]


def test_claims_are_filtered_by_verdict(runs: Path) -> None:
    def told(*verdicts: str) -> dict[str, str]:
        arguments = [word for each in verdicts for word in ("--verdict", each)]
        done = run_lab("claims", *arguments, "--from", "newer", "--json", cwd=runs)
        return {each["id"]: each["verdict"] for each in json.loads(done.stdout)}

    everything = told()
    confirmed = {name: verdict for name, verdict in everything.items() if verdict == "shown"}
    assert set(confirmed) > {"C77"}
    assert told("confirmed") == confirmed
    assert told("not-run") == {name: verdict for name, verdict in everything.items() if verdict == "not run"} != {}
    assert told("confirmed", "differs", "not-run") == everything


def test_the_newest_saved_run_of_this_kernel_is_taken_and_named(runs: Path) -> None:
    def claims(*arguments: str) -> subprocess.CompletedProcess[str]:
        call = [*COMMAND, "claims", "-4", "C77", "--json", *arguments]
        return subprocess.run(
            call, cwd=runs, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=True
        )

    assert claims().stderr == "from the saved run out/newer; --new runs the scenarios again\n"
    assert claims("--new").stderr == ""
    newer = runs / "out/newer/run.json"
    newer.write_text(newer.read_text(encoding="utf-8").replace(os.uname().release, "5.0.0"), encoding="utf-8")
    assert claims().stderr == "from the saved run out/older; --new runs the scenarios again\n"


def test_a_missing_run_is_wrong_usage() -> None:
    done = run_lab("claims", "--from", "no/such/run")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "there is no file or folder no/such/run\n")
