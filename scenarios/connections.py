"""Connections: state at both ends, identified by two addresses and two ports, and none in between."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.10.7.2, 3.5.2 group 1")
def no_data_before_the_handshake(lab: Lab) -> None:
    """Data needs a connection: without a handshake a listener answers it with a reset, or not at all."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)

    lab.step(
        "Data without a handshake: a reset, whose sequence number is the segment's acknowledgment number", claims="C1"
    )
    peer.send("PA", ack=777, payload="GET /")
    peer.expect("R", seq=777)

    lab.step("Data without ACK and without SYN: a listener ignores it", claims="C1")
    peer.send("P", payload="GET /")
    peer.expect_silence()

    lab.step("The listener is still in LISTEN, and there is no connection", claims="C1")
    lab.kernel.expect_state(server, "LISTEN")
    lab.verify("connections that the kernel knows", 0, lab.kernel.count())
    server.accept(error="EAGAIN")


@scenario(section="RFC 1122 1.1.2 (b), RFC 1812 5.3.1", router=True)
def a_router_knows_no_connection(lab: Lab) -> None:
    """Both ends keep the state of a connection. A router between them keeps none, so a new one can replace it."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("Each end has the connection, the router does not", claims="C2")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.verify("the state that the peer keeps", "ESTABLISHED", peer.state.value)
    lab.verify("connections that the kernel knows", 1, lab.kernel.count())
    lab.verify("connections that the router knows", 0, lab.router.count())

    lab.step("Each packet leaves the router as it came, byte for byte, with the hop limit one less", claims="C4")
    peer.send("PA", payload="a question")
    peer.expect("A", seq=1, ack=11)
    connection.expect_data("a question")
    lab.router.expect_only_hop_limit_changed()

    lab.step("Without a router the kernel's segments are lost, and its connection stays as it was", claims="C3")
    lab.router.remove()
    connection.send("an answer")
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("A new router has no state of the connection, and forwards the next retransmission", claims="C3")
    lab.router.rebuild()
    peer.expect("PA", seq=1, ack=11, payload="an answer")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.verify_between("timeouts", 1, connection.tcp_info()["retransmits"], 10)

    lab.step("Both ends continue the connection, and the router still has no state of it", claims="C2 C3 C4")
    peer.send("PA", payload="thank you")
    peer.expect("A", seq=10, ack=20)
    connection.expect_data("thank you")
    lab.verify("connections that the router knows", 0, lab.router.count())
    lab.router.expect_only_hop_limit_changed()


@scenario(section="RFC 9293 3.4, 3.8.1", sysctls={"net.ipv4.tcp_retrans_collapse": 0})
def the_state_knows_what_has_arrived(lab: Lab) -> None:
    """The sender keeps every byte until it is acknowledged, and retransmits it if that does not happen in time."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.set_option("TCP_NODELAY", 1)

    lab.step("Three segments are sent: twelve bytes to keep for a retransmission", claims="C5")
    for seq, text in (1, "one"), (4, "two"), (7, "three!"):
        connection.send(text)
        peer.expect("PA", seq=seq, payload=text)
    lab.verify("segments not acknowledged", 3, connection.tcp_info()["unacked"])
    lab.verify("bytes not acknowledged", 12, lab.kernel.inet_diag(peer).send_queue)

    lab.step("An acknowledgement of the first one: three bytes less to keep", claims="C5")
    peer.send("A", ack=4)
    peer.expect_silence()
    lab.verify("segments not acknowledged", 2, connection.tcp_info()["unacked"])
    lab.verify("bytes not acknowledged", 9, lab.kernel.inet_diag(peer).send_queue)

    lab.step("The others are not acknowledged: a timer expires, and the oldest of them is sent again", claims="C5")
    peer.expect("PA", seq=4, payload="two")
    lab.verify_between("timeouts", 1, connection.tcp_info()["retransmits"], 10)
    lab.verify("the timer that runs", "retransmission", lab.kernel.inet_diag(peer).timer)

    lab.step("All is acknowledged: there is nothing to keep, and no timer runs", claims="C5")
    peer.send("A", ack=13)
    peer.expect_silence()
    lab.verify("segments not acknowledged", 0, connection.tcp_info()["unacked"])
    lab.verify("bytes not acknowledged", 0, lab.kernel.inet_diag(peer).send_queue)
    lab.verify("timeouts", 0, connection.tcp_info()["retransmits"])
    lab.verify("the timer that runs", "", lab.kernel.inet_diag(peer).timer)


