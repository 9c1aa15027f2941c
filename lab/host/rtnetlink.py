"""Links, addresses and routes of a namespace by rtnetlink(7): the one way to pyroute2's `IPRoute`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from pyroute2 import IPRoute


@contextmanager
def rtnetlink() -> Iterator[IPRoute]:
    """Talk to the calling thread's namespace, inside the block and in this thread alone.

    MemoryError, or whatever else it was, when an answer cannot be received.
    """
    from asyncio import CancelledError, all_tasks

    from pyroute2 import IPRoute

    # pyroute2 opens its sockets lazily and per thread: made, used and closed in one entered() block, none of them can
    # end up working on the host's network.
    broken: list[BaseException] = []

    def give_up(loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        # Nobody hands it to whoever waits for the answer, or will wait for the next one, and that would be for ever.
        if "transport" in context:
            broken.append(context.get("exception") or OSError(context["message"]))
            cancel(loop)
        else:
            loop.default_exception_handler(context)

    def cancel(loop: AbstractEventLoop) -> None:
        if broken:
            for task in all_tasks(loop):
                task.cancel()
            loop.call_soon(cancel, loop)

    with IPRoute() as route:
        route.asyncore.event_loop.set_exception_handler(give_up)
        try:
            yield route
        except CancelledError:
            raise broken.pop() from None
        finally:
            broken.clear()  # the loop is needed once more, to close
