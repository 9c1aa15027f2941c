"""`lab up`, `lab shell` and `lab down`: they make namespaces, keep those of others, and leave nothing."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from lab.host import playground
from lab.host.addresses import Pair, address_family
from lab.host.errors import MachineError
from lab.host.syscalls import unmount
from tests.kernel.helpers import (
    COMMAND,
    DEADLINE_S,
    as_an_ordinary_user,
    environment,
    read_until,
    run_lab,
    started_lab,
)
from tests.kernel.remains import unchanged_host
from tests.kernel.terminals import on_terminal

pytestmark = pytest.mark.usefixtures("whole_machine")

FOLDER = Path("/run/netns")


@pytest.fixture
def up(whole_machine: None) -> Iterator[None]:  # noqa: ARG001  # first
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
    with pytest.raises(MachineError, match="namespace already exists: lab-kernel, lab-peer"):
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
        assert "NameError: name 'nonsense' is not defined" in done.stdout


def test_without_a_playground_a_shell_makes_its_own_lab() -> None:
    done = run_lab("shell", typed='peer.open()\npeer.state\npeer.send("XY")\n')
    assert "In two new namespaces:" in done.stdout
    assert ">>> ESTABLISHED (ss: ESTAB)\n" in done.stdout
    assert "ValueError" in done.stdout
    assert not FOLDER.exists() or not any(FOLDER.glob("lab-*"))


def in_namespace(name: str, *command: str) -> list[str]:
    return ["nsenter", f"--net={FOLDER / name}", *command]


SERVER = """
import socket, sys
with socket.create_server((sys.argv[1], 8000), family=int(sys.argv[2])) as listening:
    print("listening", flush=True)
    with listening.accept()[0] as connection:
        connection.sendall(connection.recv(100))
        connection.recv(1)
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], 8000)) as connection:
    connection.sendall(b"hello")
    assert connection.recv(100) == b"hello"
"""
HANDSHAKE = r"""
 +0.000  SYN-SENT     S────►   SYN-RECEIVED  0:0\(0\) win .*
 +\d+.\d+  ESTABLISHED  ◄───SA   SYN-RECEIVED  0:0\(0\) ack 1 win .*
 +\d+.\d+  ESTABLISHED  A────►   ESTABLISHED   1:1\(0\) ack 1 win .*
 +\d+.\d+  ESTABLISHED  PA───►   ESTABLISHED   1:6\(5\) ack 1 win .*
