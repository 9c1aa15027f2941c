"""Exhaustion: ports that are all in TIME-WAIT, and sockets that a program does not close."""

from lab import Lab, Peer, scenario

FOUR_PORTS = {"net.ipv4.ip_local_port_range": "45000 45003"}
REUSE_DELAY = "net.ipv4.tcp_tw_reuse_delay"
SERVER = 80


def open_and_close(lab: Lab, peer: Peer) -> Peer:
    """One connection that the kernel opens and closes first: it ends in TIME-WAIT."""
    lab.kernel.connect(to=peer)
    connection = peer.open()
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    return peer


def number_of_ports(lab: Lab) -> int:
    """The number of ports that the kernel chooses from when it opens a connection."""
    first, last = map(int, lab.kernel.sysctl("net.ipv4.ip_local_port_range").split())
    return last - first + 1


def wait_for_reuse(lab: Lab, last: Peer) -> None:
    """Wait until the connection to this peer has been in TIME-WAIT for as long as reuse demands."""
    delay_ms = int(lab.kernel.sysctl(REUSE_DELAY, missing="1000"))
    last.expect_silence(during=delay_ms / 1000 + 0.05)


@scenario(section="RFC 9293 3.6.1, RFC 6056 2.3", sysctls=FOUR_PORTS)
def four_ports(lab: Lab) -> None:
    """The side that closes first keeps the port for a minute: with four ports the fifth connection fails.

    The four-tuple is in use, not the port: for any other port of the server the same port is free.
    """
    lab.step("A connection from every port, and each ends in TIME-WAIT", claims="C117")
    for _ in range(number_of_ports(lab)):
        open_and_close(lab, lab.peer(port=SERVER))

    lab.step("One more to the same server: connect() finds no port", claims="C117")
    lab.kernel.connect(to=lab.peer(port=SERVER), error="EADDRNOTAVAIL")

    lab.step("Another port of the same server: the same four ports again", claims="C117")
    other = lab.peer(port=SERVER + 1)
    lab.kernel.connect(to=other)
    other.open()


@scenario(section="RFC 9293 3.6.1, RFC 6056 2.3", alone=True)
def all_ports(lab: Lab) -> None:
    """The same with all ports of the default range: after 28,232 connections in a minute the next one fails."""
    ports = number_of_ports(lab)

    lab.step("The first connection", claims="C117")
    first = open_and_close(lab, lab.peer(port=SERVER))

    lab.step("The others: every segment of the kernel is like that of the first", claims="C117")
    lab.crowd(like=first, count=ports - 1)
    waiting = lab.kernel.count("TIME-WAIT")
    lab.verify("connections in TIME-WAIT", ports, waiting)

    lab.step("One more to the same server: connect() finds no port", claims="C117")
    lab.kernel.connect(to=lab.peer(port=SERVER), error="EADDRNOTAVAIL")
    lab.measured("C117", f"EADDRNOTAVAIL after {waiting:,} connections")

    lab.step("Another port of the same server", claims="C117")
    other = lab.peer(port=SERVER + 1)
    lab.kernel.connect(to=other)
    other.open()


@scenario(section="RFC 9293 3.6.1", sysctls=FOUR_PORTS)
def one_long_connection(lab: Lab) -> None:
    """TIME-WAIT follows each connection, not each request: one connection can carry any number of requests."""
    requests = 3 * number_of_ports(lab)
    peer = lab.peer(port=SERVER)
    lab.kernel.connect(to=peer)
    connection = peer.open()

    lab.step("More requests than there are ports, one after the other over one connection", claims="C119")
    for number in range(requests):
        connection.send("request")
        peer.expect("PA", seq=1 + 7 * number, ack=1 + 6 * number, payload="request")
        peer.send("PA", payload="answer")
        peer.expect("A", seq=8 + 7 * number, ack=7 + 6 * number)
        connection.expect_data("answer")
    lab.verify("connections in TIME-WAIT", 0, lab.kernel.count("TIME-WAIT"))

    lab.step("It ends with one connection in TIME-WAIT", claims="C119")
    connection.close()
    peer.expect("FA")
    peer.send("FA")
    peer.expect("A")
    lab.verify("connections in TIME-WAIT", 1, lab.kernel.count("TIME-WAIT"))


