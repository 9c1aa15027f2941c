"""A segment is lost: whatever takes up sequence numbers comes again until it is acknowledged, and an ACK never does."""

from lab import Lab, scenario
from lab.wire.faults import lost


@scenario(section="RFC 9293 3.8.1; RFC 6298 2.1", short={})
def a_lost_syn(lab: Lab) -> None:
    """The kernel's SYN is lost: a second later it comes again, the same but for its timestamp."""
    peer = lab.peer(port=80)
    lab.disturb(1, from_kernel=[lost("S")])
    client = lab.kernel.connect(to=peer)

    lab.step("Nobody has heard the first one, so nobody answers: the timer of the kernel runs out", claims="C41 C42")
    copies = peer.expect_retransmissions("S", 1)
    lab.measured("C42", f"the same SYN again after {copies.times[0]:.2f} s")
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("The second one arrives, and the connection opens as if nothing had happened", claims="C42")
    peer.send("SA")
    peer.expect("A", seq=1, ack=1)
    client.expect_connected()
    lab.kernel.expect_timer(peer, "")


@scenario(section="RFC 9293 3.8.1; RFC 6298 2.1", short={})
def a_lost_syn_ack(lab: Lab) -> None:
    """The kernel's SYN+ACK is lost: it comes again by itself, without another SYN."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    lab.disturb(1, from_kernel=[lost("SA")])

    lab.step("The answer to the SYN is lost; a second later the kernel repeats it", claims="C56")
    peer.send("S")
    copies = peer.expect_retransmissions("SA", 1)
    lab.measured("C56", f"the same SYN+ACK again after {copies.times[0]:.2f} s")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("This one arrives, and is acknowledged", claims="C56")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.kernel.expect_timer(peer, "")


@scenario(section="RFC 9293 3.10.7.4 first", short={})
def a_second_syn_restarts_the_timer(lab: Lab) -> None:
    """The peer did not wait long enough: its SYN comes again, is answered at once, and the kernel waits anew."""
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

    lab.step("The timer of the kernel begins anew with it", claims="C57")
    copies = peer.expect_retransmissions("SA", 1)
    lab.measured("C57", f"answered at once, and again {copies.times[0]:.2f} s later")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 9293 3.8.1, 3.10.7.4 fifth", short={})
def a_lost_third_segment_of_the_peer(lab: Lab) -> None:
    """The peer's ACK of the SYN+ACK is lost: the kernel repeats its SYN+ACK, since that is what lacks an answer."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)

    lab.step("The peer is ESTABLISHED with its ACK, the kernel never hears of it", claims="C73")
    lab.disturb(1, to_kernel=[lost("A")])
    peer.send("A")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The SYN+ACK comes again, and is acknowledged again", claims="C56 C73")
    peer.expect_retransmissions("SA", 1)
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 9293 3.8.1; RFC 6298 2.2, 2.4, 5.5", short={})
def lost_data(lab: Lab) -> None:
    """Data is lost: it comes again after a time that the kernel has measured, and sooner than a SYN would.

    The RFC wants a second at least. Linux takes the round trip and a fifth of a second (tcp_rto_min_us).
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("One round trip was measured, in the handshake: the timeout follows from it")
    info = connection.tcp_info()
    least, most = lab.kernel.first_timeout(info["rtt"] / 1e6)
    lab.verify_between("the retransmission timeout in seconds", least, info["rto"] / 1e6, most)

    lab.step("The wire loses the bytes: they come again when that time is over, and again after twice as long")
    lab.disturb(1, from_kernel=[lost("PA")])
    connection.send("hello")
    peer.expect_retransmissions("PA", 2)

    lab.step("They are acknowledged: the timer stops")
    peer.send("A")
    lab.kernel.expect_timer(peer, "")
    lab.verify("what the peer has received", b"hello", peer.received)


@scenario(section="RFC 9293 3.6, 3.8.1; RFC 6298 5.5", short={})
def a_lost_first_fin(lab: Lab) -> None:
    """The FIN of the side that closes first takes up a sequence number, so it is repeated like data."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    lab.disturb(1, from_kernel=[lost("FA")])

    lab.step("The FIN is lost: in FIN-WAIT-1 the ordinary retransmission timer runs, no other", claims="C86")
    connection.close()
    copies = peer.expect_retransmissions("FA", 2)
    lab.measured("C86", f"FIN-WAIT-1: the FIN again after {copies}")
    lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("Its acknowledgement ends that", claims="C86")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")


@scenario(section="RFC 9293 3.6, 3.8.1, 3.10.7.4 fifth; RFC 6298 5.5", short={})
def a_lost_second_fin(lab: Lab) -> None:
    """The second FIN is repeated like the first, and what ends LAST-ACK is the one ACK that covers it."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.close_wait()
    lab.disturb(1, from_kernel=[lost("FA")])

    lab.step("The FIN is lost; it comes again, ever more slowly", claims="C104")
    connection.close()
    copies = peer.expect_retransmissions("FA", 2)
    lab.measured("C104", f"LAST-ACK: the FIN again after {copies}")
    lab.kernel.expect_state(peer, "LAST-ACK")

    lab.step("An ACK of everything before the FIN is not the one that the kernel waits for", claims="C105")
    peer.send("A", ack=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "LAST-ACK")

    lab.step("This one is", claims="C105")
    peer.send("A", ack=2)
    lab.kernel.expect_state(peer, "CLOSED")
    peer.expect_silence()


@scenario(section="RFC 9293 3.6 case 3, 3.8.1; RFC 6298 5.5", short={})
def a_lost_crossing_fin(lab: Lab) -> None:
    """Both close at once, and the kernel's FIN is lost: it comes again while the kernel waits in CLOSING."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    lab.disturb(1, from_kernel=[lost("FA")])

    lab.step("The peer's FIN arrives and is acknowledged; of the kernel's own nothing is known", claims="C120")
    with lab.crossing():
        peer.send("FA")
        connection.close()
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "CLOSING")

    lab.step("The FIN comes again, now together with what the kernel has received", claims="C120")
    peer.expect("FA", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSING")
    peer.send("A")
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.10.7.4 first")
def a_fin_that_comes_twice(lab: Lab) -> None:
    """The kernel's ACK of the peer's FIN did not arrive. An ACK is never repeated; the FIN that lacks it is."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("The FIN is acknowledged, once: no timer runs for an ACK", claims="C93")
    peer.send("FA")
    peer.expect("A", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    lab.kernel.expect_timer(peer, "")
    connection.expect_eof()

    lab.step("The FIN comes again, and so does its ACK; nothing else changes", claims="C93")
    peer.send("FA", seq=1)
    peer.expect("A", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_eof()
