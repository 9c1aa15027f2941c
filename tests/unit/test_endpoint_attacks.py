"""What arrives late, forged or out of place: RFC 5961, RFC 7323 (PAWS), TIME-WAIT."""

from __future__ import annotations

import pytest

from lab.tcp.diagram import CLOSED, ESTABLISHED, SYN_RECEIVED, TIME_WAIT
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.input import segment_arrives
from lab.tcp.options import Options, value_of
from lab.tcp.output import next_segment, segments_owed
from lab.tcp.state import State
from tests.unit.states import NOW, SYNCHRONIZED, arrive, endpoint_in, established, syn_received, time_wait

STATES = pytest.mark.parametrize("state", SYNCHRONIZED, ids=str)
STAMPED = Config(timestamps=True)
DAY_S = 86400.0


def challenge(endpoint: Endpoint) -> tuple[str, int, int]:
    """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>."""
    return "A", endpoint.snd_nxt, endpoint.rcv_nxt


def numbers(segments: list[object]) -> list[tuple[str, int, int]]:
    return [(segment.letters, segment.seq, segment.ack) for segment in segments]  # type: ignore[attr-defined]


@STATES
def test_a_reset_counts_only_with_the_exact_number(state: State) -> None:
    endpoint = endpoint_in(state)
    for offset in (1, 1000):
        assert numbers([*arrive(endpoint, "R", seq=endpoint.rcv_nxt + offset)]) == [challenge(endpoint)]
    for offset in (-1, 2**20):
        assert arrive(endpoint, "R", seq=endpoint.rcv_nxt + offset) == []
    assert endpoint.state is state
    assert arrive(endpoint, "R", b"reason") == []
    assert endpoint.state is CLOSED
    quiet = state in (State.CLOSING, State.LAST_ACK, State.TIME_WAIT)
    assert endpoint.error == (None if quiet else "connection reset")


def test_a_shut_window_takes_the_exact_reset() -> None:
    endpoint = established(Config(window=0))
    arrive(endpoint, "R", b"reason")
    assert endpoint.state is CLOSED


@STATES
@pytest.mark.parametrize("offset", [-5, 0, 5, 2**20])
def test_a_syn_is_asked_about_wherever_it_stands(state: State, offset: int) -> None:
    endpoint = endpoint_in(state, passive=False)
    assert numbers([*arrive(endpoint, "S", seq=endpoint.rcv_nxt + offset)]) == [challenge(endpoint)]
    assert endpoint.state is state


def test_a_syn_in_the_window_is_asked_about_after_an_active_open() -> None:
    endpoint = syn_received(passive=False)
    assert numbers([*arrive(endpoint, "S")]) == [challenge(endpoint)]
    assert endpoint.state is SYN_RECEIVED


def stamp(tsval: int, tsecr: int = 0) -> Options:
    return (("NOP", None), ("NOP", None), ("Timestamp", (tsval % 2**32, tsecr)))


@pytest.mark.parametrize("recent", [1000, 0, 2**32 - 1, 2**31], ids=hex)
@pytest.mark.parametrize(
    ("step", "accepted"), [(-1, False), (-(2**31) + 1, False), (0, True), (1, True), (2**31 - 1, True)]
)
def test_paws(recent: int, step: int, accepted: bool) -> None:
    endpoint = established(STAMPED, options=stamp(recent))
    (answer,) = arrive(endpoint, "A", b"text", options=stamp(recent + step))
    assert endpoint.read() == (b"text" if accepted else b"")
    assert answer.ack == endpoint.rcv_nxt
    assert value_of(answer.options, "Timestamp") == (NOW * 1000, (recent + max(step, 0) * accepted) % 2**32)


def test_paws_spares_resets_and_forgets_after_24_days() -> None:
    endpoint = established(STAMPED, options=stamp(1000))
    arrive(endpoint, "A", b"refreshed", options=stamp(1000), now=NOW + 20 * DAY_S)
    assert endpoint.read() == b"refreshed"
    assert arrive(endpoint, "A", b"old", options=stamp(1), now=NOW + 43 * DAY_S)
    assert endpoint.read() == b""
    arrive(endpoint, "A", b"new", options=stamp(1), now=NOW + 45 * DAY_S)
    assert endpoint.read() == b"new"
    assert endpoint.ts_recent == 1
    arrive(endpoint, "R", options=stamp(0))
    assert endpoint.state is CLOSED


def test_a_segment_without_the_agreed_timestamps_is_dropped_silently() -> None:
    endpoint = established(STAMPED, options=stamp(1))
    assert arrive(endpoint, "A", b"text") == []
    assert endpoint.read() == b""