@scenario(section="RFC 9293 3.6.1", sysctls=FOUR_PORTS)
def more_source_ports(lab: Lab) -> None:
    """A longer range of ports allows as many more connections in the same minute."""
    lab.step("Every port is in TIME-WAIT", claims="C119")
    ports = number_of_ports(lab)
    for _ in range(ports):
        open_and_close(lab, lab.peer(port=SERVER))
    waiting = lab.peer(port=SERVER)
    lab.kernel.connect(to=waiting, error="EADDRNOTAVAIL")

    lab.step("With a longer range the next connection finds a port", claims="C119")
    first, last = map(int, lab.kernel.sysctl("net.ipv4.ip_local_port_range").split())
    lab.kernel.sysctl("net.ipv4.ip_local_port_range", f"{first} {last + ports}")
    open_and_close(lab, waiting)
    lab.verify("connections in TIME-WAIT", ports + 1, lab.kernel.count("TIME-WAIT"))


@scenario(section="RFC 6191 2, RFC 7323 appendix B.2", sysctls=FOUR_PORTS, short={})
def reuse_with_timestamps(lab: Lab) -> None:
    """With tcp_tw_reuse=1 a new connection may replace one in TIME-WAIT, as soon as its timestamps are newer.

    Old segments then have older timestamps than the new SYN, and the other side can detect them.
    """
    ports = number_of_ports(lab)
    lab.step("Every port is in TIME-WAIT, and both sides used timestamps", claims="C118")
    old = [open_and_close(lab, lab.peer(port=SERVER, timestamps=True)) for _ in range(ports)]
    wait_for_reuse(lab, old[-1])

    lab.step("The next connection replaces an old one", claims="C118")
    lab.kernel.sysctl("net.ipv4.tcp_tw_reuse", 1)  # not earlier: a slow machine would reuse a port too soon
    new = lab.peer(port=SERVER, timestamps=True)
    known = "the SYN that takes the place of a connection in TIME-WAIT echoes its last timestamp"
    with lab.deviation("tsecr", known):  # also in a retransmission of the SYN
        lab.kernel.connect(to=new)
        new.expect("S")
        lab.verify("from the port of an old one", True, new.kernel_port in [peer.kernel_port for peer in old])
        new.send("SA")
        new.expect("A", seq=1, ack=1)
    lab.verify("connections in TIME-WAIT", ports - 1, lab.kernel.count("TIME-WAIT"))
    lab.verify("TcpExtTWRecycled", 1, lab.kernel.counter("TcpExtTWRecycled"))
    lab.conclude("C118", "1 with timestamps: used again")


@scenario(section="RFC 6191 2", sysctls={**FOUR_PORTS, "net.ipv4.tcp_tw_reuse": 1, REUSE_DELAY: 60_000})
def reuse_not_too_soon(lab: Lab) -> None:
    """tcp_tw_reuse_delay is the shortest time in TIME-WAIT before reuse. In older kernels it is a second."""
    lab.step("Every port is in TIME-WAIT, but none for as long as this delay", claims="C118")
    for _ in range(number_of_ports(lab)):
        open_and_close(lab, lab.peer(port=SERVER, timestamps=True))
    lab.kernel.connect(to=lab.peer(port=SERVER), error="EADDRNOTAVAIL")
    lab.conclude("C118", f"{REUSE_DELAY} = {lab.kernel.sysctl(REUSE_DELAY)}: not before")


