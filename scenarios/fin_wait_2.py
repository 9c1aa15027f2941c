"""The kernel has closed, and its FIN is acknowledged: how long it waits in FIN-WAIT-2 for the other side to close."""

from lab import Lab, scenario

FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"


@scenario(section="RFC 9293 3.6; RFC 1122 4.2.2.13", short={FIN_TIMEOUT: 3})
def an_orphan_waits_a_minute(lab: Lab) -> None:
    """After close() nobody waits for the other side but the kernel, and it does so for tcp_fin_timeout.

    The RFC knows no such timer: it exists because nobody is left who could give the socket up.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open().close()
    peer.expect("FA", seq=1, ack=1)

    lab.step("The FIN is acknowledged: a small socket is left, with a timer", claims="C86")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    (seconds,) = lab.kernel.fin_wait_2_timers(peer)
    lab.kernel.expect_timer(peer, "time-wait", seconds)

    lab.step("The other side never closes: the kernel forgets the connection without a word", claims="C86")
    lab.measured("C86", f"orphan in FIN-WAIT-2: gone after {lab.kernel.expect_gone(peer, after=seconds):.1f} s")

    lab.step("What comes then belongs to no connection", claims="C86")
    peer.send("FA")
    peer.expect("R", seq=2)


@scenario(section="RFC 9293 3.6", short={FIN_TIMEOUT: 1})
def an_owner_waits_for_ever(lab: Lab) -> None:
    """After shutdown() a program still has the socket: no timer ends its half of the connection."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.fin_wait_2()

    lab.step("No timer runs, and long after tcp_fin_timeout the connection is as it was", claims="C86")
    lab.kernel.expect_timer(peer, "")
    seconds = 2 * int(lab.kernel.sysctl(FIN_TIMEOUT))
    peer.expect_silence(during=seconds)
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.kernel.expect_timer(peer, "")
    lab.measured("C86", f"after shutdown(): no timer, still in FIN-WAIT-2 after {seconds} s")

    lab.step("Its program can still read what the other side has to say", claims="C86")
    peer.send("PA", payload="at last")
    peer.expect("A", seq=2, ack=8)
    connection.expect_data("at last")


@scenario(section="RFC 1122 4.2.2.13; tcp(7) tcp_fin_timeout", sysctls={FIN_TIMEOUT: 120}, short={FIN_TIMEOUT: 62})
def more_than_a_minute_is_counted_twice(lab: Lab) -> None:
    """What tcp_fin_timeout has above a minute is waited for twice, and the minute itself not at all.

    So 120 s are 60 s and 60 s, as they should be, but 62 s are no more than 2 s and 2 s.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open().close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")

    lab.step("First the whole socket waits, on the timer that keeps connections alive", claims="C86")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    above, again = lab.kernel.fin_wait_2_timers(peer)
    lab.kernel.expect_timer(peer, "keepalive", above)

    lab.step("Then a small one takes its place, for the same time once more", claims="C86")
    gone = lab.kernel.expect_gone(peer, after=above + again)
    lab.measured("C86", f"{FIN_TIMEOUT} = {lab.kernel.sysctl(FIN_TIMEOUT)}: gone after {gone:.1f} s")


@scenario(section="RFC 1122 4.2.2.13; tcp(7) TCP_LINGER2", short={})
def patience_of_one_socket(lab: Lab) -> None:
    """TCP_LINGER2 takes the place of tcp_fin_timeout for one socket, and a negative one means: no patience at all."""
    server = lab.kernel.listen(port=80)

    lab.step("None: as soon as the FIN is acknowledged the other side is told by a reset to forget it", claims="C86")
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.set_option("TCP_LINGER2", -1)
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")
    peer.expect("R", seq=2)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.measured("C86", "TCP_LINGER2 = -1: R as soon as the FIN is acknowledged")

    lab.step("Two seconds, whatever tcp_fin_timeout says", claims="C86")
    peer = lab.peer(to=server)
    connection = peer.open()
    connection.set_option("TCP_LINGER2", 2)
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")
    (seconds,) = lab.kernel.fin_wait_2_timers(peer, 2)
    lab.kernel.expect_timer(peer, "time-wait", seconds)
    lab.measured("C86", f"TCP_LINGER2 = 2: gone after {lab.kernel.expect_gone(peer, after=seconds):.1f} s")
