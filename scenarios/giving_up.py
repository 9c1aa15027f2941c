"""No answer: how often the kernel sends a segment again, at growing intervals, and when it gives up."""

from lab import Inconclusive, Lab, scenario

_LATEST_S = 0.9
"""A little less than the first timeout of a SYN, which is a second. Later than that, the timer may have expired."""
SYN_RETRIES, LINEAR = "net.ipv4.tcp_syn_retries", "net.ipv4.tcp_syn_linear_timeouts"
SYN_ACK_RETRIES = "net.ipv4.tcp_synack_retries"
ORPHAN_RETRIES, RETRIES = "net.ipv4.tcp_orphan_retries", "net.ipv4.tcp_retries2"


@scenario(section="RFC 9293 3.8.1, 3.8.3; RFC 6298 2.1, 5.5", short={SYN_RETRIES: 2})
def a_syn_that_nobody_answers(lab: Lab) -> None:
    """connect() to a host that does not answer: the same SYN again and again, then an error (default: 2 minutes).

    Linux sends the first retransmissions a second apart (since 6.5), and doubles the timeout only after them.
    """
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)

    lab.step("The kernel sends its SYN, and starts a timer of one second", claims="C21 C39 C41")
    peer.expect("S", seq=0)
    lab.kernel.expect_state(peer, "SYN-SENT")
    lab.kernel.expect_timer(peer, "retransmission", seconds=1)

    lab.step("Each retransmission is the same SYN with a newer timestamp", claims="C40 C41 C42")
    retransmissions = peer.expect_retransmissions("S")
    lab.measured("C40", retransmissions)
    lab.measured("C41", f"{retransmissions.times[0]:.2f} s until the first retransmission")

    lab.step("connect() fails: the application gets ETIMEDOUT", claims="C21 C40")
    client.expect_connected(error="ETIMEDOUT")
    lab.kernel.expect_state(peer, "CLOSED")


@scenario(section="RFC 9293 3.8.1; RFC 6298 5.5", sysctls={LINEAR: 0}, short={SYN_RETRIES: 2})
def a_syn_as_the_textbooks_have_it(lab: Lab) -> None:
    """Each timeout is twice the one before, from the first on: the schedule of a SYN before Linux 6.5."""
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)

    lab.step("One second, two, four, eight: the retransmission timeout doubles", claims="C40 C42")
    lab.measured("C40", peer.expect_retransmissions("S"))
    client.expect_connected(error="ETIMEDOUT")


@scenario(section="RFC 9293 3.8.1, 3.5.1; RFC 6298 2.1, 5.5", short={SYN_ACK_RETRIES: 2})
def a_syn_ack_that_nobody_acknowledges(lab: Lab) -> None:
    """The third segment never comes: the server repeats its SYN+ACK, and drops the request after a minute.

    It sends nothing when it drops the request. The client is ESTABLISHED, and finds out only when it sends data.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)

    lab.step("The kernel answers the SYN and waits in SYN-RECEIVED, with a timer of one second", claims="C21 C56")
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.kernel.expect_timer(peer, "retransmission", seconds=1)

    lab.step("The same SYN+ACK again, with a doubled timeout each time; then the request is gone", claims="C21 C56")
    lab.measured("C56", peer.expect_retransmissions("SA"))
    peer.expect_silence()
    lab.kernel.expect_state(server, "LISTEN")

    lab.step("The third segment comes too late: the peer is ESTABLISHED, the kernel has no connection", claims="C58")
    peer.send("A")
    peer.expect("R", seq=1)


@scenario(section="RFC 9293 3.5 figure 7, 3.8.1", short={SYN_RETRIES: 2})
def a_crossed_syn_ack_that_nobody_acknowledges(lab: Lab) -> None:
    """A SYN+ACK after crossing SYNs has the schedule of a SYN: connect() fails as after an unanswered SYN."""
    peer = lab.peer(to=5000, port=80)
    with lab.crossing():
        peer.send("S")
        client = lab.kernel.connect(to=peer, port=5000)
        peer.expect("S", seq=0)
    syn_at = peer.received_at

    lab.step("The timer of the SYN goes on, now for the SYN+ACK that replaces it")
    peer.expect("SA", seq=0, ack=1)
    if peer.received_at - syn_at > _LATEST_S:
        raise Inconclusive(f"this machine was held up for {peer.received_at - syn_at:.1f} s, and the SYN came again")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    peer.expect_retransmissions("SA")
    client.expect_connected(error="ETIMEDOUT")


@scenario(section="RFC 9293 3.8.1, 3.8.3; RFC 6298 5.5", short={ORPHAN_RETRIES: 2})
def a_fin_that_nobody_acknowledges(lab: Lab) -> None:
    """The first FIN is never acknowledged: no program has the socket, and the kernel gives up after two minutes.

    A close with only two segments would not show this: without an answer no side knows whether its FIN arrived.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("close(): the FIN is sent, and the ordinary retransmission timer runs for it", claims="C86 C123")
    rto = connection.tcp_info()["rto"] / 1e6
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    lab.kernel.expect_timer(peer, "retransmission", seconds=rto)

    lab.step("The same FIN again, with a doubled timeout each time; then the connection is gone", claims="C87 C123")
    retransmissions = peer.expect_retransmissions("FA")
    lab.measured("C87", retransmissions)
    lab.measured("C123", retransmissions)
    lab.kernel.expect_state(peer, "CLOSED")
    peer.expect_silence()


