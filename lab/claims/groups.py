"""Groups of scenarios in learning order, from `groups.toml` in the folder of the scenarios. A group is one file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache

from lab.claims.catalogue import Text, scenarios_folder


@cache
def groups() -> Mapping[str, Text]:
    """Title of each group by its name, in learning order."""
    read = tomllib.loads((scenarios_folder() / "groups.toml").read_text(encoding="utf-8"))
    return {name: Text(**title) for name, title in read.items()}


def learning_order(group: str) -> tuple[int, str]:
    """Sort key of a group. Groups that are not declared come last, by name."""
    names = list(groups())
    return names.index(group) if group in names else len(names), group
