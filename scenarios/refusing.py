"""Where nobody listens: a reset says so at once."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5.2 group 1")
def nobody_listens_at_the_kernel(lab: Lab) -> None:
    """A segment for no connection is answered with a reset that proves it was read, and a reset never is."""
    peer = lab.peer(to=81)

    lab.step("SYN to a closed port: the reset acknowledges it")
    peer.send("S")
    peer.expect("RA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("A segment with ACK: the reset takes its sequence number from there, and carries no ACK")
    peer.send("A", ack=777)
    peer.expect("R", seq=777)

    lab.step("A reset is never answered, or two sides without a connection would talk for ever")
    peer.send("R")
    peer.expect_silence()


@scenario(section="RFC 9293 3.10.7.3")
def the_kernel_is_refused(lab: Lab) -> None:
    """The kernel's connect() fails as soon as a reset acknowledges its SYN, and only then."""
    peer = lab.peer(port=81)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("A reset that does not acknowledge the SYN could come from anybody: ignored")
    peer.send("R", seq=0)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("One that does is believed")
    peer.send("RA", seq=0, ack=1)
    client.expect_connected(error="ECONNREFUSED")
    lab.kernel.expect_state(peer, "CLOSED")
