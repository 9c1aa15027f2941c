"""One job of the fuzzer: some thousand plans over one family, in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import FlakyFailure

from lab.author.lab import Lab
from scripts.fuzzing.drive import Accused, Driver
from scripts.fuzzing.plans import Plan, plans


class Report(NamedTuple):
    """Result of a job."""

    connections: int
    accusation: str
    """The smallest plan that Hypothesis found, with its exchange; "" if no rule was broken."""
    trouble: str
    """Why this machine could not go on; "" if it could."""


def fuzz(family: int, connections: int, number: int, prepare: Callable[[Lab], None] = lambda _: None) -> Report:
    """Run so many random plans over IPv4 or IPv6, from this seed on; for `prepare` see `Driver`."""
    with Driver(family, prepare) as driver:

        @seed(number)
        @settings(max_examples=connections, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(plans)
        def accuses_nobody(plan: Plan) -> None:
            driver.run(plan)

        accusation = ""
        try:
            accuses_nobody()
        except Accused as accused:
            accusation = str(accused)
        except FlakyFailure as once:  # by a timer, or on the connection of an earlier plan
            accusation = "\n".join(str(each) for each in once.exceptions)
        return Report(driver.connections, accusation, driver.trouble)
