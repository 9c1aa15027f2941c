"""Progress lines of `lab run`: on a terminal only, and removed from the output."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from threading import Thread

import pytest

from lab.author.lab import Lab
from lab.session.switchboard import Waiting
from tests.kernel.helpers import COMMAND, DEADLINE_S, ROOT, environment, run_lab, scenario_file
from tests.unit.emulator import Screen

QUIET = """
peer = lab.peer(to=lab.kernel.listen(port=80))
peer.open()
peer.expect_silence(during={seconds})
"""
SAYS = "1 scenario waits for timers of the kernel"


def on_terminals(
    *arguments: str | Path, stdout: bool, until: Callable[[str], bool] | None = None
) -> tuple[int, str, str]:
    """Exit code, what a terminal got (standard error, and standard output if that is one too), and the pipe.

    Once `until` says so of what the terminal got, Ctrl-C is pressed.
    """
    leader, follower = pty.openpty()
    settings = {key: value for key, value in environment().items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [*COMMAND, "run", "--no-out", *arguments],
        cwd=ROOT,
        env={**settings, "TERM": "xterm", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=follower if stdout else subprocess.PIPE,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    written, piped = bytearray(), bytearray()
    reader = Thread(target=lambda: piped.extend(process.stdout.read() if process.stdout else b""))
    reader.start()
    pressed = until is None
    with process:
        try:
            while True:
                try:
                    written += os.read(leader, 65536)
                except OSError:  # a terminal that nobody has open any more
                    break
                if not pressed and until is not None and until(written.decode(errors="replace")):
                    process.send_signal(signal.SIGINT)
                    pressed = True
            code = process.wait(DEADLINE_S)
        finally:
            process.kill()
    reader.join()
    os.close(leader)
    return code, written.decode(), piped.decode()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A scenario that waits, and after it in the order of results one that does not."""
    return [
        scenario_file(tmp_path, QUIET.format(seconds=4), "waits"),
        scenario_file(tmp_path, QUIET.format(seconds=0), "works"),
    ]


def test_progress_lines_do_not_damage_the_output(files: list[Path]) -> None:
    code, written, _ = on_terminals("-4", *files, stdout=True)
    assert code == 0
    assert re.search(rf"{SAYS}, at most [0-4] s more\r\n  waits\.waits +IPv4 +silence +\d of 4 s", written)
    screen = Screen()
    screen.write(written)
    assert screen.cursor_is_shown
    piped = run_lab("run", "--no-out", "-4", *files).stdout.rstrip("\n")
    assert _without_times(screen.text) == _without_times(piped)


def _without_times(text: str) -> list[str]:
    """The lines, without their times and what a busy machine adds: waits in a ladder, and a trace that has gaps."""
    added = "\N{BOX DRAWINGS LIGHT QUADRUPLE DASH VERTICAL}", "the tracepoint lost "
    lines = [line.rstrip() for line in text.splitlines() if not any(each in line for each in added)]
    return [re.sub(r"^ +\d+\.\d{3}  |in \d+\.\d\d s", "", line) for line in lines]


def test_a_pipe_gets_no_progress_lines(files: list[Path]) -> None:
    code, written, piped = on_terminals("-4", *files, stdout=False)
    assert code == 0
    assert SAYS in written
    assert "\033" not in piped
    assert SAYS not in piped
    assert piped.count("\npass ") + piped.startswith("pass ") == 2
    screen = Screen()
    screen.write(written)
    assert screen.text == ""


def test_json_on_standard_output_stays_json(files: list[Path]) -> None:
    code, written, piped = on_terminals("-4", "--json", "-", *files, stdout=False)
    assert code == 0
    assert SAYS in written
    assert json.loads(piped)["summary"]["pass"] == 2


def test_without_a_terminal_a_short_run_prints_no_progress(files: list[Path]) -> None:
    done = run_lab("run", "--no-out", "-4", *files)
    assert (done.returncode, done.stderr) == (0, "")
    assert SAYS not in done.stdout


def test_ctrl_c_restores_the_terminal(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, QUIET.format(seconds=600), "waits")
    code, written, _ = on_terminals("-4", file, stdout=True, until=lambda text: SAYS in text)
    assert code == 130
    screen = Screen()
    screen.write(written)
    assert screen.cursor_is_shown
    assert SAYS not in screen.text
    assert "interrupted; 0 finished before that" in screen.text


def test_a_lab_reports_its_waits(lab4: Lab) -> None:
    heard: list[Waiting | None] = []
    link = lab4.switchboard.link

    class Link:
        def __getattr__(self, name: str) -> object:
            return getattr(link, name)

        def receive(self, deadline_ns: int) -> object:
            heard.append(lab4.waiting)
            return link.receive(deadline_ns)

    peer = lab4.peer(to=lab4.kernel.listen(port=80))
    connection = peer.open()
    lab4.switchboard.link = Link()  # type: ignore[assignment]  # stands between
    assert lab4.waiting is None
    began_ns = time.monotonic_ns()
    connection.shutdown("write")
    peer.expect("FA")
    peer.expect_retransmissions("FA", 1)
    lab4.kernel.expect_state(peer, "FIN-WAIT-1")
    assert lab4.waiting is None
    (waiting,) = {each for each in heard if each is not None}
    assert waiting.what == "retransmission 1 of 1 of FA"
    assert began_ns <= waiting.since_ns < waiting.until_ns <= waiting.since_ns + 1_000_000_000


def test_scenarios_that_keep_the_cpu_busy_run_one_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "busy.py"
    file.write_text(
        dedent(
            """
            from threading import Event

            from lab import Lab, scenario

            going_on, done, begun = [], [], Event()


            @scenario(section="RFC 9293 3.5", alone=True)
            def alone(lab: Lab) -> None:
                going_on.append(lab)
                lab.verify("others that are done, and other such ones that go on", (2, 1), (len(done), len(going_on)))
                begun.set()
                lab.settle()
                going_on.remove(lab)


            @scenario(section="RFC 9293 3.5", short={})
            def waiting(lab: Lab) -> None:
                lab.verify("the one that is alone has begun", True, begun.wait(60))


            @scenario(section="RFC 9293 3.5")
            def working(lab: Lab) -> None:
                peer = lab.peer(to=lab.kernel.listen(port=80))
                peer.open()
                peer.expect_silence(during=0.3)
                done.append(lab)
            """
        )
    )
    finished = run_lab("run", "--no-out", file)
    assert finished.returncode == 0, finished.stdout
    assert "6 passed" in finished.stdout
