"""Ways through the state diagram that an ordinary connection does not take."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.10.4 LISTEN")
def a_listener_closes(lab: Lab) -> None:
    """A listener that closes was alone with itself: nothing is sent, and whoever comes afterwards is refused."""
    server = lab.kernel.listen(port=80)
    lab.kernel.expect_state(server, "LISTEN")
    peer = lab.peer(to=server)

    lab.step("The server stops listening")
    server.close()
    lab.settle()  # a segment of the kernel would be one outside of any connection
    lab.kernel.expect_state(server, "CLOSED")

    lab.step("The next client comes to a closed port", claims="C17")
    peer.send("S")
    peer.expect("RA", seq=0, ack=1)


@scenario(section="RFC 9293 3.10.2, 3.10.1 LISTEN")
def a_listener_cannot_open(lab: Lab) -> None:
    """In the RFC a listener that has something to send, or connects, sends a SYN itself. No listener of Linux can.

    It is the one arrow of the state diagram that Linux does not offer: a listener stays one.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server, port=90)

    lab.step("SEND: to whom? A listening socket has no other end")
    server.send("hello", error="EPIPE")
    lab.kernel.expect_state(server, "LISTEN")

    lab.step("OPEN, active this time: the socket counts as connected already")
    server.connect(to=peer, error="EISCONN")
    lab.settle()
    lab.kernel.expect_state(server, "LISTEN")

    lab.step("It listens as before")
    peer.open()


@scenario(section="RFC 9293 3.10.4 SYN-SENT")
def closed_before_any_answer(lab: Lab) -> None:
    """A client that changes its mind before anybody has answered leaves without a word."""
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("close() in SYN-SENT: nothing is sent, nothing is left", claims="C45")
    client.close()
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("The answer comes too late: it belongs to no connection", claims="C45")
    peer.send("SA")
    peer.expect("R", seq=1)


@scenario(section="RFC 9293 3.10.4 SYN-RECEIVED")
def closed_before_it_was_open(lab: Lab) -> None:
    """Two SYNs have crossed, and the application closes at once: the FIN leaves before the connection is open.

    Only who has opened actively has a socket to close by then; a server's application gets its own after the handshake.
    """
    peer = lab.peer(to=5000, port=80, window_scale=2)
    with lab.crossing():
        peer.send("S")
        client = lab.kernel.connect(to=peer, port=5000)
        peer.expect("S", seq=0)
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("close() in SYN-RECEIVED: from there straight to FIN-WAIT-1")
    client.close()
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("One ACK is for both, SYN and FIN", claims="C19")
    peer.send("A", ack=2)
    lab.kernel.expect_state(peer, "FIN-WAIT-2")

    lab.step("The rest is as always", claims="C120")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.10.7.4 fifth check")
def open_only_with_data(lab: Lab) -> None:
    """A server can ask not to hear of a connection before its first data: a bare ACK then changes nothing.

    TCP_DEFER_ACCEPT is for protocols in which the client speaks first. The RFC has no such choice.
    """
    server = lab.kernel.listen(port=80, options={"TCP_DEFER_ACCEPT": 5})
    peer = lab.peer(to=server).syn_received()

    lab.step("The third segment without data: the client is ESTABLISHED, the server is not", claims="C74")
    peer.send("A")
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    server.accept(error="EAGAIN")

    lab.step("The first data makes it a connection, and can be read at once", claims="C68 C74")
    peer.send("PA", payload="GET /")
    peer.expect("A", seq=1, ack=6)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    server.accept().expect_data("GET /")