@scenario(section="RFC 9293 4 (connection, socket)")
def four_things_name_a_connection(lab: Lab) -> None:
    """Two addresses and two ports identify a connection: one difference makes another connection.

    Sequence numbers and buffers belong to a connection and do not identify it: here they are the same in all.
    """
    lab.step("Five connections: each of the last four differs from the first in one of these", claims="C7 C8")
    server = lab.kernel.listen(port=80)
    first = lab.peer(to=server, port=5000)
    other_peer_port = lab.peer(to=server, port=5001)
    other_peer_address = lab.peer(to=server, port=5000, second_address=True)
    other_kernel_port = lab.peer(to=lab.kernel.listen(port=81), port=5000)
    other_kernel_address = lab.peer(to=lab.kernel.listen(port=80, second_address=True), port=5000)
    peers = first, other_peer_port, other_peer_address, other_kernel_port, other_kernel_address
    connections = [peer.open() for peer in peers]
    lab.verify("connections that the kernel knows", 5, lab.kernel.count("ESTABLISHED"))

    lab.step("The same sequence numbers in all five, and each application reads its own bytes", claims="C7")
    for number, peer in enumerate(peers):
        peer.send("PA", seq=1, payload=f"for {number}")
    for number, (peer, connection) in enumerate(zip(peers, connections, strict=True)):
        peer.expect("A", ack=6)
        connection.expect_data(f"for {number}")

    lab.step("A reset of one of them does not change the others", claims="C7")
    first.send("R")
    first.expect_silence()
    lab.kernel.expect_state(first, "CLOSED")
    for peer in peers[1:]:
        lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 9293 4 (connection, socket); socket(7)")
def one_port_for_many_connections(lab: Lab) -> None:
    """A port is not a connection: the kernel opens two from one port, but never the same connection twice."""
    shared = {"SO_REUSEADDR": 1}
    first, second = lab.peer(port=9070), lab.peer(port=9071)

    lab.step("From one port of the kernel to two ports of the peer: two connections", claims="C8")
    lab.kernel.connect(to=first, port=45000, options=shared)
    lab.kernel.connect(to=second, port=45000, options=shared)
    for peer in first, second:
        peer.expect("S", seq=0)
        lab.verify("the port that the SYN came from", 45000, peer.kernel_port)
    for peer in first, second:
        peer.send("SA")
        peer.expect("A", seq=1, ack=1)
    lab.verify("connections that the kernel knows", 2, lab.kernel.count("ESTABLISHED"))

    lab.step("Addresses and ports all the same: the connection exists already, and connect() fails", claims="C7 C9")
    lab.kernel.connect(to=first, port=45000, options=shared, error="EADDRNOTAVAIL")
    first.expect_silence()
    lab.verify("connections that the kernel knows", 2, lab.kernel.count())


@scenario(section="RFC 9293 3.10.7.4 fourth, RFC 5961 4.2")
def a_syn_for_a_connection_that_is_open(lab: Lab) -> None:
    """A SYN with the addresses and ports of an open connection opens no second one and does not end the first."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("A SYN with the first number: an ACK of what the kernel has received, and nothing changes", claims="C9")
    peer.send("S", seq=0)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.verify("connections that the kernel knows", 1, lab.kernel.count())
    server.accept(error="EAGAIN")

    lab.step(
        "A restarted peer would answer this ACK with a reset. This peer was not restarted, and goes on", claims="C9"
    )
    peer.send("PA", seq=1, payload="still here")
    peer.expect("A", seq=1, ack=11)
    connection.expect_data("still here")


@scenario(section="RFC 9293 2.2, 3.3.1")
def each_direction_has_its_own_buffer(lab: Lab) -> None:
    """A connection has a buffer for each direction, and one direction can end without the other."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    def expect_waiting(to_be_read: int, to_be_acknowledged: int) -> None:
        peer.expect_silence()
        found = lab.kernel.inet_diag(peer)
        lab.verify("bytes to be read", to_be_read, found.receive_queue)
        lab.verify("bytes to be acknowledged", to_be_acknowledged, found.send_queue)

    lab.step("The application does not read, the peer does not acknowledge: both buffers fill", claims="C121")
    peer.send("PA", payload="1234567")
    peer.expect("A", seq=1, ack=8)
    connection.send("hello world")
    peer.expect("PA", seq=1, ack=8, payload="hello world")
    expect_waiting(to_be_read=7, to_be_acknowledged=11)

    lab.step("An acknowledgement empties the send buffer, and the receive buffer stays as it was", claims="C121")
    peer.send("A", ack=12)
    expect_waiting(to_be_read=7, to_be_acknowledged=0)

    lab.step(
        "The peer closes its direction: its data can still be read, and Linux counts the FIN as one byte", claims="C121"
    )
    peer.send("FA")
    peer.expect("A", seq=12, ack=9)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    expect_waiting(to_be_read=8, to_be_acknowledged=0)

    lab.step(
        "The other direction is still open: the kernel sends data, and waits for its acknowledgement", claims="C121"
    )
    connection.send("and goodbye")
    peer.expect("PA", seq=12, ack=9, payload="and goodbye")
    expect_waiting(to_be_read=8, to_be_acknowledged=11)
    connection.expect_data("1234567")
    connection.expect_eof()
    expect_waiting(to_be_read=0, to_be_acknowledged=11)
    peer.send("A", ack=23)
    expect_waiting(to_be_read=0, to_be_acknowledged=0)
