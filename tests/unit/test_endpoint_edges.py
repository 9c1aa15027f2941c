"""Every edge of the table is walked, and sends what the table says: computed from the table, not listed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from lab.tcp.diagram import CLOSE_WAIT, EDGES, ESTABLISHED, SYN_SENT, TIME_WAIT, Edge, Event
from lab.tcp.endpoint import Endpoint
from lab.tcp.output import segments_owed
from lab.tcp.state import State
from tests.unit.states import IRS, NOW, arrive, endpoint_in


def _wait_for_nothing(endpoint: Endpoint) -> None:
    if endpoint.state in (ESTABLISHED, CLOSE_WAIT):
        endpoint.send(b"unanswered", NOW)
    before = endpoint.state
    while endpoint.state is before:
        now = endpoint.next_timeout() or NOW
        endpoint.handle_timeout(now)
        segments_owed(endpoint, now)


def _timeout(endpoint: Endpoint) -> None:
    until = endpoint.next_timeout()
    assert until is not None
    endpoint.handle_timeout(until)


def _syn(endpoint: Endpoint) -> None:
    arrive_without_answer(endpoint, "S", seq=IRS)


def arrive_without_answer(endpoint: Endpoint, flags: str, **fields: object) -> None:
    assert segments_owed(endpoint, NOW) == []
    segments = arrive(endpoint, flags, **fields)  # type: ignore[arg-type]
    endpoint.replies[:0] = segments  # so that the test sees what was sent, like after a user call


def _fin(endpoint: Endpoint) -> None:
    seq = endpoint.rcv_nxt + (-1 if endpoint.state is TIME_WAIT else 0)
    arrive_without_answer(endpoint, "FA", seq=seq, ack=endpoint.snd_una)


def _rst(endpoint: Endpoint) -> None:
    arrive_without_answer(endpoint, "RA" if endpoint.state is SYN_SENT else "R")


CAUSES: dict[Event, Callable[[Endpoint], None]] = {
    Event.PASSIVE_OPEN: lambda endpoint: endpoint.listen(),
    Event.ACTIVE_OPEN: lambda endpoint: endpoint.connect(NOW),
    Event.SEND: lambda endpoint: endpoint.send(b"hello", NOW),
    Event.CLOSE: lambda endpoint: endpoint.close(NOW),
    Event.ABORT: lambda endpoint: endpoint.abort(NOW),
    Event.SYN: _syn,
    Event.SYN_AND_ACK_OF_SYN: lambda endpoint: arrive_without_answer(endpoint, "SA", seq=IRS),
    Event.SYN_FIN_AND_ACK_OF_SYN: lambda endpoint: arrive_without_answer(endpoint, "SFA", seq=IRS),
    Event.ACK_OF_SYN: lambda endpoint: arrive_without_answer(endpoint, "A"),
    Event.FIN_AND_ACK_OF_SYN: lambda endpoint: arrive_without_answer(endpoint, "FA"),
    Event.FIN: _fin,
    Event.ACK_OF_FIN: lambda endpoint: arrive_without_answer(endpoint, "A"),
    Event.FIN_AND_ACK_OF_FIN: lambda endpoint: arrive_without_answer(endpoint, "FA"),
    Event.SYN_OF_NEW_CONNECTION: lambda endpoint: arrive_without_answer(endpoint, "S", seq=endpoint.rcv_nxt + 1000),
    Event.SYN_AFTER_PASSIVE_OPEN: lambda endpoint: arrive_without_answer(endpoint, "S"),
    Event.RST: _rst,
    Event.RST_AFTER_PASSIVE_OPEN: _rst,
    Event.USER_TIMEOUT: _wait_for_nothing,
    Event.TIME_WAIT_TIMEOUT: _timeout,
}


@pytest.mark.parametrize("step", EDGES, ids=lambda step: f"{step.source}-{step.event.name}")
def test_the_endpoint_walks_the_edge(step: Edge) -> None:
    endpoint = endpoint_in(step.source, passive=step.event is not Event.RST)
    before = len(endpoint.walked)
    CAUSES[step.event](endpoint)
    sent = [segment.letters for segment in segments_owed(endpoint, NOW)]
    assert endpoint.walked[before:] == [step]
    assert endpoint.state is step.target
    assert sent == ([] if step.sends is None else [step.sends])


@pytest.mark.parametrize("state", State)
def test_an_event_without_an_edge_changes_nothing(state: State) -> None:
    known = {step.event for step in EDGES if step.source is state}
    for event in set(Event) - known:
        endpoint = endpoint_in(state)
        walked = len(endpoint.walked)
        endpoint.obey(event, NOW)
        assert endpoint.state is state
        assert len(endpoint.walked) == walked


def test_a_way_through_the_diagram_has_no_gaps() -> None:
    for state in State:
        walked = endpoint_in(state).walked
        assert all(step.target is following.source for step, following in pairwise(walked))
