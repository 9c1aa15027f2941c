"""The ladder as SVG: two lanes with their states, an arrow for each segment, everything else beside them."""

from __future__ import annotations

from html import escape

from lab.report.i18n import Words
from lab.report.ladder_model import NOBODY, Kind, Ladder, Rung
from lab.report.plain import sentences
from lab.report.screen import printable, wrapped
from lab.report.svg_shapes import PHASE_OF, SANS, SMALL, WIDE, Pen, Sheet, file_style
from lab.report.text import duration

MOST_RUNGS = 2000
"""More than that no reader scrolls through, and a browser draws no more."""

_SLOPE = 8
"""How much lower a segment arrives than it leaves."""


def svg(ladder: Ladder, say: Words, sheet: Sheet = WIDE) -> str:
    """A file of its own: with its style, its name, and all of it in sentences for who cannot see it."""
    drawn = _Drawing(ladder, say, sheet)
    body = drawn.body()
    told = escape("\n".join(sentences(ladder, say)))
    size = f'width="{sheet.width}" height="{drawn.y}" viewBox="0 0 {sheet.width} {drawn.y}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" role="img" aria-labelledby="t d" {size}>\n'
        f"<title id='t'>{escape(say('ladder'))}</title>\n<desc id='d'>{told}</desc>\n<style>\n{file_style()}</style>\n"
        f'<rect class="paper" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def figure(ladder: Ladder, say: Words, sheet: Sheet) -> tuple[int, str]:
    """For a page that has the style: how high it is, and what stands inside of the svg element."""
    drawn = _Drawing(ladder, say, sheet)
    body = drawn.body()
    return drawn.y, body


