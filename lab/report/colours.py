"""Colours of pictures and pages, and the style of a ladder."""

from __future__ import annotations

import re
from pathlib import Path

from lab.tcp.state import State

PHASES = {
    # phase       light      dark
    "closed": ("#7d8894", "#8a96a3"),
    "opening": ("#b97d00", "#dba53a"),
    "open": ("#2c8a4b", "#55b676"),
    "closing": ("#3b6fc4", "#6f9fe8"),
    "waiting": ("#7d5bb5", "#a98be0"),
}
"""Colours of the phases of a connection. Each state has the colour of its phase."""
PHASE_OF = {
    State.CLOSED: "closed",
    State.LISTEN: "opening",
    State.SYN_SENT: "opening",
    State.SYN_RECEIVED: "opening",
    State.ESTABLISHED: "open",
    State.FIN_WAIT_1: "closing",
    State.FIN_WAIT_2: "closing",
    State.CLOSE_WAIT: "closing",
    State.CLOSING: "closing",
    State.LAST_ACK: "closing",
    State.TIME_WAIT: "waiting",
}
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
    "peer": ("#1f5bb8", "#8ab6ff"),
    "kernel": ("#a8480a", "#f2a65a"),
    **PHASES,
}

_VARIABLE = re.compile(r"var\(--([a-z]+)\)")


def ladder_style() -> str:
    """CSS of a ladder, with colours as variables."""
    return Path(__file__).with_name("ladder.css").read_text(encoding="utf-8") + phase_rules(".ladder ", "stroke")


def phase_rules(selector: str, attribute: str) -> str:
    """CSS rules that colour an attribute of the selected elements by the phase in their class."""
    return "".join(f"{selector}.{phase} {{ {attribute}: var(--{phase}); }}\n" for phase in PHASES)


def variables() -> str:
    """CSS variables for all colours; they follow the `color-scheme` of the page."""
    listed = "".join(f"--{name}:light-dark({light},{dark});" for name, (light, dark) in COLOURS.items())
    return f":root{{{listed}}}\n"


def file_style() -> str:
    """CSS of a ladder in its own SVG file, without variables, which some SVG viewers do not support."""
    return f"{_with_colours(0)}@media (prefers-color-scheme: dark) {{\n{_with_colours(1)}}}\n"


def _with_colours(which: int) -> str:
    return _VARIABLE.sub(lambda found: COLOURS[found[1]][which], ladder_style())
