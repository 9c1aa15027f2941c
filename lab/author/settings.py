"""Whether a setting of `lab run --sysctl` can explain a failure, although the kernel does right."""

from __future__ import annotations

from collections.abc import Collection

from lab.record.events import CheckKind, FrameSeen, Recording, StateSeen
from lab.record.results import Result
from lab.tcp.flags import RST
from lab.tcp.state import OPEN, State

_MAX_TIME_WAITS = "net.ipv4.tcp_max_tw_buckets"
"""Beyond this number of waiting connections Linux closes each at once, so its timer never runs."""
_BROKEN_BY = {"net.ipv4.tcp_shrink_window": "window-edge", "net.ipv4.tcp_min_snd_mss": "mss"}
"""Settings that exist to make Linux break a standing rule, each with the id of the rule."""


def may_explain(settings: Collection[str], result: Result) -> bool:
    """Whether settings with these names can explain the failure, so that a run with the baseline has to decide.

    No setting explains a broken standing rule, a timer that is not on time, or the reset of an open connection, except
    those above.
    """
    check, recording = result.difference, result.recording
    if check is None or recording is None:
        return True
    if check.kind is CheckKind.RULE:
        return {row.field for row in check.rows} <= {_BROKEN_BY.get(name) for name in settings}
    if check.kind is CheckKind.TIMER:
        return _MAX_TIME_WAITS in settings and _last_state(recording, check.connection) is State.CLOSED
    frame = recording.events[check.frame] if check.frame is not None else None
    if not (isinstance(frame, FrameSeen) and frame.segment is not None and frame.segment.flags & RST):
        return True
    return not _was_open(recording, frame)


def _last_state(recording: Recording, connection: int | None) -> State | None:
    seen = (each for each in reversed(recording.events) if isinstance(each, StateSeen))
    return next((each.state for each in seen if each.connection == connection), None)


def _was_open(recording: Recording, reset: FrameSeen) -> bool:
    """Whether a reset ends an open connection, and is not the answer to a segment that arrived after its end."""
    was_open, state = False, State.CLOSED
    for _, event in recording.in_order:
        if event is reset:
            break
        if isinstance(event, StateSeen) and event.connection == reset.connection:
            state = event.state
            was_open |= state in OPEN
        elif isinstance(event, FrameSeen) and event.from_peer and event.connection == reset.connection:
            was_open &= state is not State.CLOSED
    return was_open
