"""Closing a connection: each side sends a FIN for its own direction, and each FIN is acknowledged."""

from lab import ANY, Lab, scenario

_TIMESTAMPS = [("NOP", None), ("NOP", None), ("Timestamp", (ANY, ANY))]


@scenario(section="RFC 9293 3.6 case 2, figure 12")
def kernel_closes_second(lab: Lab) -> None:
    """Four segments: the peer closes first, and the kernel waits in CLOSE-WAIT for its application to close."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("First segment: the peer's FIN. The kernel's application reads the end of the stream", claims="C97")
    peer.send("FA")
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_poll("POLLIN POLLOUT POLLRDHUP")
    connection.expect_eof()

    lab.step("Second segment: the kernel acknowledges the FIN", claims="C93 C94 C95")
    peer.expect("A", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")

    lab.step("Third segment: the application closes too", claims="C102 C103")
    connection.close()
    peer.expect("FA", seq=1, ack=2)
    lab.kernel.expect_state(peer, "LAST-ACK")

    lab.step("Fourth segment: the peer acknowledges, and the kernel's connection is gone", claims="C120 C122 C128")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSED")
    peer.expect_silence()
    lab.verify("the state of the peer, which closed first", "TIME-WAIT", str(peer.state))
    lab.conclude("C120", "LAST-ACK to CLOSED")
    lab.conclude("C122", "four segments")


@scenario(section="RFC 9293 3.6 case 1, figure 12")
def kernel_closes_first(lab: Lab) -> None:
    """Four segments, and the kernel closes first: it ends in TIME-WAIT, and stays there for a minute."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("First segment: the kernel's application closes", claims="C80 C82 C84")
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("Second segment: the peer acknowledges the FIN", claims="C101")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    peer.expect_silence()

    lab.step("Third segment: the peer closes too")
    peer.send("FA")

    lab.step("Fourth segment: the kernel acknowledges and keeps the connection in TIME-WAIT", claims="C109 C120 C128")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.conclude("C120", "FIN-WAIT-2 to TIME-WAIT")

    lab.step(
        "If the last ACK is lost, the FIN is sent again, and in TIME-WAIT it is answered again", claims="C114 C115"
    )
    peer.send("FA", seq=1)
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.6 case 3, figure 13")
def both_close_at_once(lab: Lab) -> None:
    """Two FINs cross on the wire: both sides go through CLOSING, and both end in TIME-WAIT."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("Both close before the other's FIN has arrived: neither FIN acknowledges the other", claims="C84 C122")
    with lab.crossing():
        peer.send("FA")
        connection.close()
        peer.expect("FA", seq=1, ack=1)
        lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("Each acknowledges the other's FIN, and waits in CLOSING for the ACK of its own", claims="C120 C122")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "CLOSING")
    peer.send("A")
    lab.kernel.expect_state(peer, "TIME-WAIT")
    peer.expect_silence()
    lab.conclude("C120", "FIN-WAIT-1 to CLOSING to TIME-WAIT")
    lab.conclude("C122", "two FINs that cross, each acknowledged")


@scenario(section="RFC 9293 3.6")
def either_side_closes_first(lab: Lab) -> None:
    """Client or server, either may close first. The side that closes first ends in TIME-WAIT."""
    server = lab.kernel.listen(port=80)

    lab.step("The kernel is the client and closes first: it is in TIME-WAIT", claims="C90 C128")
    peer = lab.peer(port=81)
    lab.kernel.connect(to=peer)
    peer.open()
    peer.fin_wait_2().close()
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.verify("the state of the peer", "CLOSED", str(peer.state))

    lab.step("The kernel is the client, and the server closes first: the server is in TIME-WAIT", claims="C90 C128")
    peer = lab.peer(port=82)
    lab.kernel.connect(to=peer)
    peer.open()
    peer.close()
    lab.kernel.expect_state(peer, "CLOSED")
    lab.verify("the state of the peer", "TIME-WAIT", str(peer.state))

    lab.step("The kernel is the server and closes first: it is in TIME-WAIT", claims="C90 C128")
    peer = lab.peer(to=server)
    peer.open()
    peer.fin_wait_2().close()
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.verify("the state of the peer", "CLOSED", str(peer.state))

    lab.step("The kernel is the server, and the client closes first: the client is in TIME-WAIT", claims="C90 C128")
    peer = lab.peer(to=server)
    peer.open()
    peer.close()
    lab.kernel.expect_state(peer, "CLOSED")
    lab.verify("the state of the peer", "TIME-WAIT", str(peer.state))
    lab.conclude("C90", "client or server, whoever closes first is in TIME-WAIT")
    lab.conclude("C128", "TIME-WAIT on one side only")


@scenario(section="RFC 9293 3.1, 3.4")
def the_numbers_of_a_fin(lab: Lab) -> None:
    """A FIN has the number after the last byte, and acknowledges all bytes in order, not "the packet before"."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("The peer sends a packet of 100 bytes, and the kernel ten bytes", claims="C81 C82")
    peer.send("PA", payload="x" * 100)
    peer.expect("A", seq=1, ack=101)
    connection.expect_data("x" * 100)
    connection.send("0123456789")
    peer.expect("PA", seq=1, ack=101, payload="0123456789")
    peer.send("A")

    lab.step(
        "The last packet that the kernel receives follows a gap: a duplicate ACK asks for the missing bytes",
        claims="C81",
    )
    peer.send("PA", seq=121, payload="z" * 30)
    peer.expect("A", seq=11, ack=101)

    lab.step("The FIN has the number after ten bytes, and acknowledges a hundred", claims="C81 C82 C83")
    connection.shutdown("write")
    peer.expect("FA", seq=11, ack=101)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    lab.conclude("C83", "ack=101, the last packet began at 121")

    lab.step("The gap is filled: one ACK for the bytes of both packets", claims="C81")
    peer.send("PA", seq=101, ack=12, payload="y" * 20)
    peer.expect("A", seq=12, ack=151)
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    connection.expect_data("y" * 20 + "z" * 30)


