"""The coverage of the state diagram as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.report.columns import behind
from lab.report.coverage import Coverage, EdgeReport
from lab.report.evidence import Evidence
from lab.tcp.state import State

_ARROW, _EVENT, _COUNT = 27, 37, 6
"""Columns for source and target, for the event, and for how many scenarios walked it."""
_STATE, _WHO = 14, 8


def coverage_lines(found: Coverage, width: int = 80) -> Iterator[str]:
    """The states, then the arrows: in how many scenarios each side walked it, and the packet to look at."""
    yield "States of the kernel"
    yield ""
    for seen in found.states:
        yield from behind(str(seen.state), _where(seen.kernel) or "not seen", width, 2, _STATE)
    yield ""
    arrows = "Arrows of figure 5 (RFC 9293 3.3.2)"
    yield f"{arrows:<{_ARROW + _EVENT + 2}}{'kernel':>{_COUNT}}{'peer':>{_COUNT}}"
    yield ""
    for each in found.edges:
        yield from _edge(each, width)
    yield ""
    yield from totals(found)


def totals(found: Coverage) -> Iterator[str]:
    """How much of the diagram was seen."""
    states = sum(bool(seen.kernel) for seen in found.states)
    offered = [each for each in found.edges if each.offered]
    kernel = sum(bool(each.kernel) for each in offered)
    peer = sum(bool(each.peer) for each in found.edges)
    yield f"the kernel: {states} of {len(State)} states, {kernel} of {len(offered)} arrows that Linux offers"
    yield f"the peers:  {peer} of {len(found.edges)} arrows"


def _edge(report: EdgeReport, width: int) -> Iterator[str]:
    edge = report.edge
    arrow, event = f"{edge.source} > {edge.target}", f"{edge.event}" + (f", sends {edge.sends}" if edge.sends else "")
    kernel, peer = (str(len(walked) or "-") for walked in (report.kernel, report.peer))
    yield f"  {arrow:<{_ARROW}}{event:<{_EVENT}}{kernel:>{_COUNT}}{peer:>{_COUNT}}"
    told = ("" if report.offered else "not offered: ") + report.reason
    for who, text in ("kernel", _where(report.kernel) or told), ("peer", _where(report.peer)):
        if text:
            yield from behind(who, text, width, 4, _WHO)


def _where(evidence: Sequence[Evidence]) -> str:
    """The first place; "" when there is none."""
    for first in evidence[:1]:
        packet = f", packet {first.packet}" if first.packet is not None else ""
        return f"{first.scenario} IPv{first.family}{packet}: {first.text}"
    return ""
