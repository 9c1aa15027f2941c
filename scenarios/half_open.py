"""Half-open, not half-closed: one side has lost its state, without having said so, and the other does not know.

The article speaks of half-open connections where it means half-closed ones. Those are an agreement of both sides.
"""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5.1 figure 10, 3.6")
def half_closed_is_not_half_open(lab: Lab) -> None:
    """Both look the same from outside: nothing is sent. The next segment tells the difference."""
    server = lab.kernel.listen(port=80)

    lab.step("Half-closed: the kernel has said FIN, and what the peer sends is read", claims="C77 C108")
    agreed = lab.peer(to=server)
    reader = agreed.open()
    agreed.fin_wait_2()
    agreed.send("PA", payload="hello")
    agreed.expect("A", seq=2, ack=6)
    reader.expect_data("hello")

    lab.step("Half-open: the peer restarts, all its connections are forgotten; the kernel keeps its own")
    lost = lab.peer(to=server)
    writer = lost.open()
    lost.expect_silence()
    lab.kernel.expect_state(lost, "ESTABLISHED")
    lab.verify("the timer of the half-open connection", "", lab.kernel.inet_diag(lost).timer)

    lab.step("The kernel's application writes: who knows of no connection answers with a reset", claims="C108")
    writer.send("hello")
    lost.expect("PA", seq=1, ack=1, payload="hello")
    lost.send("R", seq=1)
    lost.expect_silence()
    lab.kernel.expect_state(lost, "CLOSED")
    writer.recv(error="ECONNRESET")
    lab.measured("C108", "half-closed: data is read; half-open: it is reset")


@scenario(section="RFC 9293 3.5.1 figure 9, RFC 5961 4.2")
def a_restarted_peer_connects_again(lab: Lab) -> None:
    """A peer that has lost its state wants the same connection anew: three segments clear the old one away first."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    old = peer.open()

    lab.step("Its SYN meets a connection that is open: the kernel says so, in the old numbers", claims="C9 C108")
    peer.send("S", seq=30000)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("For the peer this ACK belongs to nothing: its reset ends the old connection", claims="C108")
    peer.send("R", seq=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")
    old.recv(error="ECONNRESET")

    lab.step("The SYN comes again, and now it opens")
    peer.send("S", seq=30000)
    peer.expect("SA", seq=0, ack=30001)
    peer.send("A", seq=30001)
    lab.kernel.expect_state(peer, "ESTABLISHED")
