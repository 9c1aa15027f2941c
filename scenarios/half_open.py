"""Half-open, not half-closed: one side has lost its state, and the other side does not know it.

The article says half-open where it means half-closed. A half-closed connection is known to both sides.
"""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5.1 figure 10, 3.6")
def half_closed_is_not_half_open(lab: Lab) -> None:
    """On the wire half-closed and half-open look the same: nothing is sent. The next segment shows the difference."""
    server = lab.kernel.listen(port=80)

    lab.step("Half-closed: the kernel has sent a FIN, and data from the peer is read", claims="C77 C108")
    agreed = lab.peer(to=server)
    reader = agreed.open()
    agreed.fin_wait_2()
    agreed.send("PA", payload="hello")
    agreed.expect("A", seq=2, ack=6)
    reader.expect_data("hello")

    lab.step("Half-open: the peer restarts without its connections; the kernel keeps its state")
    lost = lab.peer(to=server)
    writer = lost.open()
    lost.expect_silence()
    lab.kernel.expect_state(lost, "ESTABLISHED")
    lab.verify("the timer of the half-open connection", "", lab.kernel.inet_diag(lost).timer)

    lab.step("The kernel's application writes: the peer has no connection, and answers with a reset", claims="C108")
    writer.send("hello")
    lost.expect("PA", seq=1, ack=1, payload="hello")
    lost.send("R", seq=1)
    lost.expect_silence()
    lab.kernel.expect_state(lost, "CLOSED")
    writer.recv(error="ECONNRESET")
    lab.conclude("C108", "half-closed: data is read; half-open: it is reset")


@scenario(section="RFC 9293 3.5.1 figure 9, RFC 5961 4.2")
def a_restarted_peer_connects_again(lab: Lab) -> None:
    """A peer without its state opens the same connection again: three segments end the old one first."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    old = peer.open()

    lab.step(
        "For the kernel the connection is open: it answers the SYN with an ACK in the old numbers", claims="C9 C108"
    )
    peer.send("S", seq=30000)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("For the peer this ACK belongs to no connection: its reset ends the old one", claims="C108")
    peer.send("R", seq=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")
    old.recv(error="ECONNRESET")

    lab.step("The SYN is sent again, and opens the connection")
    peer.send("S", seq=30000)
    peer.expect("SA", seq=0, ack=30001)
    peer.send("A", seq=30001)
    lab.kernel.expect_state(peer, "ESTABLISHED")
