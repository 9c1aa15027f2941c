"""`lab shell` on a terminal and behind a pipe: values, errors, completion, history, and what an end leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.kernel.helpers import COMMAND, DEADLINE_S, ROOT, environment, run_lab
from tests.kernel.remains import unchanged_host

pytestmark = pytest.mark.xdist_group("host")  # they change or compare what the whole machine has

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CTRL_C, CTRL_D, TAB, UP = "\x03", "\x04", "\t", "\x1b[A"


class Terminal:
    """A shell on a terminal, and what it has written."""

    def __init__(self, process: subprocess.Popen[bytes], leader: int) -> None:
        self.process = process
        self.leader = leader
        self._written = ""

    def type(self, keys: str) -> None:
        os.write(self.leader, keys.encode())

    def until(self, text: str) -> str:
        """What is written until `text` appears, without colours; the next call looks after it."""
        end = time.monotonic() + DEADLINE_S
        while text not in self._written:
            left_s = end - time.monotonic()
            assert left_s > 0, f"{text!r} did not come: {self._written}"
            if select.select([self.leader], [], [], left_s)[0]:
                self._written = ESCAPE.sub("", self._written + os.read(self.leader, 65536).decode())
        told, _, self._written = self._written.partition(text)
        return told + text

    def answer(self, line: str, text: str) -> str:
        """What is written from a typed line until `text`."""
        self.type(line + "\r")
        return self.until(text)


@contextmanager
def shell(home: Path, **variables: str) -> Iterator[Terminal]:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "shell"],
        cwd=ROOT,
        env={**environment(), "HOME": str(home), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **variables},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # pytest has one thread here
    )
    os.close(follower)
    with process:
        try:
            terminal = Terminal(process, leader)
            terminal.until(">>> ")
            yield terminal
        finally:
            if process.poll() is None:
                process.kill()
            with suppress(OSError):  # closed by the test
                os.close(leader)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_lines_of_the_banner_work_in_that_order(language: str) -> None:
    lines = [line.strip() for line in run_lab("shell", "--lang", language).stdout.splitlines()]
    first = lines[1:4]
    assert first == ['peer.send("S")', 'peer.expect("SA")', 'peer.send("A")']
    also = lines[5].replace("、", ", ").split("), ")
    done = run_lab("shell", typed="\n".join([*first, "kernel.state", "server.accept(of=peer)", "peer.close()", ""]))
    assert len(also) == 3
    assert "ESTABLISHED (ss: ESTAB)" in done.stdout
    assert "TIME-WAIT    A────►   CLOSED" in done.stdout
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "Error" not in done.stdout


ANSWERS = [
    ("peer.sned", "AttributeError: 'Peer' object has no attribute 'sned'; did you mean send?"),
    ("kernal", "NameError: name 'kernal' is not defined; did you mean kernel?"),
    ("peer.send('S', optins=[])", "unexpected keyword argument 'optins'; did you mean options?"),
    ("peer.send('Z')", "ValueError: 'Z': 'Z' is not a TCP flag, use letters of FSRPAUECN"),
    ("kernel.expect_state(peer, 'ESTABLISHD')", "did you mean ESTABLISHED?"),
    ("f(]", "SyntaxError: closing parenthesis ']' does not match opening parenthesis '(', at column 3"),
    ("raise ValueError('one\\n\\x1btwo')", r"ValueError: one \x1btwo"),
    ("import fooo", "ModuleNotFoundError: No module named 'fooo'"),
]


@pytest.mark.parametrize(("typed", "answer"), ANSWERS, ids=[typed for typed, _ in ANSWERS])
def test_an_error_is_one_line_with_the_nearest_word(typed: str, answer: str) -> None:
    out = run_lab("shell", typed=f"{typed}\n").stdout
    told = next(line for line in out.splitlines() if line.startswith(">>> ")).removeprefix(">>> ")
    assert answer in told
    assert "Traceback" not in out


def test_values_read_as_the_ladder_does() -> None:
    typed = """
peer.send("S")
peer
peer.expect("SA")
kernel
peer.send("PA", payload="hello")
kernel
server
server.accept(of=peer)
_.send(b"hi")
peer.expect("A"); peer.expect("PA", payload="hi")
peer
peer.state
other = lab.peer(port=7)
other
lab
kernel.state
third = lab.peer(to=81)
kernel.state
kernel.connect(to=other)
kernel.state
"""
    out = run_lab("shell", typed=typed).stdout
    values = [re.sub("^(>>> )+", "", line) for line in out.splitlines()]
    address = r"198\.1[89]\.\d+\.\d+"
    expected = rf"""
