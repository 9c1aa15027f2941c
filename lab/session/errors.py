"""The three ways in which a scenario ends early; the three verdicts are never mixed."""

from __future__ import annotations

from lab.record.events import CheckMade


class KernelDiffers(Exception):
    """The kernel did something else than documented. Carries the check that says so."""

    def __init__(self, check: CheckMade) -> None:
        super().__init__(check.difference.summary if check.difference else check.subject)
        self.check = check


class ScenarioError(Exception):
    """The scenario itself is wrong: an expectation outside a connection, an unknown flag, a call out of order."""


class NotApplicable(Exception):
    """This kernel or address family lacks what the scenario is about; says what."""
