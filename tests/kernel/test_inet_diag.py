"""Look-ups by inet_diag: an answer that does not come is an error, not a wait for ever."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from lab.host import inet_diag, netlink
from lab.host.errors import MachineError
from lab.host.inet_diag import InetDiag
from lab.host.namespace import Namespace
from lab.record.kernel_state import CLOSED
from lab.tcp.state import State

ERROR, DONE = 2, 3
ENDS = 4, "192.0.2.1", 80, "192.0.2.2", 80
NO_MESSAGE = bytes(16)
"""The kernel skips it without an answer (netlink_rcv_skb)."""


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> Iterator[InetDiag]:
    monkeypatch.setattr("lab.host.inet_diag.DEADLINE_S", 0.05)
    with closing(Namespace()) as namespace, closing(InetDiag(namespace)) as made:
        yield made


@pytest.mark.parametrize("ask", [InetDiag.of, InetDiag.tcp_info])
def test_an_answer_has_a_deadline(
    lookup: InetDiag, ask: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inet_diag, "request", lambda *_, **__: NO_MESSAGE)
    with pytest.raises(MachineError, match=r"inet_diag has not answered for 0\.05 s"):
        ask(lookup, *ENDS)


def test_what_is_answered_in_time(lookup: InetDiag) -> None:
    assert lookup.of(*ENDS) == CLOSED
    assert lookup.tcp_info(*ENDS) == {}
    assert lookup.all_in(4, State.LISTEN) == []


class Answering:
    """Stands for a socket on which such a message is received."""

    def __init__(self, kind: int, code: int) -> None:
        self._message = struct.pack("=IHHIIi", 20, kind, 0, 0, 0, code)

    def settimeout(self, _: float) -> None:
        """It never lasts."""

    def send(self, _: bytes) -> None:
        """Nobody takes it."""

    def recv(self, _: int) -> bytes:
        return self._message


@pytest.mark.parametrize("kind", [ERROR, DONE])
def test_a_list_that_is_refused_or_breaks_off_is_an_error(monkeypatch: pytest.MonkeyPatch, kind: int) -> None:
    monkeypatch.setattr(netlink, "open_socket", lambda _: Answering(kind, -errno.EPERM))
    with closing(Namespace()) as namespace, pytest.raises(PermissionError, match="inet_diag: "):
        InetDiag(namespace).all_in(4, State.LISTEN)
