"""Half-close: a FIN ends one direction. What happens to the other depends on the call that sent the FIN."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.6, 3.6.1")
def shutdown_keeps_reading(lab: Lab) -> None:
    """shutdown() for writing: a FIN is sent, and data from the other side is read as before.

    So a client sends its whole request, marks its end with the FIN, and reads the answer.
    """
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.open()

    lab.step("The client has sent everything, and still reads", claims="C77 C82 C84")
    client.send("request")
    peer.expect("PA", seq=1, ack=1, payload="request")
    peer.send("A")
    client.shutdown("write")
    peer.expect("FA", seq=8, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    client.send("too late", error="EPIPE")

    lab.step("The peer acknowledges the FIN: no timer limits how long its answer may take", claims="C77 C101")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.verify("the timer of the half-closed connection", "", lab.kernel.inet_diag(peer).timer)

    lab.step(
        "The peer's answer comes after the client's FIN, in the direction that is still open", claims="C77 C85 C89"
    )
    peer.send("PA", payload="a long answer")
    peer.expect("A", seq=9, ack=14)
    client.expect_data("a long answer")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.conclude("C85", "after shutdown() data is acknowledged and read")

    lab.step("Then the peer closes as well", claims="C77 C109")
    peer.send("FA")
    peer.expect("A", seq=9, ack=15)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    client.expect_eof()


@scenario(section="RFC 9293 3.6, 3.6.1")
def answering_a_half_close(lab: Lab) -> None:
    """The other end of a half-close: an application may still answer after it has read the end of the stream."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step(
        "A whole request and a FIN: the server's application reads the data and the end of the stream", claims="C89"
    )
    peer.send("PA", payload="request")
    peer.expect("A", seq=1, ack=8)
    peer.send("FA")
    peer.expect("A", seq=1, ack=9)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_data("request")
    connection.expect_eof()

    lab.step("It answers in two segments: the peer's FIN ended only the other direction", claims="C89 C98 C127")
    connection.send("first ")
    peer.expect("PA", seq=1, ack=9, payload="first ")
    peer.send("A")
    connection.send("second")
    peer.expect("PA", seq=7, ack=9, payload="second")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSE-WAIT")

    lab.step("The server's own FIN follows its last byte", claims="C89 C102 C103")
    connection.close()
    peer.expect("FA", seq=13, ack=9)
    lab.kernel.expect_state(peer, "LAST-ACK")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSED")


@scenario(section="RFC 9293 3.6.1 MAY-1, SHLD-3; RFC 1122 4.2.2.13")
def close_ends_both_directions(lab: Lab) -> None:
    """close() is not a half-close: no program is left to read, and later data is answered with a reset.

    The FIN and the states are the same as after shutdown(). Only data, which needs a reader, shows the difference.
    """
    server = lab.kernel.listen(port=80)

    lab.step("Data that crosses the FIN: the kernel is in FIN-WAIT-1", claims="C85")
    early = lab.peer(to=server)
    early.open().close()
    early.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(early, "FIN-WAIT-1")
    early.send("PA", ack=1, payload="one more thing")
    early.expect("R", seq=1)
    lab.kernel.expect_state(early, "CLOSED")

    lab.step("Data after the FIN was acknowledged: the kernel is in FIN-WAIT-2", claims="C85")
    late = lab.peer(to=server)
    late.open().close()
    late.expect("FA", seq=1, ack=1)
    late.send("A")
    lab.kernel.expect_state(late, "FIN-WAIT-2")
    late.send("PA", payload="one more thing")
    late.expect("R", seq=2)
    lab.kernel.expect_state(late, "CLOSED")
    lab.conclude("C85", "after close() it is answered with R")

    lab.step("The peer's FIN needs no reader: it is acknowledged", claims="C85 C109")
    polite = lab.peer(to=server)
    polite.open().close()
    polite.expect("FA", seq=1, ack=1)
    polite.send("A")
    polite.send("FA")
    polite.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(polite, "TIME-WAIT")


@scenario(section="RFC 9293 3.6.1; shutdown(2)")
def shutting_the_reading_side_says_nothing(lab: Lab) -> None:
    """TCP has no segment for the end of reading: shutdown() for reading has an effect in the kernel only."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("shutdown() for reading: nothing is sent, the application reads the end of the stream", claims="C77 C91")
    connection.shutdown("read")
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")
    connection.expect_eof()

    lab.step("Data that arrives is still acknowledged", claims="C77 C91")
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
    lab.kernel.expect_state(peer, "ESTABLISHED")