@scenario(section="RFC 9293 3.8.3; RFC 1122 4.2.3.5", sysctls={RETRIES: 2, ORPHAN_RETRIES: 4}, short={})
def a_fin_of_shutdown_has_an_owner(lab: Lab) -> None:
    """After shutdown() a program has the socket: the FIN is sent again as long as data would be (tcp_retries2).

    By default that is a quarter of an hour, so both settings are small here, and different.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.shutdown("write")
    peer.expect("FA", seq=1, ack=1)

    lab.step("tcp_orphan_retries would allow more retransmissions than there are", claims="C87")
    lab.measured("C87", f"after shutdown() with {RETRIES} = 2: {peer.expect_retransmissions('FA')}")

    lab.step("The program gets ETIMEDOUT", claims="C87")
    connection.recv(error="ETIMEDOUT")


@scenario(section="RFC 9293 3.6, 3.8.1; RFC 6298 5.5", short={ORPHAN_RETRIES: 2})
def a_second_fin_that_nobody_acknowledges(lab: Lab) -> None:
    """The second FIN is repeated like the first: LAST-ACK ends with its ACK, or when the kernel gives up."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.close_wait()

    lab.step("The application closes too, and the kernel waits in LAST-ACK", claims="C104")
    connection.close()
    peer.expect("FA", seq=1, ack=2)
    lab.kernel.expect_state(peer, "LAST-ACK")

    lab.step("The same FIN again, with a doubled timeout each time; then the connection is gone", claims="C104")
    lab.measured("C104", peer.expect_retransmissions("FA"))
    lab.kernel.expect_state(peer, "CLOSED")
    peer.expect_silence()


@scenario(section="RFC 9293 3.8.1, 3.8.3; RFC 6298 2.3, 5.5", sysctls={RETRIES: 2}, short={})
def data_that_nobody_acknowledges(lab: Lab) -> None:
    """Data is never acknowledged: after fifteen minutes the connection ends, and the application gets an error.

    The first timeout follows from the measured round trips. It is not a second, as for a SYN.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("The first timeout: the measured round trip plus at least tcp_rto_min_us")
    connection.send("hello?")
    peer.expect("PA", seq=1, ack=1, payload="hello?")
    lab.kernel.expect_timer(peer, "retransmission", seconds=connection.tcp_info()["rto"] / 1e6)

    lab.step("The same bytes again and again; then the kernel gives up the whole connection")
    peer.expect_retransmissions("PA")
    connection.recv(error="ETIMEDOUT")
    lab.kernel.expect_state(peer, "CLOSED")
