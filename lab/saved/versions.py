"""The versions of the format, and how what an older lab wrote becomes what this one reads.

A change that an older reader would stumble over, or that changes what something means, is a new version: it raises
`CURRENT` and adds the way from the one before to `UPGRADES`. A new field with a default is not (see `fields`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

FORMAT = "tcp-packet-lab run"
CURRENT = 1


class Upgrade(NamedTuple):
    """From one version to the next. Both functions may change what they are given, and return it."""

    head: Callable[[dict[str, Any]], dict[str, Any]]
    """The document without its recordings."""
    recording: Callable[[dict[str, Any]], dict[str, Any]]


UPGRADES: dict[int, Upgrade] = {}
"""By the version that they start from."""


def upgrades_from(version: int) -> tuple[Upgrade, ...] | None:
    """All steps from that version to the current one; None when there is no way."""
    if not 1 <= version <= CURRENT:
        return None
    return tuple(UPGRADES[each] for each in range(version, CURRENT))
