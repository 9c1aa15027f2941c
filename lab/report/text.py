"""Ladder as text, with a line and the new states of both sides for each segment; and as a mermaid sequence diagram.

GitHub and other sites draw mermaid in Markdown documents.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.report.i18n import ENGLISH, Translator
from lab.report.ladder_model import Kind, Ladder, Rung
from lab.report.screen import Screen, left_out, padded, printable, wrapped

_TIME, _PEER, _ARROW, _KERNEL = 11, 13, 9, 14
"""Widths of the columns."""
_KERNEL_AT = _TIME + _PEER + _ARROW
_NUMBERS_AT = _KERNEL_AT + _KERNEL
_LEAST_NUMBERS = 30
_TITLES = " " * _TIME
MOST_IN_MERMAID = 300
"""Limit on rungs: mermaid refuses diagrams of more than 50,000 characters."""
_LINES, _ASCII = ("─", "►", "◄", "·", "┊"), ("-", ">", "<", ".", ":")
"""Characters for a line, its tips to the right and to the left, a delayed segment, and a wait."""


def duration(nanoseconds: int) -> str:
    """A time in seconds with three digits: "0.204 s", "1.02 s", "134 s"."""
    seconds = nanoseconds / 1e9
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"


def ladder_lines(
    ladder: Ladder, screen: Screen, translate: Translator = ENGLISH, *, headed: bool = True
) -> Iterator[str]:
    """Yield the lines, `headed` by the names of the columns. On a screen below 80 columns a segment has two lines."""
    drawing = _Drawing(ladder, screen, translate)
    if headed:
        yield from drawing.heading()
    yield from drawing.lines()


class _Drawing:
    def __init__(self, ladder: Ladder, screen: Screen, translate: Translator) -> None:
        self._ladder = ladder
        self._translate = translate
        self._text = translate.text
        self._screen = screen
        self._is_narrow = screen.width - _NUMBERS_AT < _LEAST_NUMBERS
        """Whether the numbers of a segment stand below it: beside it they have no room."""
        self._line, self._right, self._left, self._under_way, self._bar = _LINES if screen.unicode else _ASCII

    def heading(self) -> Iterator[str]:
        """Yield the names of the columns."""
        sides = f"{'ms':>9}  {padded(self._text('peer'), _PEER + _ARROW)}{padded(self._text('kernel'), _KERNEL)}"
        numbers = self._text("seq:end(len) ack, window, options")
        yield from [sides.rstrip(), _TITLES + numbers] if self._is_narrow else [sides + numbers]

    def lines(self) -> Iterator[str]:
        """Yield the lines of all rungs."""
        rungs = self._ladder.rungs
        for at, rung in enumerate(rungs):
            if at == self._ladder.gap:
                yield f"{_TITLES}{self._text(left_out(self._ladder.omitted))}"
            match rung.kind:
                case Kind.SEGMENT | Kind.FRAME:
                    yield from self._frame(rung)
                case Kind.CALL:
                    yield from self._call(rung, rungs[at + 1] if at + 1 < len(rungs) else None)
                case Kind.STEP:
                    for line in wrapped(printable(self._translate.own(rung.text)), self._screen.width - _TIME):
                        yield _TITLES + self._screen.paint(line, "title")
                case Kind.WAIT:
                    yield from self._wait(rung)
                case Kind.ARRIVAL:
                    arrow = self._under_way * 5 + self._right
                    yield from self._row("", "", arrow, rung, [self._text("what was on its way to the kernel arrives")])
                case Kind.STATE:
                    peer = rung.new.peer.value if rung.new.peer else ""
                    yield from self._row(_milliseconds(rung), peer, "", rung, [self._text("without a segment")])

    def _frame(self, rung: Rung) -> Iterator[str]:
        if rung.arrival is not None:
            arrow = f"{rung.letters:{self._under_way}<6}"
        elif rung.from_peer:
            arrow = f"{rung.letters:{self._line}<4}{self._line}{'x' if rung.lost else self._right}"
        else:
            arrow = f"{'x' if rung.lost else self._left}{self._line}{rung.letters:{self._line}>4}"
        marks = {
            "retransmission": rung.retransmission,
            "lost on the way": rung.lost,
            "<--\N{NO-BREAK SPACE}here": rung.broke,
        }
        text = self._text(rung.text) if rung.kind is Kind.FRAME else rung.text
        parts = [printable(text), *(self._text(mark) for mark, holds in marks.items() if holds)]
        peer = rung.after.peer.value if rung.after.peer and (rung.from_peer or not rung.lost) else ""
        return self._row(_milliseconds(rung), peer, arrow, rung, parts)

    def _row(self, time: str, peer: str, arrow: str, rung: Rung, parts: list[str]) -> Iterator[str]:
        kernel = rung.after.kernel.value if rung.after.kernel else ""
        head = f"{time:>9}  {peer:<{_PEER}}{arrow:<{_ARROW}}{kernel:<{_KERNEL}}"
        text = _name_before(self._ladder, rung) + "  ".join(parts)
        style = "broke" if rung.broke else "mark" if rung.lost or rung.retransmission else ""
        at = _TIME if self._is_narrow else _NUMBERS_AT
        if self._is_narrow:
            yield head.rstrip()
            head = " " * at
        for line in wrapped(text, self._screen.width - at):
            yield head + (self._screen.paint(line, style) if style else line)
            head = " " * at

    def _call(self, rung: Rung, following: Rung | None) -> Iterator[str]:
        text = _name_before(self._ladder, rung) + printable(self._text(rung.text))
        said_next = following is not None and following.kind is Kind.SEGMENT and not following.from_peer
        if rung.new.kernel and not said_next:
            text += self._text(f", now {rung.new.kernel}")
        at = _TIME + _PEER if self._is_narrow else _KERNEL_AT
        head = f"{_milliseconds(rung):>9}".ljust(at)
        for line in wrapped(text, self._screen.width - at - 2):
            yield head + line
            head = " " * (at + 2)

    def _wait(self, rung: Rung) -> Iterator[str]:
        """Yield the lines for a wait, a bar for each side: one line below 1 s, two below 10 s, else three."""
        bars = f"{_TITLES}{self._bar:<{_PEER + _ARROW}}{self._bar}"
        timer = self._text(f", the kernel's {rung.timer} timer") if rung.timer else ""
        told = list(wrapped(f"{duration(rung.waited_ns)}{timer}", self._screen.width - len(bars) - 2))
        longer = sum(rung.waited_ns >= least_ns for least_ns in (1_000_000_000, 10_000_000_000))
        for line in told + [""] * (1 + longer - len(told)):
            yield self._screen.paint(f"{bars}  {line}".rstrip(), "faint")


def _name_before(ladder: Ladder, rung: Rung) -> str:
    name = ladder.name(rung)
    return f"[{name}] " if name else ""


def _milliseconds(rung: Rung) -> str:
    milliseconds = rung.time_ns / 1e6
    return f"{milliseconds:.3f}" if abs(milliseconds) < 1e5 else f"{milliseconds:.1f}"


def mermaid(ladder: Ladder, translate: Translator) -> str:
    """The mermaid diagram, without the ``` lines around it that Markdown needs."""
    return "\n".join(_diagram(ladder, translate)) + "\n"


def _diagram(ladder: Ladder, translate: Translator) -> Iterator[str]:
    yield "sequenceDiagram"
    yield f"    participant P as {translate('peer_head')}"
    yield f"    participant K as {translate('kernel_head')}"
    for at, rung in enumerate(ladder.rungs):
        if at == ladder.gap:
            yield f"    Note over P,K: {_escaped(translate('left_out', count=ladder.omitted))}"
        for line in _statements(rung, _name_before(ladder, rung), translate):
            yield f"    {line}"


def _statements(rung: Rung, name: str, translate: Translator) -> Iterator[str]:
    match rung.kind:
        case Kind.STEP:
            yield f"Note over P,K: {_escaped(translate.own(rung.text))}"
        case Kind.WAIT:
            timer = f" {translate(rung.timer_key)}" if rung.timer else ""
            yield f"Note over P,K: {_escaped(duration(rung.waited_ns) + timer)}"
        case Kind.CALL:
            yield f"Note right of K: {_escaped(name + translate.text(rung.text))}"
        case Kind.ARRIVAL:
            yield f"Note right of K: {_escaped(translate('arrives_note'))}"
        case Kind.STATE:
            yield f"Note right of K: {_escaped(name + translate('by_itself_note'))}"
        case _:
            arrow = ("--" if rung.retransmission else "-") + ("x" if rung.lost else ">>")
            ends = f"P{arrow}K" if rung.from_peer else f"K{arrow}P"
            marks = [translate(key) for key, holds in (("lost", rung.lost), ("here", rung.broke)) if holds]
            numbers, options, rest = rung.text.partition(" <")
            parts = [f"{name}{rung.letters} {numbers}", *[f"<{rest}"] * bool(options), *marks]
            yield f"{ends}: {'<br/>'.join(map(_escaped, parts))}"
    for where, state in zip(("left of P", "right of K"), rung.new, strict=True):
        if state is not None:
            yield f"Note {where}: {state.value}"


def _escaped(text: str) -> str:
    """The text with the special characters of mermaid and HTML escaped by their numbers: `#60;` for `<`."""
    escaped = "".join(f"#{ord(each)};" if each in "#;<>&%\"'\\`" else each for each in printable(text))
    return escaped.replace("wrap:", "wrap#58;")  # a keyword of mermaid at the start of a text
