"""Ladder as SVG: two lanes with states, an arrow for each segment, other events beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

from lab.report.colours import PHASE_OF, file_style
from lab.report.i18n import Translator
from lab.report.ladder_model import NO_STATES, Kind, Ladder, Rung
from lab.report.plain import sentences
from lab.report.screen import printable, wrapped
from lab.report.text import duration
from lab.tcp.state import State

MOST_RUNGS = 2000
"""Limit on rungs, for the sake of readers and browsers."""

_SLOPE = 8
"""Vertical distance between the ends of an arrow, in pixels."""
_SMALL, _SANS, _STATE = 6.4, 8.2, 7.3
"""Largest width of a character in each font size, in pixels."""


class Sheet(NamedTuple):
    """Layout of a drawing, in pixels from the left."""

    width: int
    peer: int
    """Position of the peer's lane."""
    kernel: int
    outside: bool
    """Whether states, times and calls are drawn beside the lanes, not between them."""


WIDE, NARROW = Sheet(860, 212, 600, outside=True), Sheet(360, 12, 348, outside=False)


def svg(ladder: Ladder, translate: Translator, sheet: Sheet = WIDE) -> str:
    """A complete SVG file with its style, a title, and a description in sentences for screen readers."""
    height, body = figure(ladder, translate, sheet)
    description = escape("\n".join(sentences(ladder, translate)))
    size = f'width="{sheet.width}" height="{height}" viewBox="0 0 {sheet.width} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" role="img" aria-labelledby="t d" {size}>\n'
        f"<title id='t'>{escape(translate('ladder'))}</title>\n<desc id='d'>{description}</desc>\n"
        f"<style>\n{file_style()}</style>\n"
        f'<rect class="paper" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def figure(ladder: Ladder, translate: Translator, sheet: Sheet, *others: Translator) -> tuple[int, str]:
    """The drawing for a page, which adds the svg element and the style: its height in pixels, and its content.

    Texts of the recording are drawn in the languages of `others` too; the style of the page shows one of them.
    """
    drawn = _Drawing(ladder, (translate, *others), sheet)
    body = drawn.body()
    return drawn.y, body