"""


@pytest.mark.parametrize("pair", playground.ADDRESSES, ids=["IPv4", "IPv6"])
def test_watch_shows_both_kernels_while_other_programs_talk(pair: Pair) -> None:
    with unchanged_host(), started_lab("watch", mark="nothing yet") as process:
        assert process.communicate(timeout=DEADLINE_S) == (
            "",
            "the lab cannot run here: there is no playground\nmake one: sudo scripts/lab up --two-kernels\n",
        )
        assert process.returncode == 3
        assert "a second kernel: 192.0.2.2 and 2001:db8:ffff::2" in run_lab("up", "--two-kernels").stdout
        with started_lab("watch", mark="watching") as watching:
            read_until(watching, "watching the two kernels")
            call = in_namespace(
                playground.KERNEL, sys.executable, "-c", SERVER, pair.kernel, str(int(address_family(pair.family)))
            )
            with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as server:
                assert server.stdout is not None
                assert server.stdout.readline() == "listening\n"
                call = in_namespace(playground.PEER, sys.executable, "-c", CLIENT, pair.kernel)
                subprocess.run(call, check=True, timeout=DEADLINE_S)
            told = read_until(watching, "TIME-WAIT    A────►   CLOSED")
            gone = run_lab("down")
            assert gone.stdout == "removed lab-kernel\nremoved lab-peer\n"
            out, err = watching.communicate(timeout=DEADLINE_S)
        assert (watching.returncode, out.splitlines()[-1], err) == (0, "the playground has been removed", "")
    assert re.search(HANDSHAKE.strip("\n"), re.sub(r"\n {47}.*", "", told))
    assert re.search(r"FIN-WAIT-1   FA───►   CLOSE-WAIT", told)
    assert re.search(r"◄───FA   LAST-ACK", told)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_watch_leaves_nothing_however_it_ends(number: signal.Signals) -> None:
    with unchanged_host():
        playground.up(two_kernels=True)
        with started_lab("watch", mark="ended") as watching:
            read_until(watching, "watching the two kernels")
            watching.send_signal(number)
            _, err = watching.communicate(timeout=DEADLINE_S)
            assert (watching.returncode, err) == (0 if number == signal.SIGINT else -number, "")
        assert playground.down() == ([playground.KERNEL, playground.PEER], [])


@pytest.mark.usefixtures("up")
def test_watch_of_one_kernel_shows_the_segments_of_a_shell() -> None:
    with started_lab("watch", mark="one kernel") as watching:
        read_until(watching, "the other end has none")
        run_lab("shell", typed="peer.open()\n")
        read_until(watching, "A────►   ESTABLISHED   1:1(0) ack 1")


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


def test_on_a_narrow_terminal_each_command_to_type_can_be_copied() -> None:
    try:
        with on_terminal([*COMMAND, "up", "--two-kernels"], {}, columns=60) as terminal:
            told = terminal.until("lab down")
    finally:
        playground.down()
    assert max(map(cell_len, told.splitlines())) <= 60
    whole = re.sub(r" \\\r?\n +", " ", told)
    assert f"ip netns exec {playground.KERNEL} python3 -m http.server 8000\r\n" in whole


@pytest.mark.parametrize("command", ["up", "down", "watch"])
@pytest.mark.parametrize("is_up", [False, True], ids=["nothing", "playground"])
def test_an_ordinary_user_is_told_to_be_root(command: str, is_up: bool) -> None:
    if is_up:
        playground.up()
    try:
        with started_lab(command, mark="ordinary", preexec=as_an_ordinary_user()) as process:
            out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        playground.down()
    if command == "down" and not is_up:
        assert (process.returncode, out, err) == (0, "there is no playground\n", "")
    else:
        assert (process.returncode, out) == (3, "")
        assert err == f"the lab cannot run here: named namespaces need root\ntype: sudo scripts/lab {command}\n"


def test_what_the_machine_refuses_is_told() -> None:
    """Root of a user namespace: it may make namespaces, but not name them."""
    call = ["unshare", "--user", "--map-root-user", "--net", *COMMAND, "up"]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("the lab cannot run here: named namespaces cannot be used (")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("step", ["Network", "mount"])
def test_an_interrupt_leaves_nothing(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(playground, step, interrupted)
    with unchanged_host(), pytest.raises(KeyboardInterrupt):
        playground.up()


KILLED = """
import os, signal, sys
from lab.host import playground
from lab.host.addresses import Pair, address_family

def killing(call):
    def counted(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return counted

left = int(sys.argv[1])
for name in "Network", "mount":
    setattr(playground, name, killing(getattr(playground, name)))
playground.up()
"""


def test_whenever_up_is_killed_down_removes_all() -> None:
    """Killed before each of its steps in turn, until it has no more steps."""
    with unchanged_host():
        for step in range(100):
            call = [sys.executable, "-c", KILLED, str(step)]
            killed = subprocess.run(call, env=environment(), capture_output=True, text=True, check=False)
            gone = run_lab("down")
            assert (gone.returncode, gone.stderr) == (0, ""), step
            if killed.returncode == 0:
                break
            assert killed.returncode == -signal.SIGKILL
        assert gone.stdout == "removed lab-kernel\nremoved lab-peer\n"
        assert step == 1 + 5


def test_of_two_at_once_one_makes_it() -> None:
    with unchanged_host():
        with started_lab("up", mark="one") as one, started_lab("up", mark="two") as two:
            told = [(process, *process.communicate(timeout=DEADLINE_S)) for process in (one, two)]
        told.sort(key=lambda each: each[0].returncode)
        assert [process.returncode for process, _, _ in told] == [0, 3]
        _, out, err = told[1]
        assert (out, len(err.splitlines())) == ("", 2)
        assert "is at work" in err or "already exists" in err
        assert run_lab("down").stdout == "removed lab-kernel\nremoved lab-peer\n"
