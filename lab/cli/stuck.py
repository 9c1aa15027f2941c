"""A run that cannot go on comes to its end: whatever it holds would be held for ever."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading

from lab.cli.exits import ending_at_once


def end_when_stuck(cpu_s: float = 30.0, look_s: float = 5.0) -> None:
    """From now on this process ends where CPython without memory would hang.

    With 3, once a thread has ended before its time: somebody waits for what it should have done. And of SIGPROF, after
    standard error was told where it was, once it has used `cpu_s` seconds of CPU time without a thread getting a turn:
    a MemoryError that there is no memory to handle is raised again for ever (`exception_unwind` in ceval.c, in 3.11 to
    3.13). A process that was stopped for a while uses no CPU time. Every `look_s` seconds it is seen to go on.
    """
    threading.excepthook = _end
    sys.unraisablehook = _end_without_memory
    if sys.__stderr__ is not None:  # it was not closed, as by 2>&-
        faulthandler.register(signal.SIGPROF, file=sys.__stderr__, chain=True)
    threading.Thread(target=_put_off, args=(cpu_s, look_s), name="stuck", daemon=True).start()


def _end(died: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
    with ending_at_once():
        raise died.exc_value or died.exc_type


def _end_without_memory(unheard: sys.UnraisableHookArgs) -> None:
    """A thread that could not even begin is among what is told here."""
    if issubclass(unheard.exc_type, MemoryError):
        _end(unheard)
    sys.__unraisablehook__(unheard)


def _put_off(cpu_s: float, look_s: float) -> None:
    never = threading.Event()
    while True:
        try:
            signal.setitimer(signal.ITIMER_PROF, cpu_s)
            never.wait(look_s)
        except MemoryError:
            continue
