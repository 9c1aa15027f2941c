"""Each end has a second address: taken when a scenario says so, and told apart from the first everywhere."""

from __future__ import annotations

from lab.author.lab import Lab
from lab.record.events import StateSeen
from lab.tcp.state import State


def test_the_kernel_takes_its_first_address_by_itself_towards_either_of_the_peers(lab: Lab) -> None:
    for second in False, True:
        peer = lab.peer(port=80, second_address=second)
        lab.kernel.connect(to=peer)
        peer.open()
    first, second_one = lab.recording.connections
    assert first.kernel_address == second_one.kernel_address == lab.kernel.address
    assert first.peer_address != second_one.peer_address
    lab.finish()


def test_the_kernel_connects_from_its_second_address_when_told_to(lab: Lab) -> None:
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer, second_address=True)
    peer.open()
    (connection,) = lab.recording.connections
    assert connection.kernel_address == lab.network.addresses.of(lab.family).second_kernel
    lab.finish()


def test_connections_with_the_same_ports_are_told_apart(lab: Lab) -> None:
    """By what the peers get, and by both witnesses of the state."""
    servers = [lab.kernel.listen(port=80, second_address=second) for second in (False, True)]
    peers = [lab.peer(to=server, port=5000, second_address=second) for server in servers for second in (False, True)]
    connections = [peer.open() for peer in peers]
    for number, (peer, connection) in enumerate(zip(peers, connections, strict=True)):
        connection.send(f"to {number}")
        peer.expect("PA", payload=f"to {number}")
    peers[2].send("R")
    assert [lab.kernel.inet_diag(peer).state for peer in peers] == [
        State.ESTABLISHED, State.ESTABLISHED, State.CLOSED, State.ESTABLISHED,
    ]  # fmt: skip
    lab.catch_up()
    ended = [
        seen.connection
        for seen in lab.recording.events
        if isinstance(seen, StateSeen) and seen.state is State.CLOSED and seen.witness == "tracepoint"
    ]
    assert ended == [peers[2].conversation.number]
    lab.kernel.expect_state(servers[1], "LISTEN")
    servers[1].close()
    lab.kernel.expect_state(servers[1], "CLOSED")
    lab.kernel.expect_state(servers[0], "LISTEN")