class _Drawing:
    def __init__(self, ladder: Ladder, translators: Sequence[Translator], sheet: Sheet) -> None:
        self._ladder = ladder
        self._translate = translators[0]
        self._translators = translators
        self._sheet = sheet
        self._lanes = {True: sheet.peer, False: sheet.kernel}
        """Position of each lane; True: the peer's."""
        self._middle = (sheet.peer + sheet.kernel) // 2
        self._below: list[str] = []
        """Elements below all others."""
        self._since = {True: (0, ""), False: (0, "")}
        """Start and name of the current phase of each lane; True: the peer's."""
        self._leaving: dict[int, list[tuple[int, Rung]]] = {}
        """Start and rung of each delayed segment, by the rung where it arrives."""
        self.y = 0

    def body(self) -> str:
        """Draw all elements; afterwards `y` is the height."""
        parts = [self._heads()]
        for at, rung in enumerate(self._ladder.rungs):
            if at == self._ladder.gap:
                self.y += 34
                text = self._translate("left_out", count=self._ladder.omitted)
                parts.append(self._text(self._middle, self.y - 12, "note mark", text, anchor="middle"))
            parts.append(self._rung(at, rung))
        self.y += 8
        for from_peer in (True, False):
            self._lane_until(self.y - 4, from_peer, "")
        return "\n".join(self._below + parts)

    def _heads(self) -> str:
        """Draw the names of the lanes, and the first states if there is one connection."""
        sheet, self.y = self._sheet, 34
        known = [rung.before for rung in self._ladder.rungs if rung.before is not NO_STATES]
        if len(self._ladder.names) != 1:
            known = []
        peer = next((sides.peer for sides in known if sides.peer), None)  # None before the first segment
        markup = ""
        for from_peer, state in ((True, peer), (False, known[0].kernel if known else None)):
            key = self._ladder.head_key(from_peer)
            lane = self._lanes[from_peer]
            x, anchor = (lane, "middle") if sheet.outside else (lane - 6, "start") if from_peer else (lane + 6, "end")
            markup += self._text(x, 18, "head", key=key, anchor=anchor)
            self._since[from_peer] = 28, PHASE_OF[state] if state else "closed"
            if state is not None:
                markup += self._pill(state, 38, from_peer)
                self.y = 50
        return markup + (self._text(84, 18, "time", "ms", anchor="end") if sheet.outside else "")

    def _rung(self, at: int, rung: Rung) -> str:
        top = self.y
        match rung.kind:
            case Kind.SEGMENT | Kind.FRAME:
                inside = self._segment(rung)
            case Kind.STEP:
                inside = self._step(rung)
            case Kind.WAIT:
                inside = self._wait(rung)
            case Kind.CALL:
                inside = self._call(rung)
            case Kind.ARRIVAL:
                inside = self._arrival(at, rung)
            case Kind.STATE:
                inside = self._state(rung)
        marks = {"retransmission": rung.retransmission, "lost": rung.lost, "broke": rung.broke}
        if rung.kind in {Kind.SEGMENT, Kind.FRAME}:
            marks |= {"from-peer": rung.from_peer, "from-kernel": not rung.from_peer}
        classes = " ".join(["rung", *(name for name, holds in marks.items() if holds)])
        hit = f'<rect class="hit" x="2" y="{top}" width="{self._sheet.width - 4}" height="{self.y - top}" rx="6"/>'
        return f'<g class="{classes}" data-kind="{rung.kind.value}" data-at="{at}">{hit}{inside}</g>'

    def _segment(self, rung: Rung) -> str:
        sheet = self._sheet
        start, end = self._lanes[rung.from_peer], self._lanes[not rung.from_peer]
        y = self.y + 30
        markup = self._numbers(rung, self._ladder.name(rung), y - 9) + self._time(rung, y)
        options = rung.text.partition(" <")[2]
        below = y + _SLOPE + 3
        if options:
            for line in wrapped("<" + options, int((sheet.kernel - sheet.peer - 24) / _SMALL)):
                below += 12
                markup += self._text(self._middle, below, "options", line, anchor="middle")
        marks = {"retransmission": rung.retransmission, "lost": rung.lost, "here": rung.broke}
        for key in (key for key, holds in marks.items() if holds):
            below += 14
            style = "note wrong" if key == "here" else "note mark"
            markup += self._text(self._middle, below, style, key=key, anchor="middle")
        if rung.arrival is not None:
            self._leaving.setdefault(rung.arrival, []).append((y, rung))
            markup += f'<circle class="dot" cx="{start}" cy="{y}" r="4"/>'
        else:
            markup += self._arrow(start, y, end, y + _SLOPE, lost=rung.lost)
        markup += self._states(rung, y, below)
        self.y = max(self.y, below + 9)
        return markup

    def _states(self, rung: Rung, y: int, below: int) -> str:
        """Draw the pills of new states, and the lanes up to there."""
        markup, inside = "", False
        for from_peer, old, new in zip((True, False), rung.before, rung.after, strict=True):
            if new is None or (new is old and self._since[from_peer][1]):
                continue
            leaves = from_peer == rung.from_peer or rung.kind not in {Kind.SEGMENT, Kind.FRAME}
            at, inside = y if leaves else y + _SLOPE, not self._sheet.outside
            markup += self._pill(new, below + 12 if inside else at, from_peer)
            self._lane_until(at, from_peer, PHASE_OF[new])
        if inside:
            self.y = below + 26
        return markup

    def _lane_until(self, y: int, from_peer: bool, phase: str) -> None:
        since, old = self._since[from_peer]
        x = self._lanes[from_peer]
        if len(self._ladder.names) > 1:
            old = "closed"  # the lanes belong to several connections
        if old and y > since:
            self._below.append(f'<path class="lane {old}" d="M{x} {since}V{y}"/>')
        self._since[from_peer] = y, phase or old

    def _step(self, rung: Rung) -> str:
        top = self.y = self.y + 10
        markup = ""
        for language, lines in self._wrapped(
            lambda translate: translate.own(rung.text), (self._sheet.width - 24) / _SANS
        ):
            markup += self._lines(lines, 10, top + 19, 19, "title", language=language)
            self.y = max(self.y, top + 19 * len(lines))
        self.y += 8
        band = f'<rect class="band" x="2" y="{top}" width="{self._sheet.width - 4}" height="{self.y - top}" rx="4"/>'
        self.y += 2
        return band + markup

    def _wait(self, rung: Rung) -> str:
        """Draw a wait; its height grows with its length."""
        steps = sum(rung.waited_ns >= least for least in (10**9, 10**10, 6 * 10**10))
        top, self.y = self.y + 4, self.y + 34 + 14 * steps
        markup = "".join(f'<path class="gap" d="M{x} {top}V{self.y - 2}"/>' for x in self._lanes.values())
        y = (top + self.y) // 2 + 3
        key = rung.timer_key
        timer = f' <tspan data-w="{key}">{escape(self._translate(key))}</tspan>' if rung.timer else ""
        return markup + (
            f'<text class="note" x="{self._middle}" y="{y}" text-anchor="middle">'
            f'<tspan class="mono">{duration(rung.waited_ns)}</tspan>{timer}</text>'
        )

    def _call(self, rung: Rung) -> str:
        sheet, name = self._sheet, self._ladder.name(rung)
        room = (sheet.width - sheet.kernel - 24) if sheet.outside else (sheet.kernel - sheet.peer - 30)
        markup = self._time(rung, self.y + 14)
        y = self.y + 18
        markup += f'<rect class="dot" x="{sheet.kernel - 3}" y="{y - 7}" width="7" height="7"/>'
        x, anchor = (sheet.kernel + 14, "start") if sheet.outside else (sheet.kernel - 12, "end")
        drawn = self._wrapped(lambda translate: f"{name} {translate.text(rung.text)}".lstrip(" "), room / _SMALL / 1.1)
        for language, lines in drawn:
            markup += self._lines(lines, x, y, 15, "call", anchor=anchor, language=language)
        y += 15 * max(len(lines) for _, lines in drawn)
        self.y = y - 9
        if rung.new.kernel:
            markup += self._states(rung, self.y + 12, self.y)
            self.y = max(self.y, y + 14)
        return markup

    def _arrival(self, at: int, rung: Rung) -> str:
        sheet, y = self._sheet, self.y + 16
        markup = self._text(self._middle, y + 2, "note", key="arrives_note", anchor="middle")
        for left, segment in self._leaving.pop(at, []):
            arrow = self._arrow(sheet.peer, left, sheet.kernel, y, lost=segment.lost)
            self._below.append(f'<g class="from-peer">{arrow}</g>')
        self.y = y + 12
        return markup + self._states(rung, y, y + 6)

    def _state(self, rung: Rung) -> str:
        y = self.y + 14
        self.y += 28
        markup = self._text(self._middle, y + 4, "note", key="by_itself_note", anchor="middle")
        return markup + self._time(rung, y) + self._states(rung, y, y + 2)

    def _wrapped(self, text_of: Callable[[Translator], str], width: float) -> list[tuple[str, list[str]]]:
        """The lines of a text of the recording in each language; if they are the same, once and without a language."""
        lines = [(each.language, list(wrapped(printable(text_of(each)), int(width)))) for each in self._translators]
        return lines if any(text != lines[0][1] for _, text in lines) else [("", lines[0][1])]

    def _lines(
        self, lines: Iterable[str], x: int, y: int, step: int, classes: str, *, anchor: str = "", language: str = ""
    ) -> str:
        return "".join(
            self._text(x, y + step * at, classes, line, anchor=anchor, language=language)
            for at, line in enumerate(lines)
        )

    def _text(
        self, x: int, y: int, classes: str, text: str = "", *, key: str = "", anchor: str = "", language: str = ""
    ) -> str:
        """A text, or the text with this key, which a page can translate."""
        named = {"text-anchor": anchor, "data-w": key, "lang": language}
        more = "".join(f' {name}="{value}"' for name, value in named.items() if value)
        return f'<text class="{classes}" x="{x}" y="{y}"{more}>{escape(self._translate(key) if key else text)}</text>'

    def _numbers(self, rung: Rung, name: str, y: int) -> str:
        """Connection name, control bits and numbers of a segment. "+1" is the number that a SYN or FIN takes."""
        seq, *rest = rung.text.partition(" <")[0].split(" ")
        has_ack = rest[:1] == ["ack"]
        ack, rest = (rest[:2], rest[2:]) if has_ack else ([], rest)
        seen = self._ladder.seen(rung)
        controls = seen[1].length - len(seen[1].payload) if seen is not None else 0
        seq += f"+{controls}" if controls else ""
        named = {"name": name, "letters": rung.letters, "seq": seq, "ack": " ".join(ack)}
        parts = [f'<tspan class="{key}">{escape(text)}</tspan>' for key, text in named.items() if text or key == "seq"]
        parts += [escape(" ".join(rest))]
        x, anchor = self._middle, "middle"
        if not self._sheet.outside:
            x, anchor = (self._sheet.peer + 12, "start") if rung.from_peer else (self._sheet.kernel - 12, "end")
        return f'<text class="numbers" x="{x}" y="{y}" text-anchor="{anchor}">{" ".join(filter(None, parts))}</text>'

    def _time(self, rung: Rung, y: int) -> str:
        """Time and packet number of a rung."""
        text = f"{rung.time_ns / 1e6:.3f}" if rung.time_ns < 1e10 else f"{rung.time_ns / 1e6:.1f}"
        number = str(rung.packet or "")
        if self._sheet.outside:
            time = self._text(84, y + 4, "time", text, anchor="end")
            return time + (self._text(24, y + 4, "number", number, anchor="end") if number else "")
        if not number:
            return ""
        x, anchor = (self._sheet.kernel - 12, "end") if rung.from_peer else (self._sheet.peer + 12, "start")
        return self._text(x, y - 9, "time", f"{text} ms", anchor=anchor)

    def _pill(self, state: State, y: int, from_peer: bool) -> str:
        """The pill of a state beside its lane."""
        wide = int(len(state.value) * _STATE) + 16
        lane = self._lanes[from_peer]
        left = lane - 12 - wide if from_peer == self._sheet.outside else lane + 12
        box = f'<rect class="pill {PHASE_OF[state]}" x="{left}" y="{y - 9}" width="{wide}" height="18" rx="9"/>'
        return box + self._text(left + wide // 2, y + 4, "state", state.value, anchor="middle")

    def _arrow(self, x1: int, y1: int, x2: int, y2: int, lost: bool = False) -> str:
        """An arrow between the lanes; of a lost segment it ends in a cross."""
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
