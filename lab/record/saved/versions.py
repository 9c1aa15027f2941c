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


_KINDS_BY_SUBJECT = (
    ("standing rule", "rule"),
    ("documented deviation", "deviation"),
    ("silence", "silence"),
    ("nothing", "nothing left"),
    ("state", "state"),
)
"""How the subject of a check begins, and what its kind is, in a file from before checks had one."""


def kind_by_subject(subject: object) -> str:
    """The kind of a check of which a file does not tell it."""
    return next((kind for words, kind in _KINDS_BY_SUBJECT if str(subject).startswith(words)), "value")


UPGRADES: dict[int, Upgrade] = {}
"""By the version that they start from."""


def upgrades_from(version: int) -> tuple[Upgrade, ...] | None:
    """All steps from that version to the current one; None when there is no way."""
    if not 1 <= version <= CURRENT:
        return None
    return tuple(UPGRADES[each] for each in range(version, CURRENT))
