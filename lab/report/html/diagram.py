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

WIDTH, HEIGHT = 360, 812
"""Size in pixels: it fits a phone, and stands beside a ladder elsewhere."""
_BOX_WIDTH, _BOX_HEIGHT = 92, 32
_LINE = 11
"""Height of a line of a label."""

S, E = State, Event
_PLACES = {
    # Centre of each state, arranged as in the figure. CLOSED is drawn a second time at the end (_END).
    S.CLOSED: (180, 26),
    S.LISTEN: (180, 130),
    S.SYN_RECEIVED: (52, 270),
    S.SYN_SENT: (308, 270),
    S.ESTABLISHED: (180, 380),
    S.FIN_WAIT_1: (52, 500),
    S.CLOSE_WAIT: (308, 500),
    S.FIN_WAIT_2: (52, 640),
    S.CLOSING: (180, 640),
    S.LAST_ACK: (308, 640),
    S.TIME_WAIT: (180, 770),
}
_END = (308, 770)
EDGE_SIGNS = {"kernel": "✓", "peer": "○", "absent": "⊘", "open": "·"}
"""Signs of the statuses of arrows, for readers who see no colours."""


class _Route(NamedTuple):
    """Points of an arrow, and position of the first line of its label, in pixels."""

    points: tuple[tuple[int, int], ...]
    label: tuple[int, int]
    anchor: str = "middle"


ROUTES = {
    (S.CLOSED, E.PASSIVE_OPEN): _Route(((164, 42), (164, 114)), (158, 82), "end"),
    (S.LISTEN, E.CLOSE): _Route(((196, 114), (196, 42)), (202, 96), "start"),
    (S.CLOSED, E.ACTIVE_OPEN): _Route(((226, 33), (322, 33), (322, 254)), (316, 47), "end"),
    (S.SYN_SENT, E.CLOSE): _Route(((344, 254), (344, 17), (226, 17)), (285, 12)),
    (S.LISTEN, E.SEND): _Route(((226, 138), (296, 138), (296, 254)), (290, 152), "end"),
    (S.LISTEN, E.SYN): _Route(((134, 142), (72, 142), (72, 254)), (78, 156), "start"),
    (S.SYN_RECEIVED, E.RST_AFTER_PASSIVE_OPEN): _Route(((32, 254), (32, 122), (134, 122)), (36, 116), "start"),
    (S.SYN_SENT, E.SYN): _Route(((262, 262), (98, 262)), (180, 246)),
    (S.SYN_RECEIVED, E.ACK_OF_SYN): _Route(((98, 278), (160, 278), (160, 364)), (154, 326), "end"),
    (S.SYN_SENT, E.SYN_AND_ACK_OF_SYN): _Route(((262, 278), (200, 278), (200, 364)), (206, 322), "start"),
    (S.SYN_RECEIVED, E.CLOSE): _Route(((24, 286), (24, 484)), (30, 390), "start"),
    (S.ESTABLISHED, E.CLOSE): _Route(((160, 396), (160, 492), (98, 492)), (154, 440), "end"),
    (S.ESTABLISHED, E.FIN): _Route(((200, 396), (200, 492), (262, 492)), (206, 440), "start"),
    (S.FIN_WAIT_1, E.ACK_OF_FIN): _Route(((36, 516), (36, 624)), (42, 600), "start"),
    (S.FIN_WAIT_1, E.FIN): _Route(((98, 508), (170, 508), (170, 624)), (164, 542), "end"),
    (S.FIN_WAIT_2, E.FIN): _Route(((52, 656), (52, 776), (134, 776)), (58, 712), "start"),
    (S.CLOSE_WAIT, E.CLOSE): _Route(((308, 516), (308, 624)), (302, 564), "end"),
    (S.CLOSING, E.ACK_OF_FIN): _Route(((180, 656), (180, 754)), (186, 694), "start"),
    (S.LAST_ACK, E.ACK_OF_FIN): _Route(((308, 656), (308, 754)), (302, 730), "end"),
    (S.TIME_WAIT, E.TIME_WAIT_TIMEOUT): _Route(((226, 776), (262, 776)), (244, 804)),
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
    text += f'<tspan class="sends" x="{x}" dy="{_LINE}">{escape(sends)}</tspan></text>' if sends else "</text>"
    name = translate("edge_name", source=edge.source, event=event, target=edge.target, status=translate(f"edge_{how}"))
    inside = f'<title>{escape(name)}</title><path class="line" d="{line}"/><path class="tip" d="{tip}"/>{text}'
    if target:
        return f'<a class="edge {how}" href="{escape(target)}">{inside}</a>'
    return f'<g class="edge {how}" role="img">{inside}</g>'


def _box(state: State, place: tuple[int, int], seen: bool) -> str:
    x, y = place
    classes = "box seen" if seen else "box"
    return (
        f'<g class="{classes}"><rect x="{x - _BOX_WIDTH // 2}" y="{y - _BOX_HEIGHT // 2}" width="{_BOX_WIDTH}"'
        f' height="{_BOX_HEIGHT}" rx="7"/><text x="{x}" y="{y + 5}" text-anchor="middle">{state.value}</text></g>'
    )
