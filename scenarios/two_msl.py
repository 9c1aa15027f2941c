"""The timer of TIME-WAIT: how long it runs, what restarts it, and what does not shorten it."""

from lab import Lab, scenario

MINUTE = 60.0
"""TCP_TIMEWAIT_LEN in seconds: a constant of Linux, not a setting."""


@scenario(section="RFC 9293 3.3.2 figure 5, 3.4.2, 3.6.1, 3.10.8", short={})
def the_wait_lasts_a_minute(lab: Lab) -> None:
    """TIME-WAIT lasts two maximum segment lifetimes: four minutes in the RFC, one minute in Linux.

    An ordinary run reads the timer; only a run with --full waits for its end.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.fin_wait_2()

    lab.step("The last FIN is acknowledged: TIME-WAIT, and its timer runs", claims="C110 C112")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.kernel.expect_timer(peer, "time-wait", MINUTE)
    lab.measured("C112", f"a timer of {lab.kernel.inet_diag(peer).expires_ms / 1000:.0f} s")

    lab.step("A small entry replaces the socket: a program that still has the socket sees it closed", claims="C110")
    lab.verify("TCP_INFO of the socket in TIME-WAIT", {}, lab.kernel.tcp_info(peer))
    lab.verify("the state in TCP_INFO of the descriptor (7: CLOSED)", 7, connection.tcp_info()["state"])

    if lab.full:
        lab.step("The timer expires: the connection is gone, and nothing was sent", claims="C110 C112")
        gone = lab.kernel.expect_gone(peer, after=MINUTE)
        lab.measured("C110", f"TIME-WAIT gone after {gone:.1f} s")
        lab.measured("C112", f"TIME-WAIT gone after {gone:.1f} s")
        peer.send("FA", seq=1)
        peer.expect("R", seq=2)


@scenario(section="RFC 9293 3.4.2; tcp(7) tcp_fin_timeout", sysctls={"net.ipv4.tcp_fin_timeout": 5}, short={})
def no_setting_changes_the_wait(lab: Lab) -> None:
    """tcp_fin_timeout is often taken for the length of TIME-WAIT. It is that of FIN-WAIT-2, and has no effect here."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open().close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")

    lab.step("FIN-WAIT-2 has a timer of the time that was set", claims="C113")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    (seconds,) = lab.kernel.fin_wait_2_timers(peer)
    lab.kernel.expect_timer(peer, "time-wait", seconds)

    lab.step("TIME-WAIT has a timer of a minute", claims="C113")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.kernel.expect_timer(peer, "time-wait", MINUTE)
    left = lab.kernel.inet_diag(peer).expires_ms / 1000
    lab.measured("C113", f"{seconds:.0f} s of FIN-WAIT-2 before it, and still {left:.0f} s")

    if lab.full:
        lab.step("It ends after a minute", claims="C113")
        gone = lab.kernel.expect_gone(peer, after=MINUTE)
        lab.measured("C113", f"gone after {gone:.1f} s")


@scenario(section="RFC 9293 3.10.7.4 fifth, eighth", short={})
def a_fin_begins_the_wait_anew(lab: Lab) -> None:
    """The FIN is sent again because the last ACK was lost: it is acknowledged again, and TIME-WAIT starts anew."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open()
    peer.fin_wait_2()
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)

    lab.step("A second of TIME-WAIT has passed", claims="C114")
    peer.expect_silence(during=1)
    lab.kernel.expect_timer(peer, "time-wait", MINUTE)
    before = lab.kernel.inet_diag(peer).expires_ms / 1000

    lab.step("The FIN again: the ACK again, and the timer restarts", claims="C114")
    peer.send("FA", seq=1)
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_timer(peer, "time-wait", MINUTE)  # since this FIN, not since the first
    after = lab.kernel.inet_diag(peer).expires_ms / 1000
    lab.measured("C114", f"timer at {before:.1f} s, after the second FIN at {after:.1f} s")
