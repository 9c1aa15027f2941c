"""Three segments to close: the ACK of a FIN may be in the FIN of the other side.

The kernel delays the ACK of a FIN, as that of data. If the application closes within this time, one segment carries
both.
"""

from lab import Connection, Lab, Listener, Peer, scenario

_DELAYED = "TcpExtDelayedACKs"
"""The counter of acknowledgements that a timer of the kernel has sent."""
_LEAST_DELAY_S = 0.030
"""TCP_ATO_MIN is 40 ms. The kernel counts ticks of at most 10 ms, and the first may be nearly over: so 30 ms."""


@scenario(section="RFC 9293 3.8.6.3 SHLD-18")
def the_ack_of_a_fin_is_delayed(lab: Lab) -> None:
    """A FIN is acknowledged some 40 ms later: the application may send something that carries the ACK.

    The state does not wait: CLOSE-WAIT begins when the FIN arrives.
    """
    server = lab.kernel.listen(port=80)

    lab.step("After an exchange of data: the kernel is in CLOSE-WAIT, its ACK is not sent yet", claims="C93 C96")
    for attempt in lab.attempts():
        peer, connection = _request(lab, server)
        with attempt.before(_DELAYED):
            peer.send("FA")
            lab.kernel.expect_state(peer, "CLOSE-WAIT")
            connection.expect_poll("POLLIN POLLOUT POLLRDHUP")
        peer.expect("A", seq=1, ack=9)
    lab.conclude("C96", "CLOSE-WAIT before the ACK leaves")

    lab.step("A timer sends it, not before 40 ms have passed", claims="C93")
    delay_s = peer.received_at - peer.sent_at
    lab.verify("delayed ACKs since the FIN", 1, attempt.fired)
    lab.verify_between("seconds to the ACK of the FIN", _LEAST_DELAY_S, delay_s, 10.0)
    lab.measured("C93", f"after data: {delay_s * 1000:.0f} ms")

    lab.step("Without any data before, the same timer expires with the next tick of the kernel's clock", claims="C93")
    fresh = lab.peer(to=server)
    fresh.open()
    before = lab.kernel.counter(_DELAYED)
    fresh.send("FA")
    fresh.expect("A", seq=1, ack=2)
    lab.verify("delayed ACKs since the FIN", 1, lab.kernel.counter(_DELAYED) - before)
    lab.measured("C93", f"on a fresh connection: {(fresh.received_at - fresh.sent_at) * 1000:.1f} ms")


@scenario(section="RFC 9293 3.6, 3.8.6.3")
def closing_at_once_saves_a_segment(lab: Lab) -> None:
    """An application closes as soon as it reads the end: its FIN is also the acknowledgement. Three segments.

    No setting is needed for that; the article says that the two cannot be merged.
    """
    server = lab.kernel.listen(port=80)

    lab.step("First segment: the peer's FIN. The application reads the end and closes")
    for attempt in lab.attempts():
        peer, connection = _request(lab, server)
        with attempt.before(_DELAYED):
            peer.send("FA")
            connection.expect_eof()
            connection.close()
        if attempt.late:
            peer.expect("A", seq=1, ack=9)
            _last_two_segments(lab, peer)

    lab.step("Second segment: FIN and ACK in one. Third: the peer acknowledges", claims="C102 C103 C106 C107 C120 C122")
    _last_two_segments(lab, peer)
    peer.expect_silence()
    lab.conclude("C106", "one FA for both")
    lab.conclude("C107", "without any setting: one FA for both")
    lab.conclude("C122", "three segments")


@scenario(section="RFC 9293 3.6, 3.8.6.3; tcp(7) TCP_QUICKACK")
def quick_ack_makes_four(lab: Lab) -> None:
    """TCP_QUICKACK makes the kernel acknowledge a FIN at once, if it is set after the end was read.

    Set before the FIN arrives it has no effect: a FIN always makes the kernel delay its ACK.
    """
    server = lab.kernel.listen(port=80)

    lab.step("Set before the FIN: the ACK is still delayed, and sent with the kernel's own FIN", claims="C107")
    for attempt in lab.attempts():
        peer, connection = _request(lab, server)
        with attempt.before(_DELAYED):
            connection.set_option("TCP_QUICKACK", 1)
            peer.send("FA")
            connection.expect_eof()
            connection.close()
        if attempt.late:
            peer.expect("A", seq=1, ack=9)
            _last_two_segments(lab, peer)
    _last_two_segments(lab, peer)
    lab.conclude("C107", "TCP_QUICKACK=1 before the FIN: one FA for both")

    lab.step("Set after the end was read: the call sends the ACK, and not a timer", claims="C107")
    for attempt in lab.attempts():
        peer, connection = _request(lab, server)
        with attempt.before(_DELAYED):
            peer.send("FA")
            connection.expect_eof()
            connection.set_option("TCP_QUICKACK", 1)
            peer.expect("A", seq=1, ack=9)

    lab.step("So there are four segments, however soon the application closes", claims="C107 C122")
    connection.close()
    _last_two_segments(lab, peer)
    lab.conclude("C107", "TCP_QUICKACK=1 after the end was read: A, then FA")


@scenario(section="RFC 9293 3.6, figure 5 note 2")
def the_peer_saves_a_segment(lab: Lab) -> None:
    """The kernel closes first: the peer's FIN also acknowledges the kernel's FIN. The next state is TIME-WAIT."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("First segment: the kernel's application closes", claims="C80 C84")
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")

    lab.step("Second segment: FIN and ACK of the FIN. There is no FIN-WAIT-2", claims="C106 C120 C122")
    peer.send("FA", ack=2)

    lab.step("Third segment: the kernel acknowledges, in TIME-WAIT", claims="C109 C120 C122")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    peer.expect_silence()
    lab.conclude("C120", "FIN-WAIT-1 to TIME-WAIT")
    lab.conclude("C122", "three segments")


@scenario(section="RFC 9293 3.6")
def data_makes_four(lab: Lab) -> None:
    """Data that the server still has to send comes between its ACK and its FIN: so there are four segments."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("A request and the FIN in one segment, and the ACK of both", claims="C94 C95 C96 C124")
    peer.send("FPA", payload="request")
    peer.expect("A", seq=1, ack=9)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_data("request")
    connection.expect_eof()

    lab.step("The answer: after a FIN in place of the ACK it could not have been sent", claims="C98 C124 C127")
    connection.send("reply")
    peer.expect("PA", seq=1, ack=9, payload="reply")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSE-WAIT")

    lab.step("The FIN follows the answer", claims="C102 C103 C124")
    connection.close()
    peer.expect("FA", seq=6, ack=9)
    lab.kernel.expect_state(peer, "LAST-ACK")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSED")
    lab.verify("the answer that the peer has read", b"reply", peer.received)


def _request(lab: Lab, server: Listener) -> tuple[Peer, Connection]:
    """A connection over which a request was read."""
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.send("PA", payload="request")
    peer.expect("A", seq=1, ack=8)
    connection.expect_data("request")
    return peer, connection


def _last_two_segments(lab: Lab, peer: Peer) -> None:
    peer.expect("FA", seq=1, ack=9)
    lab.kernel.expect_state(peer, "LAST-ACK")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSED")
