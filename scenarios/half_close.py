"""Half a close: a FIN ends one direction, and what becomes of the other depends on which call sent it."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.6, 3.6.1")
def shutdown_keeps_reading(lab: Lab) -> None:
    """shutdown() of the writing side: a FIN goes out, and what the other side still has to say is read as before.

    So a client sends its whole request, says that this was all, and reads the answer.
    """
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.open()

    lab.step("The client has sent everything, but goes on reading", claims="C77 C82 C84")
    client.send("request")
    peer.expect("PA", seq=1, ack=1, payload="request")
    peer.send("A")
    client.shutdown("write")
    peer.expect("FA", seq=8, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    client.send("too late", error="EPIPE")

    lab.step("The peer has read to the end and acknowledges: no timer limits how long it may take", claims="C77 C101")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.verify("the timer of the half-closed connection", "", lab.kernel.inet_diag(peer).timer)

    lab.step("Its answer comes over the direction that is still open, after the client's FIN", claims="C77 C85 C89")
    peer.send("PA", payload="a long answer")
    peer.expect("A", seq=9, ack=14)
    client.expect_data("a long answer")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.measured("C85", "after shutdown() data is acknowledged and read")

    lab.step("Then the peer closes as well", claims="C77 C109")
    peer.send("FA")
    peer.expect("A", seq=9, ack=15)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    client.expect_eof()


@scenario(section="RFC 9293 3.6, 3.6.1")
def answering_a_half_close(lab: Lab) -> None:
    """The other end of it: an application that reads the end of the stream may answer for as long as it likes."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("A whole request and its end: the server's application reads both", claims="C89")
    peer.send("PA", payload="request")
    peer.expect("A", seq=1, ack=8)
    peer.send("FA")
    peer.expect("A", seq=1, ack=9)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_data("request")
    connection.expect_eof()

    lab.step("It answers in two pieces: the FIN only said that no more requests come", claims="C89 C98 C127")
    connection.send("first ")
    peer.expect("PA", seq=1, ack=9, payload="first ")
    peer.send("A")
    connection.send("second")
    peer.expect("PA", seq=7, ack=9, payload="second")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSE-WAIT")

    lab.step("The server's own FIN stands behind its last byte", claims="C89 C102 C103")
    connection.close()
    peer.expect("FA", seq=13, ack=9)
    lab.kernel.expect_state(peer, "LAST-ACK")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSED")


@scenario(section="RFC 9293 3.6.1 MAY-1, SHLD-3; RFC 1122 4.2.2.13")
def close_ends_both_directions(lab: Lab) -> None:
    """close() is no half-close: nobody is left to read, and data that comes later is answered with a reset.

    The FIN is the same, and so are the states; only data that needs a reader shows the difference.
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
    lab.measured("C85", "after close() it is answered with R")

    lab.step("What needs no reader is welcome all the same: the peer's FIN is acknowledged", claims="C85 C109")
    polite = lab.peer(to=server)
    polite.open().close()
    polite.expect("FA", seq=1, ack=1)
    polite.send("A")
    polite.send("FA")
    polite.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(polite, "TIME-WAIT")


@scenario(section="RFC 9293 3.6.1; shutdown(2)")
def shutting_the_reading_side_says_nothing(lab: Lab) -> None:
    """TCP has no message for "I shall read no more": shutdown() of the reading side is a matter of the kernel alone."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step(
        "The application shuts its reading side: nothing is sent, it reads the end of the stream", claims="C77 C91"
    )
    connection.shutdown("read")
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")
    connection.expect_eof()

    lab.step("Data that arrives is acknowledged nevertheless", claims="C77 C91")
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
    lab.kernel.expect_state(peer, "ESTABLISHED")
