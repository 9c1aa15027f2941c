"""The calls of an application that send a FIN: close(), shutdown(), and the end of its process."""

from lab import Connection, Lab, Listener, Peer, scenario


@scenario(section="RFC 9293 3.10.4; close(2)")
def the_last_descriptor_counts(lab: Lab) -> None:
    """close() closes one descriptor. The FIN is sent when the last one is closed, also after dup() or fork()."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    copy = connection.dup()

    lab.step("The first of two descriptors is closed: nothing is sent", claims="C78")
    connection.close()
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")
    copy.send("still here")
    peer.expect("PA", seq=1, ack=1, payload="still here")
    peer.send("A")

    lab.step("The second and last descriptor is closed: the FIN is sent", claims="C78 C80 C82")
    copy.close()
    peer.expect("FA", seq=11, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    lab.conclude("C78", "one of two descriptors closed: nothing; the last one: FA")


@scenario(section="RFC 9293 3.10.4; shutdown(2)")
def shutdown_counts_no_descriptors(lab: Lab) -> None:
    """shutdown() concerns the connection, not a descriptor: it sends the FIN at once, however many there are."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    copy = connection.dup()

    lab.step("shutdown() of one descriptor ends sending for both", claims="C78 C80")
    connection.shutdown("write")
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    copy.send("?", error="EPIPE")
    lab.conclude("C78", "shutdown() with two descriptors: FA")


@scenario(section="RFC 9293 3.10.4; signal(7)")
def a_killed_process_closes(lab: Lab) -> None:
    """A killed process cannot close its sockets: the kernel closes them in its place, with an ordinary FIN.

    The other side cannot distinguish a crash from a regular end.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("Another process owns the connection", claims="C78")
    process = connection.move_to_process()
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("SIGKILL ends the process: four segments, as after close()", claims="C78 C80")
    process.kill()
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    lab.conclude("C78", "SIGKILL: FA")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.7.4, 3.9.1.2, 3.10.4; tcp(7) TCP_CORK, send(2) MSG_MORE")
def the_last_data_carries_the_fin(lab: Lab) -> None:
    """Data that the kernel has held back is sent together with the FIN: one segment for both.

    Earlier data is not acknowledged yet, so the timer that would send held-back data after a while does not run.
    """
    server = lab.kernel.listen(port=80)

    lab.step("Held back by the Nagle algorithm: small data waits while other data is unacknowledged", claims="C80 C82")
    nagle, connection = _with_data_under_way(lab, server)
    connection.send("end")
    nagle.expect_silence()
    connection.close()
    nagle.send("A", ack=7)
    nagle.expect("FPA", seq=7, ack=1, payload="end")
    lab.kernel.expect_state(nagle, "FIN-WAIT-1")

    lab.step("Held back by TCP_CORK, which allows full segments only", claims="C80 C82")
    corked, connection = _with_data_under_way(lab, server)
    connection.set_option("TCP_NODELAY", 1)
    connection.set_option("TCP_CORK", 1)
    connection.send("end")
    corked.expect_silence()
    connection.close()
    corked.send("A", ack=7)
    corked.expect("FPA", seq=7, ack=1, payload="end")
    lab.kernel.expect_state(corked, "FIN-WAIT-1")

    lab.step("Held back by MSG_MORE, which announces more data: the same, without PSH", claims="C80 C82")
    promised, connection = _with_data_under_way(lab, server)
    connection.set_option("TCP_NODELAY", 1)
    connection.send("end", more=True)
    promised.expect_silence()
    connection.shutdown("write")
    promised.send("A", ack=7)
    promised.expect("FA", seq=7, ack=1, payload="end")
    lab.kernel.expect_state(promised, "FIN-WAIT-1")

    lab.step("The FIN follows the data: an ACK of the data alone does not acknowledge the FIN", claims="C19 C101")
    promised.send("A", ack=10)
    lab.kernel.expect_state(promised, "FIN-WAIT-1")
    promised.send("A", ack=11)
    lab.kernel.expect_state(promised, "FIN-WAIT-2")


def _with_data_under_way(lab: Lab, server: Listener) -> tuple[Peer, Connection]:
    """A connection over which the kernel has sent six bytes that are not acknowledged yet."""
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.send("first ")
    peer.expect("PA", seq=1, ack=1, payload="first ")
    return peer, connection
