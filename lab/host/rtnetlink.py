"""Links, addresses and routes of a namespace by rtnetlink(7): the one way to pyroute2's `IPRoute`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from pyroute2 import IPRoute


def warm_up() -> None:
    """Import pyroute2 now, instead of in a thread: one that ends there for want of memory keeps the import's lock."""
    import pyroute2
    import pyroute2.netlink.rtnl.rtmsg  # noqa: F401


@contextmanager
def rtnetlink() -> Iterator[IPRoute]:
    """Talk to the calling thread's namespace, inside the block and in this thread alone.

    MemoryError, or whatever else it was, when an answer cannot be received.
    """
    from asyncio import all_tasks

    from pyroute2 import IPRoute

    # pyroute2 opens its sockets lazily and per thread: made, used and closed in one entered() block, none of them can
    # end up working on the host's network.
    broken: BaseException | None = None

    def give_up(loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal broken
        if "transport" in context:
            broken = context.get("exception") or OSError(context["message"])
            loop.stop()
        else:
            loop.default_exception_handler(context)

    def run() -> None:
        # Nobody hands it to whoever waits for the answer, or will wait for the next one, and that would be for ever.
        # It takes no memory to tell them here, of which there may be none.
        if broken is None:
            run_forever()
        if broken is not None:
            raise broken

    with IPRoute() as route:
        loop = route.asyncore.event_loop
        loop.set_exception_handler(give_up)
        run_forever, loop.run_forever = loop.run_forever, run
        try:
            yield route
        finally:
            loop.run_forever = run_forever
            if broken is not None:  # the loop is needed once more, to close, and what still waits ends with it
                for task in all_tasks(loop):
                    task.cancel()
