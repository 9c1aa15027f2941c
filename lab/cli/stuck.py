"""A run that cannot go on comes to its end: whatever it holds would be held for ever."""

from __future__ import annotations

import atexit
import faulthandler
import signal
import sys
import threading
from pathlib import Path

from lab.cli.exits import ending_at_once

_LINKS_OF_A_FOLDER = 2


def end_when_stuck(cpu_s: float = 30.0, look_s: float = 5.0) -> None:
    """From now on this process ends where CPython without memory would hang. To be called in the main thread.

    With 3, once a thread has ended before its time: somebody waits for what it should have done. There may be no memory
    even to be told of one that could not begin: every `look_s` seconds it is looked for, where that takes no thread,
    in a handler of SIGALRM. And of SIGPROF, after standard error was told where it was, once `cpu_s` seconds of CPU
    time were used and this handler had no turn: a MemoryError that there is no memory to handle is raised again for
    ever (`exception_unwind` in ceval.c, in 3.11 to 3.13). A process that was stopped for a while uses no CPU time.
    """
    threading.excepthook = _thread_has_died
    sys.unraisablehook = _unheard
    if sys.__stderr__ is not None:  # it was not closed, as by 2>&-
        faulthandler.register(signal.SIGPROF, file=sys.__stderr__, chain=True)
    absent: set[threading.Thread] = set()

    def look(*_: object) -> None:
        nonlocal absent
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        before, absent = absent, _absent()
        if before & absent:
            _end(MemoryError)

    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, look_s, look_s)
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0.0)  # before Python takes its handlers away


def _thread_has_died(died: threading.ExceptHookArgs) -> None:
    if not issubclass(died.exc_type, SystemExit):  # which is how a thread of a scenario's own may end
        _end(died.exc_value or died.exc_type)


def _unheard(raised: sys.UnraisableHookArgs) -> None:
    """A thread that could not even begin is among what is told here."""
    if issubclass(raised.exc_type, MemoryError):
        _end(raised.exc_value or raised.exc_type)
    sys.__unraisablehook__(raised)


def _end(because: BaseException | type[BaseException]) -> None:
    with ending_at_once():
        raise because


def _absent() -> set[threading.Thread]:
    """Threads that are being started, or taken to be there, while the kernel has fewer of them.

    Each is one of these for a moment. If it stays one, whoever started it waits for ever until it says that it began.
    """
    known = threading.enumerate()
    try:  # each is a link of this folder (proc_task_getattr in fs/proc/base.c); to list them would take memory
        present = Path("/proc/self/task").stat().st_nlink - _LINKS_OF_A_FOLDER
    except OSError:  # nobody knows
        return set()
    if present >= len(known):
        return set()
    return {each for each in known if not each.is_alive()}
