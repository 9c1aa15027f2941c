"""Readings: frames, states, results of system calls and counters of the kernel. `lab mutate` alters one of them."""

from __future__ import annotations

from typing import TypeVar

from lab.record.events import Event
from lab.wire.link import Link

T = TypeVar("T")


class Readings:
    """Passes every reading on as it is; a mutant in `lab.mutate` overrides this."""

    judged = True
    """Whether a broken standing rule is a difference."""

    def begin(self, events: list[Event]) -> None:
        """The recording's events, empty so far: a mutant counts readings from check to check."""

    def observed(self, kind: str, value: T) -> T:  # noqa: ARG002  # a mutant needs it
        """The value, or its mutated value, under `lab mutate`. `kind` is a key of `lab.mutate.mutations.MUTATIONS`."""
        return value

    def wrap(self, link: Link) -> Link:
        """The link to receive on."""
        return link

    def patience(self, seconds: float) -> float:
        """How long to wait for something that is on its way."""
        return seconds
