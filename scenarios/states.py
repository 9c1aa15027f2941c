"""Ways through the state diagram that an ordinary connection does not take."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.10.4 LISTEN")
def a_listener_closes(lab: Lab) -> None:
    """A listener closes: nothing is sent, and later clients are refused."""
    server = lab.kernel.listen(port=80)
    lab.kernel.expect_state(server, "LISTEN")
    peer = lab.peer(to=server)

    lab.step("The server stops listening")
    server.close()
    lab.settle()  # any segment of the kernel here is a difference: it belongs to no connection
    lab.kernel.expect_state(server, "CLOSED")

    lab.step("The next client connects to a closed port", claims="C17")
    peer.send("S")
    peer.expect("RA", seq=0, ack=1)


@scenario(section="RFC 9293 3.10.2, 3.10.1 LISTEN")
def a_listener_cannot_open(lab: Lab) -> None:
    """In the RFC a listener can become a client, by SEND or by an active OPEN. A listener of Linux cannot.

    It is the one transition of the state diagram that Linux does not offer.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server, port=90)

    lab.step("SEND: a listening socket has no other end, the call fails")
    server.send("hello", error="EPIPE")
    lab.kernel.expect_state(server, "LISTEN")

    lab.step("Active OPEN: the call fails as if the socket were connected already")
    server.connect(to=peer, error="EISCONN")
    lab.settle()
    lab.kernel.expect_state(server, "LISTEN")

    lab.step("The socket still listens")
    peer.open()


@scenario(section="RFC 9293 3.10.4 SYN-SENT")
def closed_before_any_answer(lab: Lab) -> None:
    """A client closes before its SYN is answered: nothing is sent, and the connection is gone."""
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("close() in SYN-SENT: nothing is sent, the connection is gone", claims="C45")
    client.close()
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("The answer comes too late: it belongs to no connection", claims="C45")
    peer.send("SA")
    peer.expect("R", seq=1)


@scenario(section="RFC 9293 3.10.4 SYN-RECEIVED")
def closed_before_it_was_open(lab: Lab) -> None:
    """Two SYNs have crossed, and the application closes: the FIN is sent before the connection is open.

    Only a client has a socket to close in SYN-RECEIVED: a server's application gets one after the handshake.
    """
    peer = lab.peer(to=5000, port=80, window_scale=2)
    with lab.crossing():
        peer.send("S")
        client = lab.kernel.connect(to=peer, port=5000)
        peer.expect("S", seq=0)
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("close() in SYN-RECEIVED: the next state is FIN-WAIT-1")
    client.close()
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("One ACK acknowledges both SYN and FIN", claims="C19")
    peer.send("A", ack=2)
    lab.kernel.expect_state(peer, "FIN-WAIT-2")

    lab.step("The rest is an ordinary close", claims="C120")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.10.7.4 fifth check")
def open_only_with_data(lab: Lab) -> None:
    """With TCP_DEFER_ACCEPT a connection opens with its first data: a bare third segment changes nothing.

    The option is for protocols in which the client sends first. The RFC has no such option.
    """
    server = lab.kernel.listen(port=80, options={"TCP_DEFER_ACCEPT": 5})
    peer = lab.peer(to=server).syn_received()

    lab.step("The third segment without data: the client is ESTABLISHED, the server is not", claims="C74")
    peer.send("A")
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    server.accept(error="EAGAIN")

    lab.step("The first data opens the connection, and can be read at once", claims="C68 C74")
    peer.send("PA", payload="GET /")
    peer.expect("A", seq=1, ack=6)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    server.accept().expect_data("GET /")
