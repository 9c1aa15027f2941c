"""Which calls of an application send a FIN: close(), shutdown(), and the end of its process."""

from lab import Connection, Lab, Listener, Peer, scenario


@scenario(section="RFC 9293 3.10.4; close(2)")
def the_last_descriptor_counts(lab: Lab) -> None:
    """close() gives back one descriptor. The FIN goes out when there is no other, after a dup() or a fork()."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    copy = connection.dup()

    lab.step("The first of two descriptors is closed: the connection stays as it is", claims="C78")
    connection.close()
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")
    copy.send("still here")
    peer.expect("PA", seq=1, ack=1, payload="still here")
    peer.send("A")

    lab.step("The second was the last", claims="C78 C80 C82")
    copy.close()
    peer.expect("FA", seq=11, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    lab.measured("C78", "one of two descriptors closed: nothing; the last one: FA")


@scenario(section="RFC 9293 3.10.4; shutdown(2)")
def shutdown_counts_no_descriptors(lab: Lab) -> None:
    """shutdown() is about the connection, not about a descriptor: the FIN goes out at once, however many there are."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    copy = connection.dup()

    lab.step("One of two descriptors shuts the writing side for both", claims="C78 C80")
    connection.shutdown("write")
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    copy.send("?", error="EPIPE")
    lab.measured("C78", "shutdown() with two descriptors: FA")


@scenario(section="RFC 9293 3.10.4; signal(7)")
def a_killed_process_closes(lab: Lab) -> None:
    """A process that is killed has no time to close anything: the kernel does it in its place, with an ordinary FIN.

    The other side cannot tell a crash from a polite end.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()

    lab.step("Another process owns the connection", claims="C78")
    process = connection.move_to_process()
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("SIGKILL ends it: four segments as if it had called close()", claims="C78 C80")
    process.kill()
    peer.expect("FA", seq=1, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")
    lab.measured("C78", "SIGKILL: FA")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


@scenario(section="RFC 9293 3.7.4, 3.9.1.2, 3.10.4; tcp(7) TCP_CORK, send(2) MSG_MORE")
def the_last_data_carries_the_fin(lab: Lab) -> None:
    """Data that the kernel holds back for some reason leaves together with the FIN: one segment for both.

    Before it other data is not acknowledged yet. So the timer does not run that would let held data go after a while.
    """
    server = lab.kernel.listen(port=80)

    lab.step("Held by the Nagle algorithm: small data waits while other data is unacknowledged", claims="C80 C82")
    nagle, connection = _with_data_under_way(lab, server)
    connection.send("end")
    nagle.expect_silence()
    connection.close()
    nagle.send("A", ack=7)
    nagle.expect("FPA", seq=7, ack=1, payload="end")
    lab.kernel.expect_state(nagle, "FIN-WAIT-1")

    lab.step("Held by TCP_CORK, which asks for full segments only", claims="C80 C82")
    corked, connection = _with_data_under_way(lab, server)
    connection.set_option("TCP_NODELAY", 1)
    connection.set_option("TCP_CORK", 1)
    connection.send("end")
    corked.expect_silence()
    connection.close()
    corked.send("A", ack=7)
    corked.expect("FPA", seq=7, ack=1, payload="end")
    lab.kernel.expect_state(corked, "FIN-WAIT-1")

    lab.step("Held by MSG_MORE, which promises more: the same without PSH, when there is none", claims="C80 C82")
    promised, connection = _with_data_under_way(lab, server)
    connection.set_option("TCP_NODELAY", 1)
    connection.send("end", more=True)
    promised.expect_silence()
    connection.shutdown("write")
    promised.send("A", ack=7)
    promised.expect("FA", seq=7, ack=1, payload="end")
    lab.kernel.expect_state(promised, "FIN-WAIT-1")

    lab.step("The FIN comes behind the data: what acknowledges the data alone leaves it open", claims="C19 C101")
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
