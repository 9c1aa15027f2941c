"""The names of the states."""

import pytest

from lab.tcp.state import State


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