ESTABLISHED \(ss: ESTAB\)  {address}:40001 to {address}:80, unread: SA 0:0\(0\) ack 1 win 64240 <mss 1460>
SA 0:0\(0\) ack 1 win 64240 <mss 1460>
LISTEN  {address}:80, connections to accept: 0
SYN-RECEIVED \(ss: SYN-RECV\)  {address}:80 to {address}:40001
LISTEN  {address}:80, connections to accept: 1
ESTABLISHED \(ss: ESTAB\)  {address}:80 to {address}:40001, unread: 5 bytes
LISTEN  {address}:80, connections to accept: 1
ESTABLISHED \(ss: ESTAB\)  {address}:80 to {address}:40001, unread: 5 bytes
2
A 1:1\(0\) ack 6 win 64235
PA 1:3\(2\) ack 6 win 64235
ESTABLISHED \(ss: ESTAB\)  {address}:40001 to {address}:80, unread: 2 bytes
ESTABLISHED \(ss: ESTAB\)
LISTEN  {address}:7, no connection yet
a lab over IPv4: type lab\. and Tab to see what it can do
ESTABLISHED \(ss: ESTAB\)
""".strip().splitlines()
    for line in expected:
        assert any(re.fullmatch(line, value) for value in values), (line, values)


def test_the_ladder_grows_while_one_types_and_ctrl_c_clears_the_line(tmp_path: Path) -> None:
    with shell(tmp_path) as terminal:
        terminal.answer('peer.send("S")', "SYN-RECEIVED  0:0(0) ack 1")
        terminal.type("half a li")
        terminal.until("retransmission")
        terminal.until(">>> half a li")
        terminal.type(CTRL_C)
        terminal.until(">>> ")
        terminal.answer("21 * 2", "\n42")
        terminal.answer("if True:", "... ")
        terminal.type(CTRL_C)
        terminal.until(">>> ")
        terminal.answer("6 * 7 * 2", "\n84")
        terminal.answer('print("be" + "gun"); peer.skip_until("RA", within=600)', "begun")
        terminal.type(CTRL_C)
        terminal.until("interrupted")
        terminal.answer("100 + 1", "\n101")
        terminal.until(">>> ")  # before that the terminal reads whole lines, of which Ctrl-D is none
        terminal.type(CTRL_D)
        assert terminal.process.wait(DEADLINE_S) == 0


def test_tab_completes_names_attributes_arguments_and_states(tmp_path: Path) -> None:
    with shell(tmp_path) as terminal:
        terminal.answer(f'pe{TAB}.send_{TAB}"x")', "ScenarioError")
        terminal.answer(f'peer.send("S", opt{TAB}[])', "SYN-RECEIVED  0:0(0) ack 1")
        terminal.answer(f'kernel.expect_state(peer, "SYN-R{TAB})', ">>> ")
        terminal.answer(f"kernel.sta{TAB}", "SYN-RECEIVED (ss: SYN-RECV)")


def test_history_is_kept_for_each_user_behind_sudo(tmp_path: Path) -> None:
    for user, number in (("1000", "11"), ("1001", "12")):
        with shell(tmp_path, SUDO_UID=user) as terminal:
            terminal.answer(f"{number} * 1000", f"\n{number}000")
    with shell(tmp_path, SUDO_UID="1000") as terminal:
        terminal.answer(UP, "\n11000")
    folder = tmp_path / ".local/state/tcp-packet-lab"
    files = {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}
    assert files == {"shell-1000": 0o600, "shell-1001": 0o600}


def test_a_home_that_cannot_be_written_only_forgets(tmp_path: Path) -> None:
    (tmp_path / ".local").write_text("no folder")
    with shell(tmp_path) as terminal:
        terminal.answer("2 * 21", "\n42")
        terminal.answer(UP, "\n42")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "closed terminal"])
def test_nothing_is_left_behind(tmp_path: Path, how: str) -> None:
    with unchanged_host(), shell(tmp_path) as terminal:
        terminal.answer("peer.open()", "ESTABLISHED   1:1(0)")
        if how == "closed terminal":
            os.close(terminal.leader)
        else:
            terminal.process.send_signal(signal.Signals[how])
        terminal.process.wait(DEADLINE_S)
        if how == "SIGTERM":
            assert terminal.process.returncode == 128 + signal.SIGTERM
            assert termios.tcgetattr(terminal.leader)[3] & termios.ICANON, "the terminal is as before"
