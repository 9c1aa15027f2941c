"""`lab diff` and `lab run --sysctl`: comparison of two runs of one kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kernel.helpers import run_lab, scenario_file


def test_two_runs_of_one_kernel_do_not_differ(tmp_path: Path) -> None:
    for name in "one", "other":
        assert run_lab("run", "-q", "--out", tmp_path / name, "handshake", "half_close").returncode == 0
    done = run_lab("diff", tmp_path / "one", tmp_path / "other")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["<", str(tmp_path / "one")], [">", str(tmp_path / "other")]]
    assert lines[2:] == ["nothing differs except times, timestamps and ports, which always differ"]


def test_two_settings_of_one_kernel_differ_where_they_matter(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, "lab.kernel.connect(to=(peer := lab.peer(port=80)))\npeer.expect('S')", "one")
    for name, value in ("with", 1), ("without", 0):
        done = run_lab("run", "-q", "--out", tmp_path / name, "--sysctl", f"net.ipv4.tcp_timestamps={value}", file)
        assert done.returncode == 0
    done = run_lab("diff", "--json", tmp_path / "with", tmp_path / "without")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["environment"] == []
    assert told["sysctls"] == [{"name": "net.ipv4.tcp_timestamps", "first": "1", "second": "0"}]
    assert [(each["id"], each["families"], each["changes"]) for each in told["scenarios"]] == [
        ("one.one", ["IPv4"], []), ("one.one", ["IPv6"], []),
    ]  # fmt: skip
    for scenario in told["scenarios"]:
        [first], [second] = scenario["first"], scenario["second"]
        assert first["text"].startswith("kernel > peer  S    0:0(0) win ")
        assert ",TS," in first["text"]
        assert "TS" not in second["text"]


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("net.ipv4.tcp_sakc=1", "this kernel has no sysctl net.ipv4.tcp_sakc for a network namespace"),
        ("kernel.hostname=x", "this kernel has no sysctl kernel.hostname for a network namespace"),
        ("net.ipv4.tcp_sack", "--sysctl takes NAME=VALUE, not 'net.ipv4.tcp_sack'"),
    ],
)
def test_a_wrong_setting_is_wrong_usage(setting: str, why: str) -> None:
    done = run_lab("run", "--sysctl", setting)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{why}\n")


def test_a_wrong_setting_is_named_in_chinese_too() -> None:
    done = run_lab("run", "--lang", "zh", "--sysctl", "tcp_sack=0")
    assert done.stderr == "本机内核的网络命名空间没有 sysctl tcp_sack\n"


def test_a_scenario_keeps_its_own_settings(tmp_path: Path) -> None:
    prologue = "sack = 'net.ipv4.tcp_sack'"
    body = """
    lab.verify('sack', '1', lab.kernel.sysctl(sack))
    lab.verify('ecn', '0', lab.kernel.sysctl('net.ipv4.tcp_ecn'))
    """
    file = scenario_file(tmp_path, body, "one", prologue)
    file.write_text(file.read_text().replace("section='RFC 9293'", "section='', sysctls={sack: 1}"))
    done = run_lab("run", "-q", "--sysctl", "net.ipv4.tcp_sack=0", "--sysctl", "net.ipv4.tcp_ecn=0", file)
    assert done.returncode == 0, done.stdout
