"""Schedules computed from RFC 6298, not copied from the code."""

from __future__ import annotations

import pytest

from lab.tcp.diagram import CLOSED, ESTABLISHED, SYN_RECEIVED
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.output import due_retransmission, segments_owed
from lab.tcp.rto import RetransmissionTimeout
from lab.tcp.state import State
from tests.unit.pair import Pair
from tests.unit.states import NOW, arrive, endpoint_in, established, listening

LOST = ()


def doubling(start: float, initial: float, retries: int, maximum: float) -> list[float]:
    """When a segment leaves that is never acknowledged: RFC 6298 5.5."""
    times, rto = [start], initial
    for _ in range(retries):
        times.append(times[-1] + rto)
        rto = min(2 * rto, maximum)
    return times


@pytest.mark.parametrize(("retries", "maximum"), [(6, 60.0), (3, 60.0), (8, 10.0), (0, 60.0)])
def test_an_unanswered_syn_doubles_its_timeout_and_gives_up(retries: int, maximum: float) -> None:
    pair = Pair(Config(syn_retries=retries, rto_max=maximum), fates=[LOST] * 99)
    pair.left.connect(0.0)
    pair.run()
    expected = doubling(0.0, 1.0, retries + 1, maximum)
    assert pair.times(pair.left) == pytest.approx(expected[:-1])
    assert pair.now == pytest.approx(expected[-1])
    assert (pair.left.state, pair.left.error) == (CLOSED, "user timeout")


def test_an_unanswered_syn_ack_is_repeated_as_configured() -> None:
    pair = Pair(right=Config(synack_retries=2), fates=[(0.0,), *[LOST] * 99])
    pair.right.listen()
    pair.left.connect(0.0)
    pair.run(until=6.5)
    assert pair.right.state is SYN_RECEIVED
    assert pair.times(pair.right) == pytest.approx([0.0, 1.0, 3.0])
    pair.run(until=7.5)
    assert pair.right.state is CLOSED


@pytest.mark.parametrize("state", [State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK], ids=str)
def test_an_unanswered_fin_doubles_its_timeout(state: State) -> None:
    endpoint = endpoint_in(state)
    start, initial = NOW, endpoint.rto.value
    times = [start, *_retransmissions(endpoint)]
    assert times == pytest.approx(doubling(start, initial, endpoint.config.retries, endpoint.config.rto_max))
    assert (endpoint.state, endpoint.error) == (CLOSED, "user timeout")


def _retransmissions(endpoint: Endpoint) -> list[float]:
    times = []
    while (at := endpoint.next_timeout()) is not None:
        endpoint.handle_timeout(at - 0.001)
        assert segments_owed(endpoint, at - 0.001) == []
        endpoint.handle_timeout(at)
        times += [at for segment in segments_owed(endpoint, at) if segment.letters == "FA"]
    return times


def test_a_retransmission_is_the_oldest_segment_with_the_newest_acknowledgment() -> None:
    endpoint = established()
    endpoint.send(bytes(600), NOW)
    first, second = segments_owed(endpoint, NOW)
    assert (len(first.payload), len(second.payload)) == (536, 64)
    arrive(endpoint, "A", b"news", ack=endpoint.snd_una)
    timeout = endpoint.next_timeout()
    assert timeout is not None
    assert due_retransmission(endpoint, timeout) is not None
    endpoint.handle_timeout(timeout)
    (again,) = segments_owed(endpoint, timeout)
    assert (again.seq, again.payload, again.letters) == (first.seq, first.payload, first.letters)
    assert again.ack == first.ack + 4
    arrive(endpoint, "A", ack=second.end)
    assert due_retransmission(endpoint, timeout) is None
    assert endpoint.next_timeout() is None


def test_round_trips_are_smoothed() -> None:
    rto = RetransmissionTimeout(1.0, 0.2, 60.0)
    rto.measure(0.4)
    assert (rto.srtt, rto.rttvar) == (0.4, 0.2)
    assert rto.value == pytest.approx(0.4 + 4 * 0.2)
    rto.measure(0.8)
    rttvar = 3 / 4 * 0.2 + 1 / 4 * abs(0.4 - 0.8)
    srtt = 7 / 8 * 0.4 + 1 / 8 * 0.8
    assert rto.value == pytest.approx(srtt + 4 * rttvar)


@pytest.mark.parametrize(("round_trip", "value"), [(0.001, 1.0), (30.0, 60.0)], ids=["floor", "ceiling"])
def test_the_timeout_has_a_floor_and_a_ceiling(round_trip: float, value: float) -> None:
    rto = RetransmissionTimeout(1.0, 1.0, 60.0)
    rto.measure(round_trip)
    assert rto.value == value


@pytest.mark.parametrize(("initial", "after"), [(1.0, 3.0), (5.0, 5.0)])
def test_after_a_lost_syn_data_start_with_at_least_three_seconds(initial: float, after: float) -> None:
    pair = Pair(Config(rto_initial=initial), fates=[LOST])
    pair.right.listen()
    pair.left.connect(0.0)
    pair.run()
    assert pair.left.state is ESTABLISHED
    assert pair.left.rto.value == after
    assert pair.right.rto.value == 1.0


def test_karn_no_round_trip_is_taken_from_a_repeated_segment() -> None:
    endpoint = established()
    endpoint.send(b"x", NOW)
    segments_owed(endpoint, NOW)
    srtt = endpoint.rto.srtt
    timeout = endpoint.next_timeout()
    assert timeout is not None
    endpoint.handle_timeout(timeout)
    segments_owed(endpoint, timeout)
    arrive(endpoint, "A", now=timeout + 7)
    assert endpoint.rto.srtt == srtt
    assert endpoint.rto.timeouts == 0


def test_a_listener_waits_for_nothing() -> None:
    endpoint = listening()
    endpoint.handle_timeout(NOW)
    assert endpoint.next_timeout() is None
