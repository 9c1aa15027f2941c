"""Threads that scenarios run in, and waiting for them: one may be lost, and what it was to do then nobody does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from lab.host.errors import MachineError

T = TypeVar("T")

_BETWEEN_LOOKS_S = 0.25


class Workers(ThreadPoolExecutor):
    """Some threads, each doing one thing after the other."""

    _raised: BaseException | None = None

    def begin(self, do: Callable[..., T], *arguments: Any) -> Future[T]:
        """As `submit`; MachineError when there is no thread for it."""
        try:
            return self.submit(self._carry_out, do, *arguments)
        except RuntimeError as refused:  # "can't start new thread"
            raise MachineError(str(refused), "allow it more threads or memory: ulimit -u and -v show limits") from None

    def _carry_out(self, do: Callable[..., T], *arguments: Any) -> T:
        try:
            return do(*arguments)
        except BaseException as raised:
            self._raised = raised
            raise

    def check(self) -> None:
        """Raise what any of them raised; MemoryError when a thread is gone, as none should be until the shutdown.

        A thread ends outside of what it was given to do only for lack of memory, and then there may be too little even
        to tell anybody: so it is looked for.
        """
        if self._raised is not None:
            raise self._raised
        if not all(each.is_alive() for each in self._threads):
            raise MemoryError


def result_of(future: Future[T], workers: Sequence[Workers], meanwhile: Callable[[], None]) -> T:
    """What comes out of it; a few times a second until then, `meanwhile` is called.

    Or what any of the workers raised, or the lack of one (`check`): either may have left a lock behind, or somebody
    waiting, for ever.
    """
    while not wait([future], _BETWEEN_LOOKS_S).done:
        for each in workers:
            each.check()
        meanwhile()
    return future.result()
