"""Verdicts of a run on a claim."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """The verdict of a run on one claim."""

    CONFIRMED = "shown"
    """The kernel does what the catalogue documents for Linux, whether the article is right or wrong."""
    DIFFERS = "differs"
    """The kernel does not do what the catalogue documents."""
    NOT_RUN = "not run"
    """No step that names the claim was completed."""
