"""`lab shell` on a terminal and behind a pipe: values, errors, completion, history, and what an end leaves behind."""

from __future__ import annotations

import os
import re
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.kernel.helpers import COMMAND, DEADLINE_S, run_lab
from tests.kernel.remains import unchanged_host
from tests.kernel.terminals import Terminal, on_terminal

pytestmark = pytest.mark.usefixtures("whole_machine")

CTRL_C, CTRL_D, TAB, UP = "\x03", "\x04", "\t", "\x1b[A"


@contextmanager
def shell(home: Path, **variables: str) -> Iterator[Terminal]:
    with on_terminal([*COMMAND, "shell"], {"HOME": str(home), "PROMPT_TOOLKIT_NO_CPR": "1", **variables}) as terminal:
        terminal.until(">>> ")
        yield terminal


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_lines_of_the_banner_work_in_that_order(language: str) -> None:
    lines = [line.strip() for line in run_lab("shell", "--lang", language).stdout.splitlines()]
    first, also = lines[1:4], lines[5:8]
    assert first == ['peer.send("S")', 'peer.expect("SA")', 'peer.send("A")']
    assert also == ["server.accept(of=peer), kernel.state", 'kernel.expect_state(peer, "ESTABLISHED")', "peer.close()"]
    done = run_lab("shell", typed="\n".join([*first, "kernel.state", *also, ""]))
    assert "ESTABLISHED (ss: ESTAB)" in done.stdout
    assert "TIME-WAIT    A────►   CLOSED" in done.stdout
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "Error" not in done.stdout


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_banner_fits_a_narrow_terminal(tmp_path: Path, language: str) -> None:
    command = [*COMMAND, "shell", "--lang", language]
    with on_terminal(command, {"HOME": str(tmp_path), "PROMPT_TOOLKIT_NO_CPR": "1"}, columns=60) as terminal:
        lines = terminal.until(">>> ").splitlines()
    assert "server.accept(of=peer)" in "".join(lines)
    assert max(map(cell_len, lines)) <= 60


def test_a_port_that_the_banners_server_has_is_named() -> None:
    done = run_lab(
        "shell", typed="kernel.listen(port=80)\nserver.close()\nkernel.listen(port=80)\nkernel.listen(port=0)\n"
    )
    assert done.stdout.count("DIFFERS") == 1
    assert "server listens on port 80 already: type server.close(), or listen on another port." in done.stdout


def test_help_says_how_it_is_used() -> None:
    out = run_lab("shell", "--lang", "zh", typed="help\nhelp()\nhelp(peer.send)\n").stdout
    assert out.count("help(peer) 和 help(peer.send) 说明一个词") == 2
    assert "Help on method send" in out


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


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("f(]", "SyntaxError（语法错误）：右括号“]”与左括号“(”不对应，第 3 列"),
        ("peer.send（'S')", "SyntaxError（语法错误）：无效的字符“（”（U+FF08）：请使用英文标点"),
        ("x = 'abc", "SyntaxError（语法错误）：字符串没有结束（第 1 行），第 5 列"),
        ("peer.send('Z')", "'Z' 不是 TCP 控制位，请使用 FSRPAUECN 中的字母"),
        ("1 +", "SyntaxError（语法错误）：语法无效\n"),
    ],
)
def test_what_python_does_not_understand_is_told_in_chinese(typed: str, answer: str) -> None:
    assert answer in run_lab("shell", "--lang", "zh", typed=f"{typed}\n").stdout


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
    values = [line for line in (re.sub("^(>>> )+", "", line) for line in out.splitlines()[9:]) if line[:1].strip()]
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
ESTABLISHED \(ss: ESTAB\)
SYN-SENT  {address}:\d+ to {address}:7
ScenarioError: the kernel has 2 connections: use inet_diag\(peer\)\.state
""".strip().splitlines()
    assert len(values) == len(expected), values
    for line, value in zip(expected, values, strict=True):
        assert re.fullmatch(line, value)


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
        terminal.answer(f'print("is", "SYN-R{TAB})', "\nis SYN-RECEIVED")
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