def test_ts_recent_is_taken_only_from_the_left_edge_of_the_window() -> None:
    endpoint = established(STAMPED, options=stamp(1))
    arrive(endpoint, "A", b"later", seq=endpoint.rcv_nxt + 10, options=stamp(9))
    assert endpoint.ts_recent == 1
    arrive(endpoint, "A", b"old", seq=endpoint.rcv_nxt + -3, options=stamp(9))
    assert endpoint.ts_recent == 1
    arrive(endpoint, "A", b"overlap", seq=endpoint.rcv_nxt + -3, options=stamp(7))
    assert endpoint.ts_recent == 7


def test_ts_recent_waits_for_the_acknowledgment() -> None:
    endpoint = established(STAMPED, options=stamp(1))
    first, second = (endpoint.rcv_nxt + offset for offset in (0, 3))
    for seq, tsval in ((first, 5), (second, 8)):
        segment = next_segment(endpoint, 0, b"", NOW)._replace(seq=seq, ack=endpoint.snd_nxt, flags=16, payload=b"abc")
        segment_arrives(endpoint, segment._replace(options=stamp(tsval)), NOW)
    assert endpoint.ts_recent == 5  # RFC 7323 4.3: a delayed ACK reports the earliest segment that it covers


def test_without_timestamps_agreed_the_option_is_ignored() -> None:
    endpoint = established()
    arrive(endpoint, "A", b"text", options=stamp(1))
    assert endpoint.read() == b"text"


def test_time_wait_lasts_two_msl_and_a_repeated_fin_restarts_it() -> None:
    endpoint = time_wait(Config(msl=10.0))
    assert endpoint.next_timeout() == NOW + 20
    (ack,) = arrive(endpoint, "FA", seq=endpoint.rcv_nxt + -1, now=NOW + 15)
    assert (ack.letters, ack.ack) == ("A", endpoint.rcv_nxt)
    assert endpoint.next_timeout() == NOW + 35
    endpoint.handle_timeout(NOW + 34)
    assert endpoint.state is TIME_WAIT
    arrive(endpoint, "A", seq=endpoint.rcv_nxt + -1, now=NOW + 34)
    assert endpoint.next_timeout() == NOW + 35
    endpoint.handle_timeout(NOW + 35)
    assert endpoint.state is CLOSED


OLD = 5000


@pytest.mark.parametrize(
    ("had_timestamps", "offset", "tsval", "reopens"),
    [(False, 1, None, True), (False, 0, None, False), (False, -9, None, False), (False, -9, 1, True),
     (True, -9, OLD + 1, True), (True, 1, OLD, True), (True, 0, OLD, False), (True, 99, OLD - 1, False),
     (True, 1, None, True), (True, -1, None, False)],
)  # fmt: skip
def test_time_wait_takes_a_syn_that_is_surely_new(
    had_timestamps: bool, offset: int, tsval: int | None, reopens: bool
) -> None:
    endpoint = time_wait()
    endpoint.ts_ok, endpoint.ts_recent = had_timestamps, OLD
    seq, old_nxt = endpoint.rcv_nxt + offset, endpoint.snd_nxt
    options: Options = () if tsval is None else stamp(tsval)
    answers = arrive(endpoint, "S", seq=seq, options=options)
    if reopens:
        (answer,) = answers
        assert endpoint.state is SYN_RECEIVED
        assert answer.letters == "SA"
        assert answer.seq > old_nxt
        assert answer.ack == seq + 1
    else:
        assert endpoint.state is TIME_WAIT
        silent = had_timestamps and tsval is None  # RFC 7323 3.2
        assert numbers([*answers]) == ([] if silent else [challenge(endpoint)])


@pytest.mark.parametrize("flags", ["SA", "SR"])
def test_time_wait_does_not_reopen_for_anything_but_a_bare_syn(flags: str) -> None:
    endpoint = time_wait()
    arrive(endpoint, flags, seq=endpoint.rcv_nxt + 5)
    assert endpoint.state is TIME_WAIT


def test_abort_resets_at_snd_nxt() -> None:
    endpoint = established()
    endpoint.send(b"unsent", NOW)
    nxt = endpoint.snd_nxt
    endpoint.abort(NOW)
    (reset,) = segments_owed(endpoint, NOW)
    assert (reset.letters, reset.seq) == ("R", nxt)
    assert (endpoint.state, endpoint.next_timeout()) == (CLOSED, None)


def test_everything_still_works_after_the_attacks() -> None:
    endpoint = established()
    for flags, offset in (("R", 9), ("S", 0), ("S", 99), ("A", 2**20)):
        arrive(endpoint, flags, seq=endpoint.rcv_nxt + offset)
    arrive(endpoint, "PA", b"text")
    assert endpoint.read() == b"text"
    assert endpoint.state is ESTABLISHED


def test_a_reset_that_looks_like_a_crossing_syn_is_not_believed() -> None:
    endpoint = syn_received(passive=False)
    arrive(endpoint, "SRA", seq=endpoint.irs)
    assert endpoint.state is SYN_RECEIVED
