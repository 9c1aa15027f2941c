"""`lab up`, `lab shell` and `lab down`: they make namespaces, keep those of others, and leave nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.host import playground
from lab.host.errors import MachineError
from lab.host.syscalls import unmount
from tests.kernel.helpers import run_lab

FOLDER = Path("/run/netns")


@pytest.fixture
def up() -> Iterator[None]:
    there_before = FOLDER.exists()
    playground.up()
    yield
    playground.down()
    assert not playground.is_up()
    assert FOLDER.exists() == there_before


@pytest.mark.usefixtures("up")
def test_a_playground_can_be_entered_by_name() -> None:
    inside = ["nsenter", f"--net={FOLDER / playground.KERNEL}", "cat", "/proc/net/dev"]
    assert "kernel0" in subprocess.run(inside, capture_output=True, text=True, check=True).stdout
    with pytest.raises(MachineError, match="namespace already exists: lab-kernel and lab-peer"):
        playground.up()
    assert playground.is_up(), "the second attempt must not remove the first one's"


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_two_shells_in_sequence_use_the_same_kernel(family: int) -> None:
    typed = 'peer.open().close()\npeer.expect("FA")\npeer.expect("RA", within=0.1)\nnonsense\n'
    for _ in range(2):
        done = run_lab("shell", *(["-6"] if family == 6 else []), typed=typed)
        assert done.returncode == 0, done.stderr
        assert "In the namespaces of `lab up`:" in done.stdout
        assert "FIN-WAIT-1" in done.stdout
        assert (
            "DIFFERS\n  at <console>:1\n    waited 0.1 s for RA, and the kernel sent no such segment\n" in done.stdout
        )
        assert "NameError: name 'nonsense' is not defined" in done.stderr


def test_without_a_playground_a_shell_makes_its_own_lab() -> None:
    done = run_lab("shell", typed='peer.open()\npeer.state.value\npeer.send("XY")\n')
    assert "In two new namespaces:" in done.stdout
    assert "'ESTABLISHED'" in done.stdout
    assert "ValueError" in done.stdout
    assert not FOLDER.exists() or not any(FOLDER.glob("lab-*"))


def test_down_removes_only_tagged_namespaces() -> None:
    there_before = FOLDER.exists()
    from pyroute2 import netns

    netns.create(playground.PEER)  # somebody else's, though it has our name
    try:
        done = run_lab("up")
        assert done.returncode == 3
        assert "the lab did not create it" in done.stderr
        done = run_lab("down")
        assert done.returncode == 3
        assert "lab-peer was not made by the lab and is kept" in done.stdout
        assert (FOLDER / playground.PEER).exists()
    finally:
        netns.remove(playground.PEER)
        if not there_before:
            unmount(str(FOLDER))
            FOLDER.rmdir()
    assert "there is no playground" in run_lab("down").stdout


def test_the_commands_report_their_actions() -> None:
    made = run_lab("up")
    assert made.returncode == 0, made.stderr
    assert f"ip netns exec {playground.KERNEL} ss -tano" in made.stdout
    gone = run_lab("down")
    assert gone.stdout.splitlines() == ["removed lab-kernel", "removed lab-peer"]
