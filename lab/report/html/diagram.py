"""Figure 5 of RFC 9293 as SVG, drawn from the table of edges; arrows that a run walked are marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import NamedTuple

from lab.report.coverage import EdgeReport
from lab.report.evidence import Evidence
from lab.report.i18n import Translator
from lab.tcp.diagram import Edge, Event
from lab.tcp.state import State

WIDTH, HEIGHT = 760, 690
_BOX_WIDTH, _BOX_HEIGHT = 124, 34

S, E = State, Event
_PLACES = {
    # Centre of each state, arranged as in the figure. CLOSED is drawn a second time at the end (_END).
    S.CLOSED: (380, 36),
    S.LISTEN: (380, 140),
    S.SYN_RECEIVED: (120, 250),
    S.SYN_SENT: (640, 250),
    S.ESTABLISHED: (380, 340),
    S.FIN_WAIT_1: (120, 440),
    S.CLOSE_WAIT: (640, 440),
    S.FIN_WAIT_2: (120, 550),
    S.CLOSING: (380, 550),
    S.LAST_ACK: (640, 550),
    S.TIME_WAIT: (380, 650),
}
_END = (640, 650)
EDGE_SIGNS = {"kernel": "✓", "peer": "○", "absent": "⊘", "open": "·"}
"""Signs of the statuses of arrows, for readers who see no colours."""


class _Route(NamedTuple):
    """Points of an arrow, and position of its label, in pixels."""

    points: tuple[tuple[int, int], ...]
    label: tuple[int, int]
    anchor: str = "middle"


ROUTES = {
    (S.CLOSED, E.PASSIVE_OPEN): _Route(((356, 53), (356, 123)), (348, 84), "end"),
    (S.LISTEN, E.CLOSE): _Route(((404, 123), (404, 53)), (412, 84), "start"),
    (S.CLOSED, E.ACTIVE_OPEN): _Route(((442, 30), (660, 30), (660, 233)), (652, 70), "end"),
    (S.SYN_SENT, E.CLOSE): _Route(((696, 233), (696, 14), (442, 14)), (704, 150), "start"),
    (S.LISTEN, E.SEND): _Route(((442, 148), (610, 148), (610, 233)), (530, 141)),
    (S.LISTEN, E.SYN): _Route(((318, 152), (164, 152), (164, 233)), (242, 146)),
    (S.SYN_RECEIVED, E.RST_AFTER_PASSIVE_OPEN): _Route(((90, 233), (90, 124), (318, 124)), (204, 117)),
    (S.SYN_SENT, E.SYN): _Route(((578, 244), (182, 244)), (380, 237)),
    (S.SYN_RECEIVED, E.ACK_OF_SYN): _Route(((182, 262), (340, 262), (340, 323)), (250, 279)),
    (S.SYN_SENT, E.SYN_AND_ACK_OF_SYN): _Route(((578, 262), (420, 262), (420, 323)), (500, 279)),
    (S.SYN_RECEIVED, E.CLOSE): _Route(((90, 267), (90, 423)), (98, 340), "start"),
    (S.ESTABLISHED, E.CLOSE): _Route(((340, 357), (340, 434), (182, 434)), (262, 427)),
    (S.ESTABLISHED, E.FIN): _Route(((420, 357), (420, 434), (578, 434)), (500, 427)),
    (S.FIN_WAIT_1, E.ACK_OF_FIN): _Route(((96, 457), (96, 533)), (104, 492), "start"),
    (S.FIN_WAIT_1, E.FIN): _Route(((182, 448), (380, 448), (380, 533)), (282, 465)),
    (S.FIN_WAIT_2, E.FIN): _Route(((120, 567), (120, 656), (318, 656)), (128, 612), "start"),
    (S.CLOSE_WAIT, E.CLOSE): _Route(((640, 457), (640, 533)), (632, 492), "end"),
    (S.CLOSING, E.ACK_OF_FIN): _Route(((380, 567), (380, 633)), (388, 598), "start"),
    (S.LAST_ACK, E.ACK_OF_FIN): _Route(((640, 567), (640, 633)), (632, 598), "end"),
    (S.TIME_WAIT, E.TIME_WAIT_TIMEOUT): _Route(((442, 656), (578, 656)), (510, 675)),
}
"""One route for each arrow of the figure; a test compares the two tables."""


def diagram(
    reports: Iterable[EdgeReport], seen: set[State], translate: Translator, link: Callable[[Evidence], str]
) -> str:
    """The figure as SVG. `link` returns the address of an arrow's evidence."""
    reports = list(reports)
    walked = sum(bool(each.kernel) for each in reports)
    name = translate("figure_name", walked=walked, count=len(reports))
    arrows = "".join(_arrow(each, translate, link(each.best) if each.best else "") for each in reports)
    boxes = "".join(_box(state, place, state in seen) for state, place in [*_PLACES.items(), (S.CLOSED, _END)])
    head = f'<svg class="figure5" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{escape(name)}">'
    return f"{head}{arrows}{boxes}</svg>"


