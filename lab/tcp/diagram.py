"""The connection state diagram as one table (RFC 9293 3.3.2 figure 5, its notes, and the text of 3.10).

Which state follows which is decided here and nowhere else. The endpoint classifies a segment, a user call or a timeout
as an `Event`, looks up the edge and follows it. An event without an edge changes no state.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from lab.tcp.state import State

CLOSED, LISTEN, SYN_SENT, SYN_RECEIVED = State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED
ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2 = State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2
CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT = State.CLOSE_WAIT, State.CLOSING, State.LAST_ACK, State.TIME_WAIT


class Event(Enum):
    """Event of a connection. Its value describes it in words."""

    PASSIVE_OPEN = "the user listens"
    ACTIVE_OPEN = "the user connects"
    SEND = "the user sends"
    CLOSE = "the user closes"
    ABORT = "the user aborts"
    SYN = "SYN"
    SYN_AND_ACK_OF_SYN = "SYN, with the ACK of our SYN"
    SYN_FIN_AND_ACK_OF_SYN = "SYN and FIN, with the ACK of our SYN"
    ACK_OF_SYN = "ACK of our SYN"
    FIN_AND_ACK_OF_SYN = "FIN, with the ACK of our SYN"
    FIN = "FIN"
    ACK_OF_FIN = "ACK of our FIN"
    FIN_AND_ACK_OF_FIN = "FIN, with the ACK of our FIN"
    SYN_OF_NEW_CONNECTION = "SYN newer than the old connection"
    SYN_AFTER_PASSIVE_OPEN = "SYN in the window, after a passive OPEN"
    RST = "acceptable RST"
    RST_AFTER_PASSIVE_OPEN = "acceptable RST, after a passive OPEN"
    USER_TIMEOUT = "nothing was acknowledged for too long"
    TIME_WAIT_TIMEOUT = "2 MSL have passed"

    def __str__(self) -> str:
        return self.value


class Edge(NamedTuple):
    """One transition: on `event` in `source`, this side sends `sends` (flag letters or None) and enters `target`.

    `section` is its place in RFC 9293. `in_figure`: figure 5 shows it; other transitions are only in the text.
    """

    source: State
    event: Event
    sends: str | None
    target: State
    section: str
    in_figure: bool = False


def _edges() -> tuple[Edge, ...]:
    e = Event
    return (
        # source          event                     sends target        RFC 9293                     in figure 5
        Edge(CLOSED,       e.PASSIVE_OPEN,           None, LISTEN,       "3.10.1",                    True),
        Edge(CLOSED,       e.ACTIVE_OPEN,            "S",  SYN_SENT,     "3.10.1",                    True),
        Edge(LISTEN,       e.CLOSE,                  None, CLOSED,       "3.10.4",                    True),
        Edge(LISTEN,       e.SEND,                   "S",  SYN_SENT,     "3.10.2",                    True),
        Edge(LISTEN,       e.SYN,                    "SA", SYN_RECEIVED, "3.10.7.2",                  True),
        Edge(SYN_SENT,     e.CLOSE,                  None, CLOSED,       "3.10.4",                    True),
        Edge(SYN_SENT,     e.SYN,                    "SA", SYN_RECEIVED, "3.10.7.3 fourth",           True),
        Edge(SYN_SENT,     e.SYN_AND_ACK_OF_SYN,     "A",  ESTABLISHED,  "3.10.7.3 fourth",           True),
        Edge(SYN_RECEIVED, e.ACK_OF_SYN,             None, ESTABLISHED,  "3.10.7.4 fifth",            True),
        Edge(SYN_RECEIVED, e.RST_AFTER_PASSIVE_OPEN, None, LISTEN,       "figure 5 note 1, 3.10.7.4 second", True),
        Edge(SYN_RECEIVED, e.CLOSE,                  "FA", FIN_WAIT_1,   "3.10.4",                    True),
        Edge(ESTABLISHED,  e.CLOSE,                  "FA", FIN_WAIT_1,   "3.10.4",                    True),
        Edge(ESTABLISHED,  e.FIN,                    "A",  CLOSE_WAIT,   "3.10.7.4 eighth",           True),
        Edge(FIN_WAIT_1,   e.ACK_OF_FIN,             None, FIN_WAIT_2,   "3.10.7.4 fifth",            True),
        Edge(FIN_WAIT_1,   e.FIN,                    "A",  CLOSING,      "3.10.7.4 eighth",           True),
        Edge(FIN_WAIT_2,   e.FIN,                    "A",  TIME_WAIT,    "3.10.7.4 eighth",           True),
        Edge(CLOSE_WAIT,   e.CLOSE,                  "FA", LAST_ACK,     "3.10.4",                    True),
        Edge(CLOSING,      e.ACK_OF_FIN,             None, TIME_WAIT,    "3.10.7.4 fifth",            True),
        Edge(LAST_ACK,     e.ACK_OF_FIN,             None, CLOSED,       "3.10.7.4 fifth",            True),
        Edge(TIME_WAIT,    e.TIME_WAIT_TIMEOUT,      None, CLOSED,       "3.10.8",                    True),
        # One segment causes two transitions of the figure.
        Edge(FIN_WAIT_1,   e.FIN_AND_ACK_OF_FIN,     "A",  TIME_WAIT,    "figure 5 note 2, 3.10.7.4 eighth"),
        Edge(SYN_RECEIVED, e.FIN_AND_ACK_OF_SYN,     "A",  CLOSE_WAIT,   "3.10.7.4 eighth"),
        Edge(SYN_SENT,     e.SYN_FIN_AND_ACK_OF_SYN, "A",  CLOSE_WAIT,   "3.10.7.3 fourth, 3.10.7.4 eighth"),
        # Opening again.
        Edge(LISTEN,       e.ACTIVE_OPEN,            "S",  SYN_SENT,     "3.10.1"),
        Edge(SYN_RECEIVED, e.SYN_AFTER_PASSIVE_OPEN, None, LISTEN,       "3.10.7.4 fourth"),
        Edge(TIME_WAIT,    e.SYN_OF_NEW_CONNECTION,  "SA", SYN_RECEIVED, "3.6.1, 3.10.7.4 fourth"),
        Edge(TIME_WAIT,    e.FIN,                    "A",  TIME_WAIT,    "3.10.7.4 fifth, eighth"),
        # The other side resets.
        Edge(SYN_SENT,     e.RST,                    None, CLOSED,       "3.10.7.3 second"),
        *(Edge(state,      e.RST,                    None, CLOSED,       "3.10.7.4 second")
          for state in (SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT)),
        # This side gives up.
        *(Edge(state,      e.ABORT,                  "R",  CLOSED,       "3.10.5")
          for state in (SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT)),
        *(Edge(state,      e.ABORT,                  None, CLOSED,       "3.10.5")
          for state in (LISTEN, SYN_SENT, CLOSING, LAST_ACK, TIME_WAIT)),
        *(Edge(state,      e.USER_TIMEOUT,           None, CLOSED,       "3.8.3, 3.10.8")
          for state in (SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, CLOSE_WAIT, CLOSING, LAST_ACK)),
    )  # fmt: skip


EDGES = _edges()
_BY_SOURCE_AND_EVENT = {(edge.source, edge.event): edge for edge in EDGES}


def edge(source: State, event: Event) -> Edge | None:
    """The edge for `event` in state `source`; None if the event changes no state there."""
    return _BY_SOURCE_AND_EVENT.get((source, event))
