"""Closing a connection: each side says FIN for its own direction, and each FIN is acknowledged."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.6 case 2, figure 12")
def kernel_closes_second(lab: Lab) -> None:
    """Four segments: the peer closes first, and the kernel waits in CLOSE-WAIT for its application to follow."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("First segment: the peer has nothing more to send")
    peer.send("FA")

    lab.step("Second segment: the kernel acknowledges at once, and tells its application")
    peer.expect("A", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_end()

    lab.step("Third segment: the application closes too")
    connection.close()
    peer.expect("FA", seq=1, ack=2)
    lab.kernel.expect_state(peer, "LAST-ACK")

    lab.step("Fourth segment: the peer acknowledges, and nothing is left on the kernel's side")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSED")
    peer.expect_silence()


@scenario(section="RFC 9293 3.6 case 1, figure 12")
def kernel_closes_first(lab: Lab) -> None:
    """Four segments the other way round: who closes first ends in TIME-WAIT, and stays there for a minute."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("First segment: the kernel's application closes")
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("Second segment: the peer acknowledges the FIN")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    peer.expect_silence()

    lab.step("Third segment: the peer closes too")
    peer.send("FA")

    lab.step("Fourth segment: the kernel acknowledges and keeps the connection in TIME-WAIT")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")

    lab.step("If the last ACK is lost the FIN comes again, and TIME-WAIT is what still answers it")
    peer.send("FA", seq=1)
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.6 case 3, figure 13")
def both_close_at_once(lab: Lab) -> None:
    """Two FINs cross on the wire: both sides go through CLOSING, and both end in TIME-WAIT."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("Both close before the other's FIN has arrived: neither FIN acknowledges the other")
    with lab.crossing():
        peer.send("FA")
        connection.close()
        peer.expect("FA", seq=1, ack=1)
        lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("Each acknowledges the other's FIN, and has to wait for its own to be acknowledged")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "CLOSING")
    peer.send("A")
    lab.kernel.expect_state(peer, "TIME-WAIT")
    peer.expect_silence()
