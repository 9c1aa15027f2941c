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


def ended(code: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a watched process."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED + code], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_who_gets_no_turn_is_told_of_and_dies() -> None:
    """A regular expression of exponential time holds the interpreter as `exception_unwind` does."""
    code, _, errors = ended('import re; re.match("(a+)+$", "a" * 60 + "b")')
    assert code == -signal.SIGPROF
    assert "in match" in errors


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


def test_what_nobody_could_catch_is_told_only() -> None:
    code, _, errors = ended("class Odd:\n    def __del__(self): raise KeyError('why')\nOdd()")
    assert code == 0
    assert "KeyError: 'why'" in errors
