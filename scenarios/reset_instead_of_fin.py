"""A close without a FIN: the kernel sends a reset in its place, and the connection is gone at once."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.6.1 SHLD-3; RFC 1122 4.2.2.13")
def unread_data(lab: Lab) -> None:
    """close() with unread data sends a reset. A FIN would not show the other side that data was lost."""
    server = lab.kernel.listen(port=80)

    lab.step("Five bytes are acknowledged but not read when the application closes", claims="C79")
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
    connection.close()
    peer.expect("RA", seq=1, ack=6)
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("One byte was not read: the same", claims="C79")
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
    connection.expect_data("hell")
    connection.close()
    peer.expect("RA", seq=1, ack=6)
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("The peer has closed already: the same", claims="C79")
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.send("FPA", payload="hello")
    peer.expect("A", seq=1, ack=7)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.close()
    peer.expect("RA", seq=1, ack=7)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.conclude("C79", "unread data: RA")

    lab.step("shutdown() sends a FIN all the same: the data can still be read after it", claims="C77 C79")
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
    connection.shutdown("write")
    peer.expect("FA", seq=1, ack=6)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    connection.expect_data("hello")


@scenario(section="RFC 9293 3.10.5; socket(7) SO_LINGER")
def a_linger_time_of_zero(lab: Lab) -> None:
    """An application can abort instead of closing: a reset is sent in place of the FIN.

    RFC 9293 sends <SEQ=SND.NXT><CTL=RST> for ABORT. Linux adds an acknowledgement, which the receiver ignores.
    """
    server = lab.kernel.listen(port=80)

    lab.step("close() with a linger time of zero: no FIN, no wait", claims="C79 C122")
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.abort()
    peer.expect("RA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.conclude("C79", "a linger time of zero: RA")
    lab.conclude("C122", "one reset")

    lab.step("Later data from the peer belongs to no connection: a reset", claims="C79")
    peer.send("PA", seq=1, ack=1, payload="still there?")
    peer.expect("R", seq=1)

    lab.step("Unacknowledged data is given up: the reset has the number after it", claims="C79")
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.send("hello")
    peer.expect("PA", seq=1, ack=1, payload="hello")
    connection.abort()
    peer.expect("RA", seq=6, ack=1)
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("A reset is also sent after the FIN, while the peer has not closed", claims="C79")
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.fin_wait_2()
    connection.abort()
    peer.expect("RA", seq=2, ack=1)
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("Both have closed and nothing is left to abort: the connection is gone, nothing is sent", claims="C79")
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.closing()
    connection.abort()
    lab.kernel.expect_state(peer, "CLOSED")
    peer.expect_silence()


@scenario(section="RFC 9293 3.10.4; listen(2)")
def a_listener_with_connections_in_its_queue(lab: Lab) -> None:
    """A listener closes while connections wait in its queue: those that are open are reset."""
    server = lab.kernel.listen(port=80)

    lab.step("One connection is open and waits for accept(); of another only the SYN has come")
    waiting = lab.peer(to=server)
    waiting.syn_received().send("A")
    lab.kernel.expect_state(waiting, "ESTABLISHED")
    opening = lab.peer(to=server)
    opening.syn_received()

    lab.step(
        "The listener closes: the open connection is reset, the request is dropped and nothing is sent", claims="C79"
    )
    server.close()
    waiting.expect("RA", seq=1, ack=1)
    lab.kernel.expect_state(waiting, "CLOSED")
    opening.expect_silence()
    lab.conclude("C79", "a listener that closes: RA to the connection that waited")

    lab.step("The third segment for the dropped request is answered with a reset", claims="C79")
    opening.send("A")
    opening.expect("R", seq=1)
    lab.kernel.expect_state(opening, "CLOSED")