def status(report: EdgeReport) -> str:
    """Status of an arrow: "kernel" or "peer" walked it, "absent" (not offered by Linux), or "open" (not walked)."""
    if report.kernel:
        return "kernel"
    if not report.offered:
        return "absent"
    return "peer" if report.peer else "open"


def label(edge: Edge) -> tuple[str, str]:
    """Event of the arrow and the segment that it sends, as in the figure."""
    events = {
        E.PASSIVE_OPEN: "passive OPEN",
        E.ACTIVE_OPEN: "active OPEN",
        E.CLOSE: "CLOSE",
        E.SEND: "SEND",
        E.SYN: "rcv SYN",
        E.SYN_AND_ACK_OF_SYN: "rcv SYN,ACK",
        E.ACK_OF_SYN: "rcv ACK of SYN",
        E.RST_AFTER_PASSIVE_OPEN: "rcv RST (note 1)",
        E.FIN: "rcv FIN",
        E.ACK_OF_FIN: "rcv ACK of FIN",
        E.TIME_WAIT_TIMEOUT: "timeout 2 MSL",
    }
    sends = {"S": "snd SYN", "SA": "snd SYN,ACK", "A": "snd ACK", "FA": "snd FIN"}
    return events[edge.event], sends[edge.sends] if edge.sends else ""


def _arrow(report: EdgeReport, translate: Translator, target: str) -> str:
    edge = report.edge
    route = ROUTES[edge.source, edge.event]
    points = route.points
    (x1, y1), (x2, y2) = points[-2], points[-1]
    dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    line = "M" + "L".join(f"{x} {y}" for x, y in (*points[:-1], (x2 - 8 * dx, y2 - 8 * dy)))
    tip = f"M{x2} {y2}L{x2 - 10 * dx - 5 * dy} {y2 - 10 * dy - 5 * dx}L{x2 - 10 * dx + 5 * dy} {y2 - 10 * dy + 5 * dx}Z"
    event, sends = label(edge)
    x, y = route.label
    how = status(report)
    mark = f"{EDGE_SIGNS[how]} " if how != "open" else ""
    text = f'<text x="{x}" y="{y}" text-anchor="{route.anchor}">{mark}{escape(event)}'
    text += f'<tspan class="sends"> / {escape(sends)}</tspan></text>' if sends else "</text>"
    name = translate("edge_name", source=edge.source, event=event, target=edge.target, status=translate(f"edge_{how}"))
    inside = f'<path class="line" d="{line}"/><path class="tip" d="{tip}"/>{text}'
    if target:
        return f'<a class="edge {how}" href="{escape(target)}" aria-label="{escape(name)}">{inside}</a>'
    return f'<g class="edge {how}" role="img" aria-label="{escape(name)}">{inside}</g>'


def _box(state: State, place: tuple[int, int], seen: bool) -> str:
    x, y = place
    classes = "box seen" if seen else "box"
    return (
        f'<g class="{classes}"><rect x="{x - _BOX_WIDTH // 2}" y="{y - _BOX_HEIGHT // 2}" width="{_BOX_WIDTH}"'
        f' height="{_BOX_HEIGHT}" rx="7"/><text x="{x}" y="{y + 5}" text-anchor="middle">{state.value}</text></g>'
    )