class _Drawing:
    def __init__(self, ladder: Ladder, say: Words, sheet: Sheet) -> None:
        self._ladder = ladder
        self._say = say
        self._sheet = sheet
        self._pen = Pen(say, sheet)
        self._names = ladder.names
        self._below: list[str] = []
        """Drawn below everything else."""
        self._since = {True: (0, ""), False: (0, "")}
        """By whether it is the peer's lane: from where it is in which phase."""
        self._leaving: dict[int, list[tuple[int, Rung]]] = {}
        """By the rung where they arrive: from where crossing segments left."""
        self.y = 0

    def body(self) -> str:
        """All elements; afterwards `y` is the height."""
        parts = [self._heads()]
        for at, rung in enumerate(self._ladder.rungs):
            if at == self._ladder.gap:
                parts.append(self._left_out())
            parts.append(self._rung(at, rung))
        self.y += 8
        for from_peer in (True, False):
            self._lane_until(self.y - 4, from_peer, "")
        return "\n".join(self._below + parts)

    def _heads(self) -> str:
        """Who stands where, and the states that both begin in, where one connection is all there is."""
        sheet, self.y = self._sheet, 34
        first = next((rung for rung in self._ladder.rungs if rung.before is not NOBODY), None)
        begin = first.before if first is not None and len(self._names) == 1 else NOBODY
        if begin.peer is None:  # a call of the kernel's alone
            met = next((rung.before.peer for rung in self._ladder.rungs if rung.before.peer), None)
            begin = begin._replace(peer=met if len(self._names) == 1 else None)
        told = ""
        for from_peer, x, key, state in (
            (True, sheet.peer, "peer_head", begin.peer),
            (False, sheet.kernel, "kernel_head", begin.kernel),
        ):
            anchor = "middle" if sheet.outside else "start" if from_peer else "end"
            told += self._pen.text(
                x if sheet.outside else x - 6 if from_peer else x + 6, 18, "head", key=key, anchor=anchor
            )
            self._since[from_peer] = 28, PHASE_OF[state] if state else "closed"
            if state is not None:
                told += self._pen.pill(state, 38, from_peer)
                self.y = 50
        return told + (self._pen.text(84, 18, "time", "ms", anchor="end") if sheet.outside else "")

    def _left_out(self) -> str:
        self.y += 34
        text = self._say("left_out", count=self._ladder.omitted)
        return self._pen.text(self._pen.middle, self.y - 12, "note mark", text, anchor="middle")

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
                inside = self._by_itself(rung)
        marks = {"retransmission": rung.retransmission, "lost": rung.lost, "broke": rung.broke}
        classes = " ".join(["rung", *(name for name, holds in marks.items() if holds)])
        hit = f'<rect class="hit" x="2" y="{top}" width="{self._sheet.width - 4}" height="{self.y - top}" rx="6"/>'
        return f'<g class="{classes}" data-kind="{rung.kind.value}" data-at="{at}">{hit}{inside}</g>'

    def _segment(self, rung: Rung) -> str:
        sheet = self._sheet
        start, end = (sheet.peer, sheet.kernel) if rung.from_peer else (sheet.kernel, sheet.peer)
        y = self.y + 30
        told = self._pen.numbers(rung, self._name(rung), y - 9) + self._pen.time(rung, y)
        numbers = rung.text.partition(" <")[2]
        below = y + _SLOPE + 3
        if numbers:
            fits = int((sheet.kernel - sheet.peer - 24) / SMALL)
            for line in wrapped("<" + numbers, fits):
                below += 12
                told += self._pen.text(self._pen.middle, below, "options", line, anchor="middle")
        marks = [key for key, holds in (("retransmission", rung.retransmission), ("lost", rung.lost)) if holds]
        if rung.broke:
            marks.append("here")
        for key in marks:
            below += 14
            told += self._pen.text(
                self._pen.middle, below, "note wrong" if key == "here" else "note mark", key=key, anchor="middle"
            )
        if rung.arrives is not None:
            self._leaving.setdefault(rung.arrives, []).append((y, rung))
            told += f'<circle class="dot" cx="{start}" cy="{y}" r="4"/>'
        else:
            told += self._pen.arrow(start, y, end, y + _SLOPE, lost=rung.lost)
        told += self._states(rung, y, below)
        self.y = max(self.y, below + 9)
        return told

    def _states(self, rung: Rung, y: int, below: int) -> str:
        """The pills of the states that are new, and the lanes up to there."""
        told, inside = "", False
        for from_peer, old, new in (
            (True, rung.before.peer, rung.after.peer),
            (False, rung.before.kernel, rung.after.kernel),
        ):
            if new is None or (new is old and self._since[from_peer][1]):
                continue
            leaves = from_peer == rung.from_peer or rung.kind not in {Kind.SEGMENT, Kind.FRAME}
            at = y if leaves else y + _SLOPE
            if not self._sheet.outside:
                at, inside = below + 12, True
            told += self._pen.pill(new, at, from_peer)
            self._lane_until(y if leaves else y + _SLOPE, from_peer, PHASE_OF[new])
        if inside:
            self.y = below + 26
        return told

    def _lane_until(self, y: int, from_peer: bool, phase: str) -> None:
        since, old = self._since[from_peer]
        x = self._sheet.peer if from_peer else self._sheet.kernel
        if len(self._names) > 1:
            old = "closed"  # the lanes belong to several connections
        if old and y > since:
            self._below.append(f'<path class="lane {old}" d="M{x} {since}V{y}"/>')
        self._since[from_peer] = y, phase or old

    def _step(self, rung: Rung) -> str:
        top = self.y = self.y + 10
        told = ""
        for line in wrapped(printable(rung.text), int((self._sheet.width - 24) / SANS)):
            self.y += 19
            told += self._pen.text(10, self.y, "title", line)
        self.y += 8
        band = f'<rect class="band" x="2" y="{top}" width="{self._sheet.width - 4}" height="{self.y - top}" rx="4"/>'
        self.y += 2
        return band + told

    def _wait(self, rung: Rung) -> str:
        """The longer it took the higher it is: a step for each tenfold."""
        steps = sum(rung.waited_ns >= least for least in (10**9, 10**10, 6 * 10**10))
        top, self.y = self.y + 4, self.y + 34 + 14 * steps
        told = "".join(
            f'<path class="gap" d="M{x} {top}V{self.y - 2}"/>' for x in (self._sheet.peer, self._sheet.kernel)
        )
        y = (top + self.y) // 2 + 3
        key = rung.timer_key
        timer = f' <tspan data-w="{key}">{escape(self._say(key))}</tspan>' if rung.timer else ""
        return told + (
            f'<text class="note" x="{self._pen.middle}" y="{y}" text-anchor="middle">'
            f'<tspan class="mono">{duration(rung.waited_ns)}</tspan>{timer}</text>'
        )

    def _call(self, rung: Rung) -> str:
        sheet, text = self._sheet, printable(rung.text)
        name = self._name(rung)
        text = f"{name} {text}" if name else text
        room = (sheet.width - sheet.kernel - 24) if sheet.outside else (sheet.kernel - sheet.peer - 30)
        told = self._pen.time(rung, self.y + 14)
        y = self.y + 18
        told += f'<rect class="dot" x="{sheet.kernel - 3}" y="{y - 7}" width="7" height="7"/>'
        for line in wrapped(text, int(room / SMALL / 1.1)):
            x, anchor = (sheet.kernel + 14, "start") if sheet.outside else (sheet.kernel - 12, "end")
            told += self._pen.text(x, y, "call", line, anchor=anchor)
            y += 15
        self.y = y - 9
        if rung.after.kernel is not rung.before.kernel and rung.after.kernel:
            told += self._states(rung, self.y + 12, self.y)
            self.y = max(self.y, y + 14)
        return told

    def _arrival(self, at: int, rung: Rung) -> str:
        sheet, y = self._sheet, self.y + 16
        told = self._pen.text(self._pen.middle, y + 2, "note", key="arrives_note", anchor="middle")
        for left, segment in self._leaving.pop(at, []):
            self._below.append(self._pen.arrow(sheet.peer, left, sheet.kernel, y, lost=segment.lost))
        self.y = y + 12
        return told + self._states(rung, y, y + 6)

    def _by_itself(self, rung: Rung) -> str:
        y = self.y + 14
        self.y += 28
        told = self._pen.text(self._pen.middle, y + 4, "note", key="by_itself_note", anchor="middle")
        return told + self._pen.time(rung, y) + self._states(rung, y, y + 2)

    def _name(self, rung: Rung) -> str:
        return self._names[rung.connection] if rung.connection is not None else ""
