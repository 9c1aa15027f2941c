"""Typical wrong ideas, in the words in which exercises and the page explain them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lab.claims.catalogue import Text


class Misconception(NamedTuple):
    """Explanation of a typical wrong idea."""

    text: Text
    section: str
    """Section of the documents; "" without one."""


@cache
def misconceptions() -> dict[str, Misconception]:
    """All misconceptions of `misconceptions.toml` by id."""
    read = tomllib.loads(Path(__file__).with_name("misconceptions.toml").read_text(encoding="utf-8"))
    return {id_: Misconception(Text(each["en"], each["zh"]), each.get("section", "")) for id_, each in read.items()}