@scenario(section="RFC 6191 2", sysctls={**FOUR_PORTS, "net.ipv4.tcp_tw_reuse": 1}, short={})
def no_reuse_without_timestamps(lab: Lab) -> None:
    """Without timestamps old and new segments cannot be distinguished, and tcp_tw_reuse has no effect."""
    lab.step("Every port is in TIME-WAIT, without timestamps, for longer than the delay", claims="C118")
    for _ in range(number_of_ports(lab)):
        peer = open_and_close(lab, lab.peer(port=SERVER))
    wait_for_reuse(lab, peer)
    lab.kernel.connect(to=lab.peer(port=SERVER), error="EADDRNOTAVAIL")
    lab.conclude("C118", "1 without timestamps: not")


@scenario(section="RFC 9293 3.6.1", sysctls=FOUR_PORTS, short={})
def no_reuse_by_default(lab: Lab) -> None:
    """The default, tcp_tw_reuse=2, concerns the loopback interface only. Elsewhere it has the effect of 0."""
    lab.step("Every port is in TIME-WAIT, with timestamps, for longer than the delay", claims="C118")
    for _ in range(number_of_ports(lab)):
        peer = open_and_close(lab, lab.peer(port=SERVER, timestamps=True))
    wait_for_reuse(lab, peer)

    lab.step("With neither value the kernel reuses a port", claims="C118")
    waiting = lab.peer(port=SERVER)
    for value in (2, 0):
        lab.kernel.sysctl("net.ipv4.tcp_tw_reuse", value)
        lab.kernel.connect(to=waiting, error="EADDRNOTAVAIL")
    lab.conclude("C118", "2 or 0: not")


@scenario(section="RFC 9293 3.6.1")
def a_server_that_starts_again(lab: Lab) -> None:
    """A server that has closed first cannot be started again for a minute, unless it sets SO_REUSEADDR.

    The option must be set in both runs: it counts on the old socket and on the new one.
    """
    for number, (first_run, second_run) in enumerate([(0, 0), (0, 1), (1, 1)]):
        port = SERVER + number
        lab.step(f"SO_REUSEADDR is {first_run} in the first run and {second_run} in the second", claims="C119")
        server = lab.kernel.listen(port=port, options={"SO_REUSEADDR": first_run})
        peer = lab.peer(to=server)
        connection = peer.open()
        connection.close()
        peer.expect("FA", seq=1, ack=1)
        peer.send("FA")
        peer.expect("A", seq=2, ack=2)
        lab.kernel.expect_state(peer, "TIME-WAIT")
        server.close()
        allowed = first_run and second_run
        lab.kernel.listen(port=port, options={"SO_REUSEADDR": second_run}, error="" if allowed else "EADDRINUSE")


@scenario(section="RFC 9293 3.6 case 2, 3.10.4")
def a_thousand_forgotten(lab: Lab) -> None:
    """The other side has closed and the program does not: each such connection stays until the program ends.

    No timer ends CLOSE-WAIT. The number of connections in it is the number of missing calls of close().
    """
    leaks = 1000
    server = lab.kernel.listen(port=80, backlog=leaks)

    lab.step("The client closes, and the program does not", claims="C99")
    peer = lab.peer(to=server)
    connection = peer.open()
    peer.send("FA")
    peer.expect("A", seq=1, ack=2)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")

    lab.step("The same 999 times more", claims="C99")
    lab.crowd(like=peer, count=leaks - 1)
    lab.verify("connections in CLOSE-WAIT", leaks, lab.kernel.count("CLOSE-WAIT"))
    lab.verify("timers of all of them", {""}, lab.kernel.timers("CLOSE-WAIT"))

    lab.step(
        "Much later the program sends data: the client has no connection any more, and answers with a reset",
        claims="C99",
    )
    connection.send("are you there?")
    peer.expect("PA", seq=1, ack=2, payload="are you there?")
    peer.send("R")
    lab.kernel.expect_state(peer, "CLOSED")
    connection.send("anybody?", error="EPIPE")
    lab.verify("connections in CLOSE-WAIT", leaks - 1, lab.kernel.count("CLOSE-WAIT"))
