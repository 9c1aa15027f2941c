from __future__ import annotations

import re
from collections import Counter

import pytest

from lab.tcp.diagram import CLOSED, EDGES, Edge, Event, edge
from lab.tcp.flags import bits
from lab.tcp.state import State


def test_an_event_leads_to_one_state() -> None:
    repeated = [pair for pair, times in Counter((step.source, step.event) for step in EDGES).items() if times > 1]
    assert not repeated


def test_the_figure_has_twenty_arrows() -> None:
    assert sum(step.in_figure for step in EDGES) == 20


def test_every_state_can_be_reached_and_left() -> None:
    reached, new = {CLOSED}, {CLOSED}
    while new:
        new = {step.target for step in EDGES if step.source in new and step.in_figure} - reached
        reached |= new
    assert reached == set(State)
    assert {step.source for step in EDGES if step.in_figure} == set(State)


def test_every_event_is_used() -> None:
    assert {step.event for step in EDGES} == set(Event)


@pytest.mark.parametrize("step", EDGES, ids=lambda step: f"{step.source}-{step.event.name}")
def test_an_edge_is_found_again_and_says_where_it_stands(step: Edge) -> None:
    assert edge(step.source, step.event) is step
    assert re.search(r"figure 5|3\.\d+", step.section)
    assert step.sends is None or bits(step.sends)


def test_everything_else_changes_nothing() -> None:
    known = {(step.source, step.event) for step in EDGES}
    others = [edge(state, event) for state in State for event in Event if (state, event) not in known]
    assert len(others) + len(known) == len(State) * len(Event)
    assert set(others) == {None}


def test_states_and_events_print_as_words() -> None:
    assert str(State.SYN_RECEIVED) == "SYN-RECEIVED"
    assert str(Event.ACK_OF_FIN) == "ACK of our FIN"
