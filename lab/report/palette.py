"""The colours of pictures and pages, for light and for dark."""

from __future__ import annotations

import re
from pathlib import Path

COLOURS = {
    # name        light      dark
    "ink": ("#1b2530", "#e6ebf0"),
    "soft": ("#53616e", "#a3b1be"),
    "line": ("#d3dae1", "#35414d"),
    "paper": ("#ffffff", "#161d24"),
    "page": ("#f6f8fa", "#0f151b"),
    "band": ("#edf1f5", "#222c36"),
    "pick": ("#e3eefb", "#1d3348"),
    "accent": ("#0b57a4", "#86bdf7"),
    "good": ("#1c6b36", "#6cc98b"),
    "bad": ("#b3261e", "#ff9088"),
    "warn": ("#855000", "#f0bb66"),
    "seq": ("#97460a", "#f5ad70"),
    "ack": ("#00666a", "#62cfcc"),
    "closed": ("#7d8894", "#8a96a3"),
    "opening": ("#b97d00", "#dba53a"),
    "open": ("#2c8a4b", "#55b676"),
    "closing": ("#3b6fc4", "#6f9fe8"),
    "waiting": ("#7d5bb5", "#a98be0"),
}

_VARIABLE = re.compile(r"var\(--([a-z]+)\)")


def ladder_style() -> str:
    """How a ladder looks, with the colours as variables."""
    return Path(__file__).with_name("ladder.css").read_text(encoding="utf-8")


def variables() -> str:
    """The colours as variables of a page, which follow its `color-scheme`."""
    listed = "".join(f"--{name}:light-dark({light},{dark});" for name, (light, dark) in COLOURS.items())
    return f":root{{{listed}}}\n"


def file_style() -> str:
    """The style of a ladder that is a file of its own: no variables, which not every viewer of SVG knows."""
    return f"{_with_colours(0)}@media (prefers-color-scheme: dark) {{\n{_with_colours(1)}}}\n"


def _with_colours(which: int) -> str:
    return _VARIABLE.sub(lambda found: COLOURS[found[1]][which], ladder_style())
