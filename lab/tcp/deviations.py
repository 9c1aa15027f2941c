"""Documented deviations of Linux: situations in which it is known to break a standing rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lab.tcp.flow import Flow
from lab.tcp.segment import Segment


class Deviation(NamedTuple):
    """One documented deviation."""

    rule: str
    """Id of the rule."""
    of_linux: str
    """The behaviour of Linux, with the function that decides it."""
    applies: Callable[[Flow, Segment], bool]


def _scales_unilaterally(flow: Flow, _segment: Segment) -> bool:
    crossed = flow.ours.active and flow.theirs.active
    return crossed and flow.ours.offer.shift is None and flow.theirs.offer.shift is not None


def _is_by_cookie(flow: Flow, _segment: Segment) -> bool:
    return flow.theirs.by_cookie


def _has_closed(flow: Flow, _segment: Segment) -> bool:
    return flow.ours.fin_end is not None and flow.theirs.fin_end is not None


def _has_mss_of_cookie(flow: Flow, segment: Segment) -> bool:
    return flow.theirs.by_cookie and len(segment.payload) <= flow.default_mss


DEVIATIONS = (
    Deviation(
        "window-edge",
        "after a simultaneous open Linux scales its window, even if our SYN did not offer that"
        " (tcp_rcv_synsent_state_process)",
        _scales_unilaterally,
    ),
    Deviation(
        "window-edge",
        "a connection made from a SYN cookie has the window scale that the timestamp of our ACK holds"
        " (cookie_timestamp_decode)",
        _is_by_cookie,
    ),
    Deviation(
        "window-edge",
        "in TIME-WAIT Linux announces the window that unread data has left (tcp_time_wait)",
        _has_closed,
    ),
    Deviation(
        "mss",
        "a SYN cookie of Linux holds no MSS below 536 over IPv4 and 1220 over IPv6, so a smaller one is exceeded"
        " (msstab of syncookies.c)",
        _has_mss_of_cookie,
    ),
)
"""Documented deviations of Linux that are no fault of the scenario, whatever it is about."""


def deviation_of(rule: str, flow: Flow, segment: Segment) -> Deviation | None:
    """The deviation that explains why this segment breaks the rule with this id, if there is one."""
    return next((each for each in DEVIATIONS if each.rule == rule and each.applies(flow, segment)), None)
