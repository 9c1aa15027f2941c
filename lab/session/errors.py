"""Exceptions that end a scenario early, one for each outcome other than PASS."""

from __future__ import annotations

from lab.record.events import CheckMade


class KernelDiffers(Exception):
    """The kernel's behaviour differs from the expected one. `check` is the failed check."""

    def __init__(self, check: CheckMade) -> None:
        super().__init__(check.difference.summary if check.difference else check.subject)
        self.check = check


class ScenarioError(Exception):
    """The scenario itself is wrong: an expectation outside a connection, an unknown flag, a call out of order."""


class NotApplicable(Exception):
    """This kernel or address family lacks the scenario's subject; the message names it."""


class Inconclusive(Exception):
    """This machine was too slow to try; the message gives the measured delay or the number of attempts."""
