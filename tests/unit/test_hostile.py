"""The endpoint against hostile input: no crash, no state change that the RFC does not allow, a note for each drop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from lab.tcp.diagram import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from lab.tcp.endpoint import Endpoint
from lab.tcp.flags import ACK, FIN, RST, SYN
from lab.tcp.input import segment_arrives
from lab.tcp.output import segments_owed
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.frames import decode, why_no_segment
from tests.unit.crafted import ends
from tests.unit.explore import print_of
from tests.unit.hostile import Attacker
from tests.unit.states import NOW, endpoint_in

FRAMES = 100_000
"""In all, over every state and both families."""
PER_ENDPOINT = 25
"""After so many frames a fresh endpoint takes over, so that all states are attacked from their beginning."""


class Before(NamedTuple):
    """What an endpoint was when a segment arrived."""

    state: State
    passive: bool
    iss: Seq
    irs: Seq
    snd_una: Seq
    snd_nxt: Seq
    rcv_nxt: Seq
    rcv_wnd: int
    fin_end: Seq | None

    @classmethod
    def of(cls, endpoint: Endpoint) -> Before:
        return cls(*(getattr(endpoint, name) for name in cls._fields))


def allowed(before: Before, segment: Segment, fin: bool) -> set[State]:
    """Where RFC 9293 3.10.7 lets this segment lead, written down independently of the endpoint; RFC 5961 for RST.

    `fin`: the other side's FIN has come, with this segment or ahead of it.
    """
    syn, rst, ack = (bool(segment.flags & bit) for bit in (SYN, RST, ACK))
    good = ack and segment.ack == before.iss + 1
    reset = rst and segment.seq == before.rcv_nxt
    crossing = before.state is SYN_RECEIVED and not before.passive and segment.seq == before.irs
    plain = ack and not rst and (not syn or crossing)
    new = plain and before.snd_una < segment.ack <= before.snd_nxt
    done = plain and before.fin_end is not None and segment.ack == before.fin_end
    fin = fin and plain
    opens = syn and not rst and not ack
    table = {
        CLOSED: (),
        LISTEN: ((opens, SYN_RECEIVED),),
        SYN_SENT: (
            (rst and good, CLOSED), (opens, SYN_RECEIVED),
            (syn and not rst and good, ESTABLISHED), (syn and not rst and good, CLOSE_WAIT),
        ),
        SYN_RECEIVED: (
            (reset, LISTEN if before.passive else CLOSED), (syn and not rst and before.passive, LISTEN),
            (new, ESTABLISHED), (new and fin, CLOSE_WAIT),
        ),
        ESTABLISHED: ((reset, CLOSED), (fin, CLOSE_WAIT)),
        FIN_WAIT_1: ((reset, CLOSED), (done, FIN_WAIT_2), (fin, CLOSING), (fin and done, TIME_WAIT)),
        FIN_WAIT_2: ((reset, CLOSED), (fin, TIME_WAIT)),
        CLOSE_WAIT: ((reset, CLOSED),),
        CLOSING: ((reset, CLOSED), (done, TIME_WAIT)),
        LAST_ACK: ((reset, CLOSED), (done, CLOSED)),
        TIME_WAIT: ((reset, CLOSED), (opens, SYN_RECEIVED)),
    }  # fmt: skip
    return {target for condition, target in table[before.state] if condition}


def attack(family: int, state: State, frames: int) -> Counter[str]:
    """So many hostile frames; why frames were dropped, and how often."""
    attacker = Attacker(family, list(State).index(state))
    notes: Counter[str] = Counter()
    endpoint, fin_came = endpoint_in(state), False
    for number in range(frames):
        if number % PER_ENDPOINT == 0:
            endpoint, fin_came = endpoint_in(state, passive=bool(number // PER_ENDPOINT % 2)), False
        frame = attacker.frame(endpoint)
        received = decode(frame)
        note = why_dropped(frame, received, family)
        if note:
            notes[note.split(" ")[0]] += 1
            continue
        assert received is not None
        before = Before.of(endpoint)
        fin_came |= bool(received.segment.flags & FIN)
        segment_arrives(endpoint, received.segment, NOW)
        if endpoint.state is not before.state:
            assert endpoint.state in allowed(before, received.segment, fin_came), (before, received.segment)
        segments_owed(endpoint, NOW)
        endpoint.read()
    return notes


def why_dropped(frame: bytes, received: Any, family: int) -> str:
    if received is None:
        return why_no_segment(frame)
    if received.ends != ends(family):
        return f"elsewhere: {received.ends}"
    return ", ".join(received.segment.faults)


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("state", list(State), ids=str)
def test_hostile_frames_do_no_harm(state: State, family: int, record_property: Callable[[str, Any], None]) -> None:
    frames = -(-FRAMES // (2 * len(State)))
    notes = attack(family, state, frames)
    record_property("explored", f"{frames:,} hostile frames, {notes.total():,} dropped with a note")
    assert "" not in notes
    assert frames // 3 < notes.total() < frames, "the attacker is too crude, or too tame"


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_a_dropped_frame_changes_nothing(family: int) -> None:
    attacker, endpoint = Attacker(family, 0), endpoint_in(ESTABLISHED)
    before = print_of(endpoint, NOW)
    dropped = 0
    for _ in range(2000):
        frame = attacker.frame(endpoint)
        received = decode(frame)
        if why_dropped(frame, received, family):
            dropped += 1
    assert dropped > 500
    assert print_of(endpoint, NOW) == before


def believes_any_reset(patch: pytest.MonkeyPatch) -> None:
    arrives = segment_arrives

    def arrive_at_the_edge(endpoint: Endpoint, segment: Segment, now: float) -> None:
        arrives(endpoint, segment._replace(seq=endpoint.rcv_nxt) if segment.flags & RST else segment, now)

    patch.setattr(f"{__name__}.segment_arrives", arrive_at_the_edge)


def does_without_the_ack_bit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("lab.tcp.input.ACK", 0x1FF)


@pytest.mark.parametrize("broken", [believes_any_reset, does_without_the_ack_bit])
def test_the_attacker_finds_a_gullible_endpoint(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        attack(4, ESTABLISHED, 5000)
