"""Lost segments: those that take up sequence numbers are sent again until they are acknowledged, ACKs never are."""

from lab import Lab, scenario
from lab.wire.faults import lost


@scenario(section="RFC 9293 3.8.1; RFC 6298 2.1", short={})
def a_lost_syn(lab: Lab) -> None:
    """The kernel's SYN is lost: a second later it is sent again, the same but for its timestamp."""
    peer = lab.peer(port=80)
    lab.disturb(1, from_kernel=[lost("S")])
    client = lab.kernel.connect(to=peer)

    lab.step("The first SYN is lost, so there is no answer: the timer of the kernel expires", claims="C41 C42")
    resent = peer.expect_retransmissions("S", 1)
    lab.measured("C42", f"the same SYN again after {resent.times[0]:.2f} s")
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("The second SYN arrives, and the connection opens", claims="C42")
    peer.send("SA")
    peer.expect("A", seq=1, ack=1)
    client.expect_connected()
    lab.kernel.expect_timer(peer, "")


@scenario(section="RFC 9293 3.8.1; RFC 6298 2.1", short={})
def a_lost_syn_ack(lab: Lab) -> None:
    """The kernel's SYN+ACK is lost: it is sent again, without another SYN from the peer."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    lab.disturb(1, from_kernel=[lost("SA")])

    lab.step("The SYN+ACK is lost; a second later the kernel sends it again", claims="C56")
    peer.send("S")
    resent = peer.expect_retransmissions("SA", 1)
    lab.measured("C56", f"the same SYN+ACK again after {resent.times[0]:.2f} s")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The second SYN+ACK arrives, and is acknowledged", claims="C56")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.kernel.expect_timer(peer, "")


@scenario(section="RFC 9293 3.10.7.4 first", short={})
def a_second_syn_restarts_the_timer(lab: Lab) -> None:
    """The peer sends its SYN again: the kernel answers it at once, and restarts its timer."""
    server = lab.kernel.listen(port=80)

    lab.step("A SYN, and the same SYN again: the same SYN+ACK, at once", claims="C57")
    for attempt in lab.attempts():
        peer = lab.peer(to=server)
        peer.send("S")
        peer.expect("SA", seq=0, ack=1)
        peer.send("S", seq=0)
        peer.expect("SA", seq=0, ack=1)
        lab.kernel.expect_state(peer, "SYN-RECEIVED")
        sent_by_timer = lab.kernel.inet_diag(peer).retransmits - 1
        attempt.late = sent_by_timer > 0
        for _ in range(sent_by_timer):
            peer.expect("SA")
        if attempt.late:
            peer.send("R", seq=1)

    lab.step("The timer of the kernel restarts with this answer", claims="C57")
    resent = peer.expect_retransmissions("SA", 1)
    lab.measured("C57", f"answered at once, and again {resent.times[0]:.2f} s later")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 9293 3.8.1, 3.10.7.4 fifth", short={})
def a_lost_third_segment_of_the_peer(lab: Lab) -> None:
    """The peer's ACK of the SYN+ACK is lost: the kernel sends its SYN+ACK again, as it is not acknowledged."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)

    lab.step("The peer is ESTABLISHED when it sends its ACK, but the ACK is lost", claims="C73")
    lab.disturb(1, to_kernel=[lost("A")])
    peer.send("A")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The SYN+ACK is sent again, and acknowledged again", claims="C56 C73")
    peer.expect_retransmissions("SA", 1)
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 9293 3.8.1; RFC 6298 2.2, 2.4, 5.5", short={})
def lost_data(lab: Lab) -> None:
    """Data is lost: it is sent again after a timeout from measured round trips, which is shorter than for a SYN.

    The RFC demands a second at least. Linux takes the round trip plus a fifth of a second (tcp_rto_min_us).
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("One round trip was measured, in the handshake: the timeout follows from it")
    info = connection.tcp_info()
    least, most = lab.kernel.first_timeout(info["rtt"] / 1e6)
    lab.verify_between("the retransmission timeout in seconds", least, info["rto"] / 1e6, most)

    lab.step("The wire loses the data: it is sent again after this timeout, and again after twice as long")
    lab.disturb(1, from_kernel=[lost("PA")])
    connection.send("hello")
    peer.expect_retransmissions("PA", 2)

    lab.step("The data is acknowledged: the timer stops")
    peer.send("A")
    lab.kernel.expect_timer(peer, "")
    lab.verify("what the peer has received", b"hello", peer.received)


@scenario(section="RFC 9293 3.6, 3.8.1; RFC 6298 5.5", short={})
def a_lost_first_fin(lab: Lab) -> None:
    """The FIN of the side that closes first takes up a sequence number, so it is sent again like data."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    lab.disturb(1, from_kernel=[lost("FA")])

    lab.step("The FIN is lost: in FIN-WAIT-1 the ordinary retransmission timer runs, no other", claims="C86")
    connection.close()
    resent = peer.expect_retransmissions("FA", 2)
    lab.measured("C86", f"FIN-WAIT-1: the FIN again after {resent}")
    lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("Its acknowledgement ends FIN-WAIT-1", claims="C86")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")


