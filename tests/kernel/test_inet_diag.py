"""Look-ups by inet_diag: an answer that does not come is an error, not a wait for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from lab.host.errors import MachineError
from lab.host.inet_diag import StateLookup, question
from lab.host.namespace import Namespace
from lab.record.kernel_state import CLOSED
from lab.tcp.state import State

NO_MESSAGE = bytes(16)
"""The kernel skips it without an answer (netlink_rcv_skb)."""


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> Iterator[StateLookup]:
    monkeypatch.setattr("lab.host.inet_diag.DEADLINE_S", 0.05)
    with closing(Namespace()) as namespace, closing(StateLookup(namespace)) as made:
        yield made


@pytest.mark.parametrize("ask", [StateLookup.ask, StateLookup.tcp_info])
def test_an_answer_has_a_deadline(lookup: StateLookup, ask: Callable[[StateLookup, bytes], object]) -> None:
    with pytest.raises(MachineError, match=r"inet_diag has not answered for 0\.05 s"):
        ask(lookup, NO_MESSAGE)


def test_what_is_answered_in_time(lookup: StateLookup) -> None:
    assert lookup.ask(question(4, "192.0.2.1", 80, "192.0.2.2", 80)) == CLOSED
    assert lookup.all_in(4, State.LISTEN) == []
