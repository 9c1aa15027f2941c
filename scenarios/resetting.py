"""The peer resets an open connection: one segment, no answer to it, and an error for the application."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5.3, 3.10.7.4 second check")
def the_peer_resets(lab: Lab) -> None:
    """A reset with exactly the next sequence number ends the connection at once, and is not answered."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("The reset: no FIN, no acknowledgement, the kernel has no connection any more")
    peer.send("R")
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("The application gets an error, once")
    connection.expect_poll("POLLIN POLLOUT POLLRDHUP POLLERR POLLHUP")
    connection.recv(error="ECONNRESET")
    connection.expect_eof()
    connection.send("anyone?", error="EPIPE")


@scenario(section="RFC 9293 3.10.7.4 second check, RFC 5961 3.2")
def a_reset_has_to_be_exact(lab: Lab) -> None:
    """A reset with another number may be forged: in the window the answer is a challenge ACK, outside silence.

    Only a peer that has lost the connection answers a challenge ACK, with a reset that has the exact number.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open()

    lab.step("Outside the window: ignored")
    peer.send("R", seq=0)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("Inside the window, but not the next number: a challenge ACK")
    peer.send("R", seq=2)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("A host without that connection answers the challenge ACK: this reset has the exact number")
    peer.send("R", seq=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")


@scenario(section="RFC 9293 3.10.7.4 second check, MUST-12")
def a_reset_after_the_peers_fin(lab: Lab) -> None:
    """A reset in CLOSE-WAIT: an application that reads sees an ordinary end, one that writes gets an error."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.close_wait()

    lab.step("The connection is gone. Reading shows only the FIN, writing shows the reset", claims="C100")
    peer.send("R")
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")
    connection.expect_eof()
    connection.send("anyone?", error="EPIPE")
