"""`lab exercise make`: whatever a learner's code does, it stays in its process, and there is a message."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lab.author.runner import Runner
from lab.exercise.make.sandbox import LearnerProcess, Trouble
from lab.tcp.sequence import Seq
from tests.kernel.helpers import DEADLINE_S
from tests.kernel.making import MODEL, made, shown


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with closing(Runner()) as opened:
        yield opened


BEHAVIOUR = """
import os
from lab.exercise.make.given import ModelEndpoint

def write_everywhere():
    for each in range(3, 7):
        try: os.write(each, b"garbled\\n")
        except OSError: pass

class Endpoint(ModelEndpoint):
    def listen(self):
        super().listen()
        {}
"""
ENDINGS = {
    "an endless loop": ("while True: pass", "overtime", "listen() did not end"),
    "a loop that catches everything": (
        "exec('while True:\\n try:\\n  while True: pass\\n except BaseException: pass')",
        "overtime",
        "listen() did not end",
    ),
    "huge output": ("exec('while True: print(\"x\" * 1000)')", "overtime", "listen() did not end"),
    "os._exit": ("os._exit(3)", "ended", "listen() ended the process, with status 3."),
    "an exit": ("import sys; sys.exit()", "raised", "listen() raised SystemExit"),
    "a crash": ("os.abort()", "killed", "listen() crashed the process: SIG"),
    "a fork bomb": ("while True: os.fork()", "raised", "listen() raised BlockingIOError"),
    "a thread": ("import _thread; _thread.start_new_thread(print, ())", "raised", "can't start new thread"),
    "all memory": ("self.memory = 'x' * (600 << 20)", "raised", "listen() raised MemoryError"),
    "an exception": ("1 / 0", "raised", "listen() raised ZeroDivisionError: division by zero"),
    "deep recursion": ("self.listen()", "raised", "listen() raised"),
    "a file to read": ("open('/etc/passwd')", "raised", "listen() raised"),
    "a file to write": ("open('/tmp/written-by-a-learner', 'w')", "raised", "listen() raised"),
    "a file beside it": ("open('written', 'w')", "raised", "listen() raised"),
    "another process": ("os.kill(-1, 9)", "raised", "listen() raised ProcessLookupError"),
    "a module that is not there": ("import socket", "raised", "These modules are there: abc, "),
    "the driver's pipe": (
        "write_everywhere()",
        "garbled",
        "listen() wrote to a descriptor that is not its own",
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_whatever_the_code_does_there_is_a_message(runner: Runner, name: str) -> None:
    code, key, said = ENDINGS[name]
    checked = made(runner, "R04", BEHAVIOUR.format(code))
    assert checked.failure is not None
    assert checked.failure.key == key
    assert said in shown(checked)


WRONG_KINDS = {
    "segments that are none": (
        "def segments_to_send(self, now): return [5]",
        "segments_to_send() should be: list[Segment]",
    ),
    "no list": (
        "def segments_to_send(self, now): return None",
        "segments_to_send() should be: list[Segment]. It is: None",
    ),
    "a timer in words": ("def timer(self): return 'soon'", "timer() should be: float | None. It is: 'soon'"),
    "a window too large": (
        "def segments_to_send(self, now): return [Segment(Seq(0), Seq(0), 2, 70000)]",
        "window = 70000; the most is 65535",
    ),
    "a number that is none": (
        "def segments_to_send(self, now): return [Segment('x', Seq(0), 2)]",
        "Segment.seq should be: int. It is: 'x'",
    ),
    "an unknown option": (
        "def segments_to_send(self, now): return [Segment(Seq(0), Seq(0), 2, 0, (('Mss', 1),))]",
        "('Mss', 1) is not a TCP option",
    ),
    "no end of segments": (
        "def segments_to_send(self, now):\n        while True: yield Segment(self.iss, Seq(0), 2)",
        "something else",
    ),
    "a timer in the past": (
        "def timer(self): return 0.0\n    def handle_timer(self, now): pass",
        "After handle_timer() the timer still stands",
    ),
}


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_what_the_skeleton_does_not_allow_is_named(runner: Runner, name: str) -> None:
    code, said = WRONG_KINDS[name]
    head = "from lab.tcp.segment import Segment\nfrom lab.tcp.sequence import Seq\n"
    checked = made(runner, "R04", f"{head}{MODEL.replace('pass', code)}")
    assert not checked.passed
    assert said in shown(checked)


FILES = {
    "a syntax error": ("class Endpoint\n", "The file cannot be loaded. SyntaxError"),
    "no endpoint": ("x = 1\n", "endpoint.py should be: class Endpoint. It is: None"),
    "nothing": ("", "endpoint.py should be: class Endpoint. It is: None"),
    "a loop at the top": ("while True: pass\n", "endpoint.py did not end"),
    "a method that is missing": (
        "class Endpoint:\n    def __init__(self, iss): self.state = 'CLOSED'\n",
        "AttributeError",
    ),
    "no state": ("class Endpoint:\n    def __init__(self, iss): pass\n", "AttributeError"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_an_endpoint_is_named(runner: Runner, name: str) -> None:
    source, said = FILES[name]
    checked = made(runner, "R04", source)
    assert not checked.passed
    assert said in shown(checked)


def test_what_is_printed_is_shown_and_bounded(runner: Runner) -> None:
    loud = MODEL.replace("pass", "def listen(self):\n        print('hello ' * 100_000); super().listen()")
    checked = made(runner, "R04", loud)
    assert checked.passed
    assert "hello hello" in shown(checked)
    assert len(shown(checked)) < 5000


INSPECTION = """
import os, socket
class Endpoint:
    def __init__(self, iss): self.state = 'CLOSED'
    def listen(self):
        print(os.getuid(), os.geteuid(), os.getgid(), os.getgroups(), os.getpid())
        print(sorted(name for _, name in socket.if_nameindex()))
        try: os.listdir('/')
        except OSError as refused: print(refused.strerror)
        raise NotImplementedError
"""


def test_the_process_has_no_user_network_or_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lab.exercise.make.sandbox._BOOT",
        "import sys, socket; sys.path.append(sys.argv[1]); from lab.exercise.make.inside import main; sys.exit(main())",
    )
    with LearnerProcess(INSPECTION, "endpoint.py", Seq(0)) as process, pytest.raises(Trouble) as raised:
        process.call("listen", 0.0)
    assert raised.value.printed.splitlines() == ["65534 65534 65534 [] 1", "['lo']", "Permission denied"]


def test_a_call_that_waits_is_named_and_nothing_is_left(runner: Runner) -> None:
    waiting = BEHAVIOUR.format("import signal; signal.pause()")
    with LearnerProcess(waiting, "endpoint.py", Seq(0)) as process:
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        end = select.poll()
        descriptor = os.pidfd_open(int(child))
        end.register(descriptor, select.POLLIN)  # once the process has ended
        with pytest.raises(Trouble) as raised:
            process.call("listen", 0.0)
        assert raised.value.key == "hangs"
        assert end.poll(0) == []
    assert not Path(f"/proc/{process.pid}").exists()
    assert end.poll(DEADLINE_S * 1000) != []
    os.close(descriptor)
    made(runner, "R04", BEHAVIOUR.format("open('/tmp/written-by-a-learner', 'w')"))
    assert not Path("/tmp/written-by-a-learner").exists()  # where everybody may write
