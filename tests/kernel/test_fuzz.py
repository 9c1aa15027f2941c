"""A slice of `scripts/fuzz`: random connections accuse nobody, and a kernel that breaks a rule is accused."""

from __future__ import annotations

import os
import random
import subprocess

import pytest

from lab import Lab
from lab.host import sysctls
from lab.host.errors import MachineError
from lab.tcp.flags import bits
from lab.wire.crafting import packet_of
from lab.wire.faults import Action, Fault
from scripts.fuzzing import drive
from scripts.fuzzing.job import Report, fuzz
from tests.kernel.helpers import ROOT

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
]


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_random_connections_accuse_nobody(family: int) -> None:
    report = fuzz(family, 300, family)
    assert report.accusation == ""
    assert report.connections >= 300


def sets_urgent(frame: bytes, _: random.Random) -> bytes:
    packet = packet_of(frame)
    packet["TCP"].urgptr = 7
    del packet["TCP"].chksum
    return bytes(packet)


def test_a_kernel_that_breaks_a_rule_is_accused_with_a_small_plan() -> None:
    def prepare(lab: Lab) -> None:
        lab.disturb(1, mutations=[Fault(Action.ALTER, matches=carries_fin, alter=sets_urgent)])

    report = fuzz(4, 200, 1, prepare)
    assert report.accusation.startswith("urgent-field: the urgent pointer is 7")
    assert "\nIPv4, settings of the lab\nstart: " in report.accusation
    assert report.accusation.count("Send(") + report.accusation.count("Call(") <= 2, report.accusation


def test_a_machine_that_cannot_go_on_is_no_accusation() -> None:
    labs: list[Lab] = []

    def prepare(lab: Lab) -> None:
        labs.append(lab)
        raise MachineError("the veth is not ready", "wait")

    assert fuzz(4, 5, 1, prepare) == Report(connections=0, accusation="", trouble="the veth is not ready; wait")
    assert len(labs) == 1, "it does not try again"


def test_a_setting_that_only_a_later_kernel_has_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    later = "net.ipv4.tcp_of_a_later_kernel"
    monkeypatch.setattr(sysctls, "OPTIONAL", {*sysctls.OPTIONAL, later})
    monkeypatch.setattr(drive, "SETTINGS", {**drive.SETTINGS, later: "1"})
    report = fuzz(4, 5, 1)
    assert (report.accusation, report.trouble) == ("", "")
    assert report.connections >= 5


def carries_fin(frame: bytes) -> bool:
    packet = packet_of(frame)
    return "TCP" in packet and bool(int(packet["TCP"].flags) & bits("F"))


def test_the_command_counts_connections_and_names_its_seed() -> None:
    done = subprocess.run(
        [ROOT / "scripts/fuzz", "--connections", "30", "--seed", "5"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 connections under Linux" in done.stdout
    assert "0 accusations (seed 5)" in done.stdout