@scenario(section="RFC 9293 3.6, 3.8.1, 3.10.7.4 fifth; RFC 6298 5.5", short={})
def a_lost_second_fin(lab: Lab) -> None:
    """The second FIN is sent again like the first, and only an ACK of it ends LAST-ACK."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.close_wait()
    lab.disturb(1, from_kernel=[lost("FA")])

    lab.step("The FIN is lost; it is sent again, at growing intervals", claims="C104")
    connection.close()
    resent = peer.expect_retransmissions("FA", 2)
    lab.measured("C104", f"LAST-ACK: the FIN again after {resent}")
    lab.kernel.expect_state(peer, "LAST-ACK")

    lab.step("An ACK of everything before the FIN does not end LAST-ACK", claims="C105")
    peer.send("A", ack=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "LAST-ACK")

    lab.step("An ACK of the FIN does", claims="C105")
    peer.send("A", ack=2)
    lab.kernel.expect_state(peer, "CLOSED")
    peer.expect_silence()


@scenario(section="RFC 9293 3.6 case 3, 3.8.1; RFC 6298 5.5", short={})
def a_lost_crossing_fin(lab: Lab) -> None:
    """Both close at once, and the kernel's FIN is lost: it is sent again while the kernel is in CLOSING."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    lab.disturb(1, from_kernel=[lost("FA")])

    lab.step("The peer's FIN arrives and is acknowledged; the kernel's own is lost", claims="C120")
    with lab.crossing():
        peer.send("FA")
        connection.close()
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "CLOSING")

    lab.step("The FIN is sent again, and now acknowledges the peer's FIN", claims="C120")
    peer.expect("FA", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSING")
    peer.send("A")
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.10.7.4 first")
def a_fin_that_comes_twice(lab: Lab) -> None:
    """The kernel's ACK of the peer's FIN is lost. An ACK is never sent again; the FIN is, until it is acknowledged."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("The FIN is acknowledged, once: no timer runs for an ACK", claims="C93")
    peer.send("FA")
    peer.expect("A", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    lab.kernel.expect_timer(peer, "")
    connection.expect_eof()

    lab.step("The FIN is sent again, and acknowledged again; nothing else changes", claims="C93")
    peer.send("FA", seq=1)
    peer.expect("A", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_eof()


@scenario(section="RFC 9293 3.8.1; RFC 6298 5.4-5.6", short={})
def a_wire_that_loses_both_ways(lab: Lab) -> None:
    """The wire loses data and FIN of both sides once. Each side has a timer, and in the end nothing is missing.

    The peer answers by itself here: a model of TCP in user space decides what it sends and when it sends it again.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    application = peer.answer_by_itself()

    lab.step("The peer opens a connection, and acknowledges the SYN+ACK by itself")
    application.connect()
    connection = server.accept(of=peer)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.disturb(1, to_kernel=[lost("PA"), lost("FA")], from_kernel=[lost("PA"), lost("FA")])

    lab.step("Data of the peer is lost: the peer's timer sends it again")
    application.send("question")
    connection.expect_data("question")

    lab.step("Data of the kernel is lost: the kernel's timer sends it again")
    connection.send("answer")
    peer.skip_until("PA", seq=1, ack=9, payload="answer")
    lab.verify("what the peer has received", b"answer", peer.received)

    lab.step("Both FINs are lost, too: each side sends its own again")
    application.close()
    connection.expect_eof()
    connection.close()
    peer.skip_until("FA", seq=7, ack=10)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.verify("state of the peer", "TIME-WAIT", peer.state)
