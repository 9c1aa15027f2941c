"""A process that cannot go on ends, and says why; one that can does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

DEADLINE_S = 60
WATCHED = "from lab.cli.stuck import end_when_stuck; end_when_stuck(cpu_s=0.5, look_s=0.05)\n"
FOR_EVER = "import threading; threading.Event().wait()\n"
NO_MEMORY = "the lab cannot run here: it has run out of memory\n"
REMEDY = "allow it more: ulimit -v shows a limit\n"


def ended(code: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a watched process."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + code], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("in_thread", [False, True])
def test_who_gets_no_turn_is_told_of_and_dies(in_thread: bool) -> None:
    """A sum without an end holds the interpreter as `exception_unwind` does."""
    hold = "import itertools, threading\ndef hold(): sum(itertools.repeat(0))\n"
    code, _, errors = ended(hold + ("threading.Thread(target=hold).start()" if in_thread else "hold()"))
    assert code == -signal.SIGPROF
    assert "in hold" in errors


def test_a_busy_process_goes_on() -> None:
    busy = "import time\nwhile time.process_time() < 2: pass\nprint('goes on')"
    assert ended(busy) == (0, "goes on\n", "")


@pytest.mark.parametrize(
    ("body", "said"), [("raise MemoryError", NO_MEMORY), ("raise KeyError('why')", "KeyError: 'why'\n")]
)
def test_with_a_thread_the_process_ends(body: str, said: str) -> None:
    threads = f"import threading\ndef work(): {body}\nthreading.Thread(target=work).start()\n"
    code, _, errors = ended(threads + FOR_EVER)
    assert code == 3
    assert said in errors


def test_a_thread_that_could_not_begin_ends_the_process() -> None:
    code, _, errors = ended("import _thread\n_thread.start_new_thread(bytearray, (2**62,))\n" + FOR_EVER)
    assert (code, errors.startswith(NO_MEMORY)) == (3, True)


@pytest.mark.parametrize("dies_in", ["_bootstrap", "_set_ident", "run"])
def test_a_thread_that_is_gone_unheard_ends_the_process(dies_in: str) -> None:
    """Without memory no hook is called; for whoever starts it, it is about to begin."""
    lost = f"class Lost(threading.Thread):\n    def {dies_in}(self): _thread.exit()\n    def _delete(self): pass\n"
    code, _, errors = ended("import _thread, threading\n" + lost + "Lost().start()\n" + FOR_EVER)
    assert (code, errors) == (3, NO_MEMORY + REMEDY)


def test_threads_that_end_in_time_are_not_missed() -> None:
    many = "import threading, time\nwhile time.process_time() < 2: threading.Thread(target=str).start()\n"
    assert ended(many + "print('goes on')") == (0, "goes on\n", "")


def test_without_descriptors_it_goes_on() -> None:
    none_left = "import os, resource, time\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
    busy = "while time.process_time() < 2: pass\nprint('goes on')"
    assert ended(none_left + busy) == (0, "goes on\n", "")


def test_what_nobody_could_catch_is_told_only() -> None:
    code, _, errors = ended("class Odd:\n    def __del__(self): raise KeyError('why')\nOdd()")
    assert code == 0
    assert "KeyError: 'why'" in errors
