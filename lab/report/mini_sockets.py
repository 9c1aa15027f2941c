"""CLOSED that is misleading: in FIN-WAIT-2 and TIME-WAIT a mini-socket replaces the kernel's full socket."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Protocol, TypeVar

from lab.tcp.state import State

_MINI_SOCKETS = (State.FIN_WAIT_2, State.TIME_WAIT)


class _Observed(Protocol):
    @property
    def state(self) -> State: ...


T = TypeVar("T", bound=_Observed)


def without_replaced(series: Sequence[T]) -> list[T]:
    """The observations of one connection, in order of time, without CLOSED where a mini-socket takes over.

    The tracepoint reports CLOSED then, as the full socket is gone.
    """
    return [
        observed
        for observed, following in zip_longest(series, series[1:])
        if observed.state is not State.CLOSED or following is None or following.state not in _MINI_SOCKETS
    ]
