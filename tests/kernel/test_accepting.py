"""accept(2) for a peer: the socket of its own connection, whatever waits in front of it."""

from __future__ import annotations

import pytest

from lab import Lab, Peer
from lab.author.sockets import Listener
from lab.record.events import CallMade
from lab.session.errors import KernelDiffers


def waiting(lab: Lab, server: Listener) -> Peer:
    """A connection that is open and that nobody has accepted."""
    peer = lab.peer(to=server).syn_received()
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    return peer


def test_each_peer_gets_the_socket_of_its_own_connection(lab: Lab) -> None:
    server = lab.kernel.listen(port=80)
    first, second = waiting(lab, server), waiting(lab, server)
    third = lab.peer(to=server)
    third.open().close()  # behind two others in the queue
    third.expect("FA")
    server.accept(of=second).send("second")
    second.expect("PA", payload="second")
    server.accept().send("first")
    first.expect("PA", payload="first")
    server.accept(error="EAGAIN")
    calls = [event for event in lab.recording.events if isinstance(event, CallMade) and event.name in ("close", "send")]
    assert [(call.name, call.connection) for call in calls] == [("close", 2), ("send", 1), ("send", 0)]


def test_a_listener_that_closes_resets_those_that_it_has_not_accepted(lab: Lab) -> None:
    server = lab.kernel.listen(port=80)
    first = waiting(lab, server)
    lab.peer(to=server).open()
    server.close()
    first.expect("RA", seq=1, ack=1)
    lab.kernel.expect_state(first, "CLOSED")


def test_a_peer_whose_connection_is_not_there_gets_no_other(lab: Lab) -> None:
    server = lab.kernel.listen(port=80)
    waiting(lab, server)
    with pytest.raises(KernelDiffers, match="ended with EAGAIN"):
        server.accept(of=lab.peer(to=server).syn_received(), within=0)
