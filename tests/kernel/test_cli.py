"""`lab run`, `lab list` and `lab doctor` as processes: output, streams and exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import lab
from lab.author import registry
from lab.claims.groups import groups
from lab.tcp.rules import RULES
from lab.tcp.state import State
from tests.kernel.helpers import WholeRun, run_lab, scenario_file

PASSING = """
server = lab.kernel.listen(port=80)
peer = lab.peer(to=server)
peer.open()
"""
FAILING = PASSING + "peer.expect('A', within=0.0)\n"


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A file with a passing, a failing and a passing scenario, in this order."""
    for name, body in ("a", PASSING), ("b", FAILING), ("c", PASSING):
        scenario_file(tmp_path, body, name)
    return tmp_path


def test_every_scenario_passes_over_both_families(whole: WholeRun) -> None:
    assert (whole.status, whole.messages) == (0, "")
    told = whole.told
    wanted = [(each.id, f"IPv{family}") for each in registry.find().scenarios for family in each.families]
    assert [(each["id"], each["family"]) for each in told["scenarios"]] == wanted
    assert {each["outcome"] for each in told["scenarios"]} == {"pass"}
    assert {each["failed"] for each in told["scenarios"]} == {0}
    assert all(each["checks"] > 0 and each["seconds"] > 0 for each in told["scenarios"])


def test_json_has_scenarios_and_environment(whole: WholeRun) -> None:
    told = whole.told
    assert set(told) == {"version", "environment", "scenarios", "states", "summary"}
    assert told["version"] == lab.__version__
    assert told["environment"]["kernel"] == Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert told["environment"]["witnesses"] == ["inet_diag", "tracepoint"]
    assert told["environment"]["sysctls"]["net.ipv4.tcp_timestamps"] == "1"
    summary = told["summary"]
    assert (summary["pass"], summary["fail"], summary["error"], summary["skip"]) == (len(told["scenarios"]), 0, 0, 0)
    assert summary["checks"] == sum(each["checks"] for each in told["scenarios"])
    assert summary["failed_checks"] == 0


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_the_kernel_shows_all_eleven_states_in_each_family(family: str) -> None:
    done = run_lab("run", family, "--json", "-")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert {each["family"] for each in told["scenarios"]} == {f"IPv{family[1]}"}
    assert sorted(told["states"]) == sorted(state.value for state in State)
    assert len(told["states"]) == 11


def test_a_run_of_many_prints_a_line_for_each_scenario_and_a_summary_last(whole: WholeRun) -> None:
    told, lines = whole.told, whole.text.splitlines()
    ids = list(dict.fromkeys(each["id"] for each in told["scenarios"]))
    assert [line.split()[:3] for line in lines[: len(ids)]] == [["pass", each, "IPv4+6"] for each in ids]
    assert all(re.search(r"  IPv4\+6 +\d+ checks +\d+\.\d\d s$", line) for line in lines[: len(ids)])
    count, checks = len(told["scenarios"]), told["summary"]["checks"]
    end = "\n".join(lines[len(ids) :])
    assert re.search(rf"^{count} passed; {checks} checks in ", end, re.MULTILINE)
    assert f"states seen (11 of 11): {', '.join(told['states'])}" in " ".join(end.split())
    assert f"saved in {whole.folder}" in end
    assert len(lines) <= len(ids) + 40


def test_scenarios_come_in_learning_order(whole: WholeRun) -> None:
    met = dict.fromkeys(each["id"].partition(".")[0] for each in whole.told["scenarios"])
    listed = dict.fromkeys(each["id"].partition(".")[0] for each in json.loads(run_lab("list", "--json").stdout))
    assert list(met) == list(listed) == list(groups())
    assert list(groups())[:3] == ["connections", "header", "handshake"]


