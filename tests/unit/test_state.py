"""Connection states: their names, and that each equals its spelling in RFC 9293."""

import json

import pytest

from lab.tcp.diagram import EDGES
from lab.tcp.state import State

SPELLINGS = (
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
)


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (State.SYN_RECEIVED, "SYN-RECEIVED (ss: SYN-RECV)"),
        (State.ESTABLISHED, "ESTABLISHED (ss: ESTAB)"),
        (State.CLOSED, "CLOSED (ss: UNCONN)"),
        (State.FIN_WAIT_2, "FIN-WAIT-2"),
    ],
    ids=str,
)
def test_both_names_are_told_where_they_differ(state: State, names: str) -> None:
    assert state.both_names == names
    assert str(state) == names.partition(" ")[0]


def test_the_spellings_are_those_of_rfc_9293() -> None:
    assert tuple(state.value for state in State) == SPELLINGS


@pytest.mark.parametrize("state", State, ids=str)
def test_a_state_equals_its_own_spelling_and_no_other(state: State) -> None:
    assert [text for text in SPELLINGS if state == text] == [state.value]
    assert [text for text in SPELLINGS if text == state] == [state.value]
    assert [text for text in SPELLINGS if not state != text] == [state.value]  # noqa: SIM202  # `!=` is what is tried


@pytest.mark.parametrize("other", ["SYN-RECV", "SYN_RECEIVED", "syn-received", "", None, 3], ids=repr)
def test_a_state_equals_nothing_else(other: object) -> None:
    state: object = State.SYN_RECEIVED
    assert state != other
    assert other != state


@pytest.mark.parametrize("state", State, ids=str)
def test_a_state_and_its_spelling_are_one_key(state: State) -> None:
    assert hash(state) == hash(state.value)
    assert {state: "here"}[state.value] == "here"  # type: ignore[index]  # mypy wants a State; a dict does not
    assert {state, state.value} == {state}
    assert state.value in set(State)


def test_states_print_and_serialise_as_they_are_spelled() -> None:
    state = State.FIN_WAIT_1
    assert (f"{state}", f"{state:>12}", f"{state!s}", repr(state)) == (
        "FIN-WAIT-1",
        "  FIN-WAIT-1",
        "FIN-WAIT-1",
        "<State.FIN_WAIT_1: 'FIN-WAIT-1'>",
    )
    assert json.loads(json.dumps({state: [state]})) == {"FIN-WAIT-1": ["FIN-WAIT-1"]}
    assert State("FIN-WAIT-1") is state


def test_states_can_be_sorted_and_matched() -> None:
    assert sorted(State) == sorted(SPELLINGS)
    matched = []
    for state in State:
        match state:
            case State.CLOSED | "LISTEN":
                matched.append(state)
    assert matched == ["CLOSED", "LISTEN"]


def test_the_diagram_is_found_by_spelling_too() -> None:
    from_listen = [edge for edge in EDGES if edge.source == "LISTEN"]
    assert from_listen
    assert all(edge.source is State.LISTEN for edge in from_listen)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("TIME-WAIT", State.TIME_WAIT),
        ("time_wait", State.TIME_WAIT),
        ("syn-recv", State.SYN_RECEIVED),
        ("ESTAB", State.ESTABLISHED),
        ("FIN-WAIT", None),
        ("", None),
    ],
)
def test_a_state_is_found_in_any_case_and_by_its_name_in_ss(name: str, state: State | None) -> None:
    assert State.called(name) is state