@scenario(section="RFC 9293 3.10.7.4 fifth; 3.3.2 figure 5")
def only_the_ack_of_the_fin_counts(lab: Lab) -> None:
    """Three states end with an ACK of the FIN. An ACK of the data before it changes none of them."""
    server = lab.kernel.listen(port=80)

    lab.step("FIN-WAIT-1: an ACK of the data, then one of the FIN", claims="C19 C101")
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.send("hello")
    peer.expect("PA", seq=1, ack=1, payload="hello")
    peer.send("A", ack=6)
    connection.shutdown("write")
    peer.expect("FA", seq=6, ack=1)
    peer.send("A", ack=6)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    peer.send("A", ack=7)
    lab.kernel.expect_state(peer, "FIN-WAIT-2")

    lab.step("LAST-ACK: the same, and the application can send no more", claims="C102 C103 C105 C120")
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.close_wait()
    connection.send("hello")
    peer.expect("PA", seq=1, ack=2, payload="hello")
    peer.send("A", ack=6)
    connection.shutdown("write")
    peer.expect("FA", seq=6, ack=2)
    lab.kernel.expect_state(peer, "LAST-ACK")
    connection.send("more", error="EPIPE")
    peer.send("A", ack=6)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "LAST-ACK")
    peer.send("A", ack=7)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.conclude("C105", "an ACK up to the data: LAST-ACK; of the FIN: CLOSED")

    lab.step("CLOSING: the same", claims="C120")
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.send("hello")
    peer.expect("PA", seq=1, ack=1, payload="hello")
    peer.send("A", ack=6)
    connection.shutdown("write")
    peer.expect("FA", seq=6, ack=1)
    peer.send("FA", ack=6)
    peer.expect("A", seq=7, ack=2)
    lab.kernel.expect_state(peer, "CLOSING")
    peer.send("A", ack=6)
    lab.kernel.expect_state(peer, "CLOSING")
    peer.send("A", ack=7)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.6 case 2, 3.10.4", short={})
def the_second_fin_waits_for_the_application(lab: Lab) -> None:
    """The kernel sends the second FIN when its application closes, however late: no timer limits CLOSE-WAIT."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("The peer has closed, the application has not: no timer runs, and nothing is sent", claims="C125")
    peer.close_wait()
    lab.verify("the timer of the connection", "", lab.kernel.inet_diag(peer).timer)
    wait_s = 30.0 if lab.full else 0.5
    peer.expect_silence(during=wait_s)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")

    lab.step("The FIN is sent at close(), and not before", claims="C102 C103 C125")
    connection.close()
    peer.expect("FA", seq=1, ack=2)
    lab.kernel.expect_state(peer, "LAST-ACK")
    lab.conclude("C125", f"no FIN for {wait_s:g} s, then at once")


@scenario(section="RFC 7323 3.2")
def timestamps_on_each_segment(lab: Lab) -> None:
    """If both sides agreed on timestamps, all four segments carry them, and no other option."""
    server = lab.kernel.listen(port=80)

    lab.step("With timestamps: the FIN that the kernel sends first, and its ACK of the peer's FIN", claims="C88")
    first = lab.peer(to=server, timestamps=True, sack_permitted=True, window_scale=2)
    connection = first.open()
    connection.close()
    first.expect("FA", seq=1, ack=1, options=_TIMESTAMPS)
    first.send("A")
    first.send("FA")
    first.expect("A", seq=2, ack=2, options=_TIMESTAMPS)
    lab.kernel.expect_state(first, "TIME-WAIT")

    lab.step("With timestamps: its ACK of the peer's FIN, and the FIN that it sends second", claims="C88")
    second = lab.peer(to=server, timestamps=True, sack_permitted=True, window_scale=2)
    connection = second.open()
    second.send("FA")
    second.expect("A", seq=1, ack=2, options=_TIMESTAMPS)
    connection.close()
    second.expect("FA", seq=1, ack=2, options=_TIMESTAMPS)

    lab.step("Without timestamps: no option at all", claims="C88")
    plain = lab.peer(to=server)
    connection = plain.open()
    connection.close()
    plain.expect("FA", seq=1, ack=1, options=[])


@scenario(section="RFC 9293 3.4, 3.10.7.4 eighth")
def the_peers_fin_carries_data(lab: Lab) -> None:
    """A FIN in a segment with data has the number after the data: one ACK covers both."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.fin_wait_2()

    lab.step("The last five bytes and the FIN in one segment: the acknowledgment number rises by six", claims="C109")
    peer.send("FPA", payload="hello")
    peer.expect("A", seq=2, ack=7)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    connection.expect_data("hello")
    connection.expect_eof()


@scenario(section="RFC 9293 3.8.6.3 SHLD-31, 3.10.7.4 eighth")
def a_fin_overtakes_data(lab: Lab) -> None:
    """A FIN takes effect when all data before it has arrived. One that arrives too early is kept until then."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("The FIN arrives without the five bytes before it: a duplicate ACK, and the state stays", claims="C92")
    peer.send("FA", seq=6)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    connection.recv(error="EAGAIN")

    lab.step("The bytes arrive: one ACK for them and for the FIN", claims="C92")
    peer.send("PA", seq=1, payload="hello")
    peer.expect("A", seq=1, ack=7)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_data("hello")
    connection.expect_eof()
