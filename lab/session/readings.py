"""Readings of the kernel: frames, states, results of system calls, counters. `lab mutate` alters one of them."""

from __future__ import annotations

from typing import TypeVar

from lab.record.events import Event
from lab.wire.link import Link

T = TypeVar("T")


class Readings:
    """Returns every reading unchanged; `lab.mutate.mutant.Mutant` overrides this."""

    judged = True
    """Whether breaking a standing rule fails the scenario."""

    def begin(self, events: list[Event]) -> None:
        """Begin a recording. `events` is its list of events, still empty, in which a mutant later counts the checks."""

    def observed(self, kind: str, value: T) -> T:  # noqa: ARG002  # a mutant needs it
        """The value, or its mutated value under `lab mutate`. `kind` is a key of `lab.mutate.mutations.MUTATIONS`."""
        return value

    def wrap(self, link: Link) -> Link:
        """The link to receive on; under `lab mutate` one that may alter frames."""
        return link

    def timeout(self, seconds: float) -> float:
        """Seconds to wait for an event that needs no timer; shorter under `lab mutate`."""
        return seconds
