"""A plan: one random connection, as Hypothesis strategies, so that what breaks a rule is shrunk to a small plan."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from hypothesis import strategies as st

from lab.tcp.options import Options

HALF = 1 << 31


class Start(StrEnum):
    """How a connection begins: with nothing, with a call of the kernel, or in a state."""

    NOTHING = "nothing"
    CLOSED_PORT = "closed port"
    CONNECT = "connect"
    SYN_RECEIVED = "syn_received"
    ESTABLISHED = "established"
    CONNECTED = "connected"
    CLOSE_WAIT = "close_wait"
    LAST_ACK = "last_ack"
    FIN_WAIT_1 = "fin_wait_1"
    FIN_WAIT_2 = "fin_wait_2"
    CLOSING = "closing"
    TIME_WAIT = "time_wait"


class Number(NamedTuple):
    """A sequence or acknowledgment number: a distance from a number that the connection has."""

    base: str
    """"nxt": the number that the model would send; "una": the oldest unacknowledged; "iss"; the window's "edge"."""
    offset: int


class Send(NamedTuple):
    """The peer sends a segment."""

    letters: str
    seq: Number
    ack: Number
    window: int | None
    """None: the model's."""
    options: Options | None
    """None: the model's."""
    payload: int
    """Number of bytes."""
    urgent: int


class Call(NamedTuple):
    """The kernel's application calls."""

    name: str
    size: int
    """Number of bytes to send or receive."""


class Read(NamedTuple):
    """The peer reads what has come, and the model takes it in."""


class Fence(NamedTuple):
    """The peer waits until the kernel has answered all so far."""


class Pause(NamedTuple):
    """Nobody does anything, so that timers can run."""

    milliseconds: int


Step = Send | Call | Read | Fence | Pause


class Offer(NamedTuple):
    """Options of the peer's SYN."""

    mss: int | None
    window: int
    window_scale: int | None
    timestamps: bool
    sack_permitted: bool


class Plan(NamedTuple):
    """One connection."""

    start: Start
    offer: Offer
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n".join([f"start: {self.start}, {self.offer}", *[f"  {step}" for step in self.steps]])


_LETTERS = ("A", "A", "A", "PA", "PA", "FA", "FPA", "S", "SA", "R", "RA", "F", "P", "", "SF", "SR", "FRA", "UA", "SEC")
_OFFSETS = (0, 0, 0, 0, 1, -1, 2, -2, 5, -5, 100, -100, 1460, 65535, -65535, 1 << 20, HALF, HALF - 1, HALF + 1)
_PLAIN = Number("nxt", 0)

numbers = st.one_of(
    st.just(_PLAIN),
    st.builds(Number, st.sampled_from(("nxt", "nxt", "una", "iss", "edge")), st.sampled_from(_OFFSETS)),
    st.builds(Number, st.just("nxt"), st.integers(0, (1 << 32) - 1)),
)

_stamps = st.integers(0, (1 << 32) - 1)
_options = st.one_of(
    st.just(("MSS", 536)),
    st.builds(lambda shift: ("WScale", shift), st.integers(0, 15)),
    st.just(("SAckOK", b"")),
    st.builds(lambda value, echo: ("Timestamp", (value, echo)), _stamps, _stamps),
    st.builds(lambda start, size: ("SAck", (start, (start + size) % (1 << 32))), _stamps, st.integers(0, 100)),
    st.just((253, b"ab")),
)
options: st.SearchStrategy[Options | None] = st.one_of(st.none(), st.none(), st.lists(_options, max_size=2).map(tuple))

sends = st.builds(
    Send,
    st.one_of(st.sampled_from(_LETTERS), st.sets(st.sampled_from("FSRPAUECN")).map(lambda each: "".join(sorted(each)))),
    numbers,
    numbers,
    st.one_of(st.none(), st.sampled_from((0, 1, 100, 1000, 65535))),
    options,
    st.sampled_from((0, 0, 0, 1, 1, 5, 100, 1400)),
    st.sampled_from((0, 0, 0, 1, 5)),
)
calls = st.builds(
    Call,
    st.sampled_from(("send", "recv", "shutdown", "close", "accept", "abort")),
    st.sampled_from((1, 5, 1000, 20000)),
)
steps: st.SearchStrategy[Step] = st.one_of(
    sends, sends, sends, sends, calls, st.just(Read()), st.just(Read()), st.just(Fence()),
    st.builds(Pause, st.sampled_from((1, 1, 5, 15))),
)  # fmt: skip
offers = st.builds(
    Offer,
    st.sampled_from((1460, 1460, 536, 100, 1, None)),
    st.sampled_from((65535, 65535, 1000, 10, 0)),
    st.sampled_from((None, None, 0, 7, 14)),
    st.booleans(),
    st.booleans(),
)
plans = st.builds(Plan, st.sampled_from(tuple(Start)), offers, st.lists(steps, max_size=12).map(tuple))
