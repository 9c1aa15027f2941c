"""FIN-WAIT-2: how long the kernel waits for the other side's FIN after its own was acknowledged."""

from lab import Lab, scenario

FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"


@scenario(section="RFC 9293 3.6; RFC 1122 4.2.2.13", short={FIN_TIMEOUT: 3})
def an_orphan_waits_a_minute(lab: Lab) -> None:
    """After close() no program has the socket: the kernel waits for the other side's FIN for tcp_fin_timeout.

    The RFC has no such timer. Without it the socket might stay for ever, as no program can close it.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open().close()
    peer.expect("FA", seq=1, ack=1)

    lab.step("The FIN is acknowledged: a small entry replaces the socket, and its timer runs", claims="C86")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    (seconds,) = lab.kernel.fin_wait_2_timers(peer)
    lab.kernel.expect_timer(peer, "time-wait", seconds)

    lab.step("The other side never closes: the connection ends, and nothing is sent", claims="C86")
    lab.measured("C86", f"orphan in FIN-WAIT-2: gone after {lab.kernel.expect_gone(peer, after=seconds):.1f} s")

    lab.step("A FIN that comes later belongs to no connection: a reset", claims="C86")
    peer.send("FA")
    peer.expect("R", seq=2)


@scenario(section="RFC 9293 3.6", short={FIN_TIMEOUT: 1})
def an_owner_waits_for_ever(lab: Lab) -> None:
    """After shutdown() a program still has the socket: no timer ends FIN-WAIT-2."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.fin_wait_2()

    lab.step("No timer runs, and long after tcp_fin_timeout the connection is still there", claims="C86")
    lab.kernel.expect_timer(peer, "")
    seconds = 2 * int(lab.kernel.sysctl(FIN_TIMEOUT))
    peer.expect_silence(during=seconds)
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.kernel.expect_timer(peer, "")
    lab.conclude("C86", f"after shutdown(): no timer, still in FIN-WAIT-2 after {seconds} s")

    lab.step("The program can still read data from the other side", claims="C86")
    peer.send("PA", payload="at last")
    peer.expect("A", seq=2, ack=8)
    connection.expect_data("at last")


@scenario(section="RFC 1122 4.2.2.13; tcp(7) tcp_fin_timeout", sysctls={FIN_TIMEOUT: 120}, short={FIN_TIMEOUT: 62})
def more_than_a_minute_is_counted_twice(lab: Lab) -> None:
    """If tcp_fin_timeout is above a minute, the kernel waits only for the part above a minute, but twice.

    So 120 s are 60 s and 60 s, as they should be, but 62 s are only 2 s and 2 s.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open().close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")

    lab.step("First the whole socket waits, on the keepalive timer", claims="C86")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    above, again = lab.kernel.fin_wait_2_timers(peer)
    lab.kernel.expect_timer(peer, "keepalive", above)

    lab.step("Then a small entry replaces it, for the same time again", claims="C86")
    gone = lab.kernel.expect_gone(peer, after=above + again)
    lab.measured("C86", f"{FIN_TIMEOUT} = {lab.kernel.sysctl(FIN_TIMEOUT)}: gone after {gone:.1f} s")


@scenario(section="RFC 1122 4.2.2.13; tcp(7) TCP_LINGER2", short={})
def patience_of_one_socket(lab: Lab) -> None:
    """TCP_LINGER2 replaces tcp_fin_timeout for one socket. A negative value means: no wait at all."""
    server = lab.kernel.listen(port=80)

    lab.step("A negative value: the kernel sends a reset as soon as its FIN is acknowledged", claims="C86")
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.set_option("TCP_LINGER2", -1)
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")
    peer.expect("R", seq=2)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.conclude("C86", "TCP_LINGER2 = -1: R as soon as the FIN is acknowledged")

    lab.step("Two seconds, whatever tcp_fin_timeout is", claims="C86")
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.set_option("TCP_LINGER2", 2)
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")
    (seconds,) = lab.kernel.fin_wait_2_timers(peer, 2)
    lab.kernel.expect_timer(peer, "time-wait", seconds)
    lab.measured("C86", f"TCP_LINGER2 = 2: gone after {lab.kernel.expect_gone(peer, after=seconds):.1f} s")
