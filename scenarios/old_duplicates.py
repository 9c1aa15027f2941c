"""Why three segments: an old SYN, or an answer to one, must not open a connection."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5, 3.10.7.3 first check")
def the_client_refuses_an_answer_to_an_old_syn(lab: Lab) -> None:
    """An answer to an old SYN acknowledges a number that was never sent: the client resets it, connect() goes on.

    This is the purpose of the third segment. With two, the server would have a connection that no client wants.
    """
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)

    lab.step("A SYN+ACK that acknowledges an older number", claims="C23")
    peer.send("SA", ack=-9)
    peer.expect("R", seq=-9)
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("One that acknowledges the SYN's own number, and one with a number that was not sent yet", claims="C23")
    peer.send("SA", ack=0)
    peer.expect("R", seq=0)
    peer.send("SA", ack=2)
    peer.expect("R", seq=2)
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("The right answer still opens the connection", claims="C23")
    peer.send("SA", ack=1)
    peer.expect("A", seq=1, ack=1)
    client.expect_connected()
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 9293 3.5 figure 8")
def the_client_resets_what_an_old_syn_opened(lab: Lab) -> None:
    """An old SYN reaches the server before the new one. Only the client can detect that, and resets."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server, iss=100)

    lab.step("The old duplicate, with number 90: the server answers it like any SYN", claims="C24")
    peer.send("S", seq=-10)
    peer.expect("SA", seq=0, ack=-9)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The client has sent no such SYN: its reset has the acknowledgment number of the answer", claims="C24")
    peer.send("R", seq=-9)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")
    lab.kernel.expect_state(server, "LISTEN")

    lab.step("Then the new SYN arrives, number 100, and the connection opens", claims="C24")
    peer.send("S", seq=0)
    peer.expect("SA", seq=0, ack=1)
    peer.send("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 9293 3.10.7.4 first and fourth check")
def two_syns_before_the_third_segment(lab: Lab) -> None:
    """A second SYN with a newer number, before the third segment: a reset, and the request is gone.

    RFC 9293 returns to LISTEN and names no reply, RFC 793 demanded the reset. A SYN outside the window is treated as
    any old segment: it is answered with the number that is expected.
    """
    server = lab.kernel.listen(port=80)

    lab.step("A newer number, inside the window: a reset, and the request is gone", claims="C25")
    peer = lab.peer(to=server, iss=90)
    peer.send("S", seq=0)
    peer.expect("SA", seq=0, ack=1)
    peer.send("S", seq=10)
    reset = peer.expect("RA", ack=11)
    lab.verify("sequence number as it stands on the wire", 0, int(reset.seq))
    lab.conclude("C25", "inside the window: RST+ACK, and the request is gone; outside: ACK, and it stays")
    lab.kernel.expect_state(peer, "CLOSED")
    lab.kernel.expect_state(server, "LISTEN")

    lab.step("The client has to start again from the beginning", claims="C25")
    peer.send("S", seq=10)
    peer.expect("SA", seq=0, ack=11)

    lab.step("An older number: an ACK with the number that is expected, and the request stays", claims="C25")
    peer.send("S", seq=5)
    peer.expect("A", seq=1, ack=11)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("A number far beyond the window: the same", claims="C25")
    lab.kernel.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)
    peer.send("S", seq=10_000_000)
    peer.expect("A", seq=1, ack=11)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The third segment for the first SYN still opens the connection", claims="C25")
    peer.send("A", seq=11, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