def test_up_to_three_scenarios_show_ladder_and_checks() -> None:
    done = run_lab("run", "handshake", "syn.bits_of_a_syn")
    assert re.search(r"^pass handshake\.kernel_as_server  IPv4  RFC 9293 3\.5 figure 6$", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^pass [\w.]+  IPv[46]  RFC", done.stdout, re.MULTILINE)) == 6
    ladder = r"^ +\d+\.\d{3}  SYN-SENT +S─*►  +SYN-RECEIVED +0:0\(0\) win 65535 <mss 1460>$"
    assert re.search(ladder, done.stdout, re.MULTILINE)
    assert re.search(r"^  ok +:\d+  SA +seq 0, ack 1", done.stdout, re.MULTILINE)
    assert len(run_lab("run", "handshake", "syn.bits_of_a_syn", "refusing.nobody_listens").stdout.splitlines()) < 10


def test_the_ladder_of_a_run_of_many_is_shown_for_what_failed_and_with_v(tmp_path: Path) -> None:
    for name, body in ("a", PASSING), ("b", FAILING), ("c", PASSING), ("d", PASSING):
        scenario_file(tmp_path, body, name)
    done = run_lab("run", tmp_path)
    assert done.returncode == 1
    heads = re.findall(r"^(\w+) +(\w)\.\w  +(IPv[46+]+)", done.stdout, re.MULTILINE)
    assert heads == [
        ("pass", "a", "IPv4+6"), ("FAIL", "b", "IPv4"), ("FAIL", "b", "IPv6"), ("pass", "c", "IPv4+6"),
        ("pass", "d", "IPv4+6"),
    ]  # fmt: skip
    assert done.stdout.count("SYN-SENT     S────►") == 2
    assert run_lab("run", "-v", tmp_path).stdout.count("SYN-SENT     S────►") == 8


def test_a_saved_run_prints_the_same_as_the_run(whole: WholeRun) -> None:
    shown = run_lab("show", whole.folder)
    assert (shown.returncode, shown.stderr) == (0, "")
    count = len({each["id"] for each in whole.told["scenarios"]})
    assert shown.stdout.splitlines()[1 : count + 1] == whole.text.splitlines()[:count]
    assert json.loads(run_lab("show", "--json", whole.folder).stdout) == whole.told


def test_ladders_of_a_saved_run_are_those_of_the_run(tmp_path: Path) -> None:
    ran = run_lab("run", "handshake", "--out", tmp_path / "saved")
    shown = run_lab("show", tmp_path / "saved", "*")
    assert shown.stdout == ran.stdout.partition("4 passed; ")[0]


def test_quiet_prints_only_the_summary() -> None:
    done = run_lab("run", "-q", "-4", "kernel_as_server")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["1", "states"]


def test_verbose_adds_rules_and_bytes() -> None:
    done = run_lab("run", "-v", "-4", "kernel_as_server")
    assert all(f"{rule.id} " in done.stdout and rule.sentence in done.stdout for rule in RULES)
    assert re.search(
        r"frame \d+  peer > kernel  58 bytes\n    0000  02 00 00 00 00 01 02 00 00 00 00 02 08 00", done.stdout
    )


def test_a_difference_is_exit_1_and_the_others_still_run(three: Path) -> None:
    done = run_lab("run", "-4", three)
    assert done.returncode == 1
    assert re.findall(r"^(\w+) (\w)\.", done.stdout, re.MULTILINE) == [("pass", "a"), ("FAIL", "b"), ("pass", "c")]
    assert f"\n  at {three}/b.py:9\n    > peer.expect('A', within=0.0)\n" in done.stdout
    assert "\n2 passed, 1 failed; " in done.stdout


def test_stop_at_the_first_difference(three: Path) -> None:
    done = run_lab("run", "-4", "-x", "--json", three / "out.json", three)
    assert done.returncode == 1
    assert re.findall(r"^(\w+) (\w)\.", done.stdout, re.MULTILINE) == [("pass", "a"), ("FAIL", "b")]
    told = json.loads((three / "out.json").read_text())
    assert [each["outcome"] for each in told["scenarios"]] == ["pass", "fail"]
    assert told["scenarios"][1]["message"] == "waited 0 s for A, and the kernel sent no such segment"
    assert told["scenarios"][1]["where"] == f"{three}/b.py:9"


def test_json_is_alone_on_standard_output(three: Path) -> None:
    done = run_lab("run", "--json", "-", three)
    told = json.loads(done.stdout)
    assert [(each["id"], each["family"], each["outcome"], each["failed"]) for each in told["scenarios"]] == [
        (f"{name}.{name}", family, outcome, int(outcome == "fail"))
        for name, outcome in (("a", "pass"), ("b", "fail"), ("c", "pass"))
        for family in ("IPv4", "IPv6")
    ]
    assert "FAIL b.b  IPv4" in done.stderr


def test_list_names_every_scenario() -> None:
    known = registry.find().scenarios
    told = json.loads(run_lab("list", "--json").stdout)
    assert [(each["id"], each["title"]) for each in told] == [(each.id, each.title) for each in known]
    assert all(each["section"] and Path(each["file"]).is_file() and each["families"] for each in told)
    for each in told:
        below = Path(each["file"]).read_text().splitlines()[each["line"] :]
        first = next(line for line in below if line.startswith("def "))
        assert first.startswith(f"def {each['id'].partition('.')[2]}(")


def test_the_list_is_in_groups_with_headings_and_wrapped() -> None:
    text = run_lab("list").stdout
    names = [(each.id.partition(".")[0], each.id.partition(".")[2]) for each in registry.find().scenarios]
    headings = re.findall(r"^(\w+)  (.+)$", text, re.MULTILINE)
    assert headings == [(name, title.en) for name, title in groups().items()]
    assert re.findall(r"^  (\w+)(?:  | *$)", text, re.MULTILINE) == [name for _, name in names]
    assert max(map(len, text.splitlines())) <= 100


def test_list_takes_patterns() -> None:
    done = run_lab("list", "closing.both*")
    assert re.findall(r"^ *(\w+)", done.stdout, re.MULTILINE)[:2] == ["closing", "both_close_at_once"]


def test_doctor_finds_all_requirements() -> None:
    done = run_lab("doctor")
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines()[:-1]} == {"ok"}
    assert done.stdout.splitlines()[-1] == "The lab can run here."


def test_the_version() -> None:
    assert run_lab("--version").stdout == f"{lab.__version__}\n"
