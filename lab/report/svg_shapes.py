"""Colours of pictures and pages, and the shapes of a ladder in SVG: texts, arrows, states."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from lab.report.i18n import Words
from lab.report.ladder_model import Rung
from lab.tcp.state import State

PHASES = {
    # phase       light      dark
    "closed": ("#7d8894", "#8a96a3"),
    "opening": ("#b97d00", "#dba53a"),
    "open": ("#2c8a4b", "#55b676"),
    "closing": ("#3b6fc4", "#6f9fe8"),
    "waiting": ("#7d5bb5", "#a98be0"),
}
"""The phases of a connection with their colours. Every state is drawn in the colour of its phase."""
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
    **PHASES,
}

SMALL, SANS, _STATE = 6.4, 8.2, 7.3
"""How wide a character is at most, in each of the sizes."""
_VARIABLE = re.compile(r"var\(--([a-z]+)\)")


def ladder_style() -> str:
    """The style of a ladder, with the colours as variables."""
    return Path(__file__).with_name("ladder.css").read_text(encoding="utf-8") + phase_rules(".ladder ", "stroke")


def phase_rules(selector: str, attribute: str) -> str:
    """CSS rules that give an attribute of whatever the selector finds the colour of the phase that is its class."""
    return "".join(f"{selector}.{phase} {{ {attribute}: var(--{phase}); }}\n" for phase in PHASES)


def variables() -> str:
    """The colours as variables of a page, which follow its `color-scheme`."""
    listed = "".join(f"--{name}:light-dark({light},{dark});" for name, (light, dark) in COLOURS.items())
    return f":root{{{listed}}}\n"


def file_style() -> str:
    """The style of a ladder that is a file of its own: no variables, which not every viewer of SVG knows."""
    return f"{_with_colours(0)}@media (prefers-color-scheme: dark) {{\n{_with_colours(1)}}}\n"


def _with_colours(which: int) -> str:
    return _VARIABLE.sub(lambda found: COLOURS[found[1]][which], ladder_style())


class Sheet(NamedTuple):
    """Where things stand, in pixels from the left."""

    width: int
    peer: int
    """The peer's lane."""
    kernel: int
    outside: bool
    """States, times and calls stand beside the lanes; without room for that, between them."""


WIDE, NARROW = Sheet(860, 212, 600, outside=True), Sheet(360, 12, 348, outside=False)


class Pen:
    """Writes on a sheet, in a language."""

    def __init__(self, say: Words, sheet: Sheet) -> None:
        self._say = say
        self._sheet = sheet

    @property
    def middle(self) -> int:
        """Half-way between the lanes."""
        return (self._sheet.peer + self._sheet.kernel) // 2

    def text(self, x: int, y: int, classes: str, text: str = "", *, key: str = "", anchor: str = "") -> str:
        """A text, or the one with this key, which a page can say in another language."""
        more = (f' text-anchor="{anchor}"' if anchor else "") + (f' data-w="{key}"' if key else "")
        return f'<text class="{classes}" x="{x}" y="{y}"{more}>{escape(self._say(key) if key else text)}</text>'

    def numbers(self, rung: Rung, name: str, y: int) -> str:
        """The letters and the numbers of a segment, behind the name of its connection."""
        text = rung.text.partition(" <")[0]
        span, _, rest = text.partition(" ")
        ack, rest = (
            (" ".join(rest.split(" ")[:2]), " ".join(rest.split(" ")[2:])) if rest.startswith("ack ") else ("", rest)
        )
        parts = [
            f'<tspan class="name">{escape(name)}</tspan>' if name else "",
            f'<tspan class="letters">{escape(rung.letters)}</tspan>',
            f'<tspan class="seq">{escape(span)}</tspan>',
            f'<tspan class="ack">{escape(ack)}</tspan>' if ack else "",
            escape(rest),
        ]
        x, anchor = self.middle, "middle"
        if not self._sheet.outside:
            x, anchor = (self._sheet.peer + 12, "start") if rung.from_peer else (self._sheet.kernel - 12, "end")
        return f'<text class="numbers" x="{x}" y="{y}" text-anchor="{anchor}">{" ".join(filter(None, parts))}</text>'

    def time(self, rung: Rung, y: int) -> str:
        """When it was, and its packet's number."""
        text = f"{rung.time_ns / 1e6:.3f}" if rung.time_ns < 1e10 else f"{rung.time_ns / 1e6:.1f}"
        number = str(rung.packet or "")
        if self._sheet.outside:
            return self.text(84, y + 4, "time", text, anchor="end") + (
                self.text(24, y + 4, "number", number, anchor="end") if number else ""
            )
        if not number:
            return ""
        x, anchor = (self._sheet.kernel - 12, "end") if rung.from_peer else (self._sheet.peer + 12, "start")
        return self.text(x, y - 9, "time", f"{text} ms", anchor=anchor)

    def pill(self, state: State, y: int, from_peer: bool) -> str:
        """A state beside its lane."""
        wide = int(len(state.value) * _STATE) + 16
        lane = self._sheet.peer if from_peer else self._sheet.kernel
        left = lane - 12 - wide if from_peer == self._sheet.outside else lane + 12
        box = f'<rect class="pill {PHASE_OF[state]}" x="{left}" y="{y - 9}" width="{wide}" height="18" rx="9"/>'
        return box + self.text(left + wide // 2, y + 4, "state", state.value, anchor="middle")

    def arrow(self, x1: int, y1: int, x2: int, y2: int, lost: bool = False) -> str:
        """From lane to lane; where the segment was lost, with a cross on the way."""
        way = 1 if x2 > x1 else -1
        x1, x2 = x1 + 6 * way, x2 - 6 * way
        if lost:
            x2, y2 = x1 + (x2 - x1) * 2 // 3, y1 + (y2 - y1) * 2 // 3
            cross = f'<path class="cross" d="M{x2 - 6} {y2 - 6}l12 12m0-12l-12 12"/>'
            return f'<path class="arrow" d="M{x1} {y1}L{x2} {y2}"/>{cross}'
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        along, across = (x2 - x1) / length, (y2 - y1) / length
        back_x, back_y = x2 - 10 * along, y2 - 10 * across
        tip = (
            f"M{x2} {y2}L{back_x - 4 * across:.1f} {back_y + 4 * along:.1f}"
            f"L{back_x + 4 * across:.1f} {back_y - 4 * along:.1f}Z"
        )
        return f'<path class="arrow" d="M{x1} {y1}L{back_x:.1f} {back_y:.1f}"/><path class="tip" d="{tip}"/>'
