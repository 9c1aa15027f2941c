"""The kernel of the peers' machine may own their addresses: then it answers too, and resets what it does not know."""

from __future__ import annotations

import pytest

from lab.author.lab import Lab
from lab.host.addresses import AddressPool
from lab.record.events import FrameSeen
from lab.session.errors import ScenarioError
from lab.tcp.state import State


def of_the_peers_side(lab: Lab) -> list[tuple[str, int | None]]:
    """Control bits and connection of each segment from the peers' side."""
    return [
        (event.segment.letters, event.connection)
        for event in lab.recording.events
        if isinstance(event, FrameSeen) and event.from_peer and event.segment is not None
    ]


def test_the_other_kernel_resets_a_connection_that_it_does_not_know(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    lab.own_peer_addresses()
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    peer.expect_silence()
    assert of_the_peers_side(lab) == [("S", 0), ("R", 0)]
    assert lab.kernel.inet_diag(peer).state is State.CLOSED
    assert peer.state is State.ESTABLISHED, "the peer's model knows nothing of it"
    lab.finish()


def test_the_other_kernel_refuses_a_connection_for_a_peer_that_waits(lab: Lab) -> None:
    peer = lab.peer(port=80)
    lab.own_peer_addresses()
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    client.expect_connected(error="ECONNREFUSED")
    peer.expect_silence()
    assert of_the_peers_side(lab) == [("RA", 0)]
    lab.finish()


def test_without_it_no_other_kernel_answers(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80)).established()
    assert of_the_peers_side(lab) == [("S", 0), ("A", 0)]
    assert lab.kernel.inet_diag(peer).state is State.ESTABLISHED


def test_it_is_not_for_a_lab_with_a_router(family: int, pool: AddressPool) -> None:
    with Lab(family, pool=pool, router=True) as routed, pytest.raises(ScenarioError, match="without a router"):
        routed.own_peer_addresses()
