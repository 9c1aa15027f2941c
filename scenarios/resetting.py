"""Ending an open connection by force: one segment, and no answer to it."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5.3, 3.10.7.4 second check")
def the_peer_resets(lab: Lab) -> None:
    """A reset with exactly the next sequence number ends the connection at once, and nothing answers it."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("The reset: no FIN, no acknowledgement, the kernel has no connection any more")
    peer.send("R")
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("The application learns that this was no ordinary end: an error, once")
    connection.recv(error="ECONNRESET")
    connection.send("anyone?", error="EPIPE")


@scenario(section="RFC 9293 3.10.5")
def the_kernel_resets(lab: Lab) -> None:
    """An application can abort instead of closing: the reset stands where the FIN would have stood."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("close() with a linger time of zero")
    connection.abort()
    peer.expect("RA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("What the peer still sends belongs to no connection")
    peer.send("PA", seq=1, ack=1, payload="still there?")
    peer.expect("R", seq=1)
