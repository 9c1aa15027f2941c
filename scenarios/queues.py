"""Where connections wait: half-open ones in the SYN queue or in a cookie, established ones in the accept queue."""

from lab import ANY, Lab, scenario
from lab.tcp.options import timestamp

CLIENTS = 14
BACKLOG = 8
FLOOD = 10_000
NO_COOKIES, COOKIES_WHEN_FULL, COOKIES_ALWAYS = ({"net.ipv4.tcp_syncookies": value} for value in (0, 1, 2))


@scenario(section="RFC 9293 3.10.7.2")
def a_full_accept_queue(lab: Lab) -> None:
    """Established connections wait in a queue for accept(). While it is full, the kernel ignores SYNs.

    It has room for one connection more than the backlog. After silence the client tries again, after a reset it fails.
    """
    server = lab.kernel.listen(port=80, backlog=1)

    lab.step("A backlog of 1, and no call of accept(): two connections become ESTABLISHED", claims="C60")
    for _ in range(2):
        peer = lab.peer(to=server).syn_received()
        peer.send("A")
        lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("The third SYN is not answered, only a counter shows it", claims="C6 C60")
    third = lab.peer(to=server)
    third.send("S")
    third.expect_silence()
    lab.kernel.expect_state(third, "CLOSED")
    lab.verify("TcpExtListenOverflows", 1, lab.kernel.counter("TcpExtListenOverflows"))

    lab.step("The application accepts one connection: the same SYN, sent again, is answered", claims="C60")
    server.accept()
    third.send("S", seq=0)
    third.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(third, "SYN-RECEIVED")


@scenario(section="RFC 9293 3.10.7.4")
def a_third_segment_finds_no_room(lab: Lab) -> None:
    """A client may be ESTABLISHED while the server has dropped its third segment.

    The accept queue was full when that segment came. The client's next segments are dropped too, until the application
    has made room.
    """
    server = lab.kernel.listen(port=80, backlog=2)
    late = lab.peer(to=server).syn_received()
    for _ in range(3):
        lab.peer(to=server).syn_received().send("A")
    lab.verify("ESTABLISHED, waiting for accept()", 3, lab.kernel.count("ESTABLISHED"))

    lab.step("The third segment of the fourth client: dropped, and still SYN-RECEIVED", claims="C59 C60")
    late.send("A")
    late.expect_silence()
    lab.kernel.expect_state(late, "SYN-RECEIVED")
    lab.verify("TcpExtListenOverflows", 1, lab.kernel.counter("TcpExtListenOverflows"))

    lab.step("The client is ESTABLISHED and sends data: dropped as well", claims="C59 C60")
    late.send("PA", payload="hello")
    late.expect_silence()
    lab.kernel.expect_state(late, "SYN-RECEIVED")

    lab.step("accept() makes room, and the data, sent again, also serves as the third segment", claims="C59 C60 C73")
    server.accept()
    late.send("PA", seq=1, payload="hello")
    late.expect("A", seq=1, ack=6)
    lab.kernel.expect_state(late, "ESTABLISHED")
    server.accept()
    server.accept()
    server.accept().expect_data("hello")


@scenario(section="RFC 9293 3.10.7.4", sysctls={"net.ipv4.tcp_abort_on_overflow": 1})
def a_third_segment_is_refused(lab: Lab) -> None:
    """With tcp_abort_on_overflow the kernel sends a reset when the accept queue has no room for the client."""
    server = lab.kernel.listen(port=80, backlog=2)
    late = lab.peer(to=server).syn_received()
    for _ in range(3):
        lab.peer(to=server).syn_received().send("A")
    lab.verify("ESTABLISHED, waiting for accept()", 3, lab.kernel.count("ESTABLISHED"))

    lab.step("The third segment of the fourth client", claims="C59 C60")
    late.send("A")
    late.expect("R", seq=1)
    lab.kernel.expect_state(late, "CLOSED")


@scenario(section="RFC 4987 3.6", sysctls=COOKIES_WHEN_FULL)
def cookies_when_the_syn_queue_is_full(lab: Lab) -> None:
    """Every SYN is answered, however many come: when the SYN queue is full, the kernel stops remembering them.

    It then encodes what it has to know in the sequence number of its SYN+ACK, and decodes it from the third segment.
    """
    server = lab.kernel.listen(port=80, backlog=BACKLOG)

    lab.step("More clients than the queue has room for, and all of them are answered", claims="C6 C60")
    for _ in range(CLIENTS):
        peer = lab.peer(to=server)
        peer.send("S")
        peer.expect("SA", seq=0, ack=1)

    lab.step("The queue is as long as the backlog; newer kernels take one more", claims="C6 C60")
    waiting = lab.kernel.count("SYN-RECEIVED")
    lab.verify_between("SYN-RECEIVED", BACKLOG, waiting, BACKLOG + 1)

    lab.step("All others got a cookie, and the kernel has no state of them", claims="C6 C60")
    lab.verify("TcpExtSyncookiesSent", CLIENTS - waiting, lab.kernel.counter("TcpExtSyncookiesSent"))
    lab.kernel.expect_state(peer, "CLOSED")

    lab.step("The third segment returns the cookie, and the connection opens", claims="C60")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.verify("TcpExtSyncookiesRecv", 1, lab.kernel.counter("TcpExtSyncookiesRecv"))
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
    server.accept().expect_data("hello")


@scenario(
    section="RFC 4987 2.2",
    sysctls={**NO_COOKIES, "net.ipv4.tcp_max_syn_backlog": BACKLOG},
)
def no_cookies(lab: Lab) -> None:
    """Without cookies a few SYNs without a third segment keep all other clients out.

    The last quarter of tcp_max_syn_backlog is reserved for hosts that the kernel knows from earlier connections.
    """
    server = lab.kernel.listen(port=80, backlog=2 * BACKLOG)
    most = int(lab.kernel.sysctl("net.ipv4.tcp_max_syn_backlog"))
    room = most - most // 4 + 1  # net/ipv4/tcp_input.c: dropped when less than a quarter is left

    lab.step("The first ones are answered, as long as a quarter of the queue is free", claims="C60")
    for _ in range(room):
        peer = lab.peer(to=server)
        peer.send("S")
        peer.expect("SA", seq=0, ack=1)
    lab.verify("SYN-RECEIVED", room, lab.kernel.count("SYN-RECEIVED"))

    lab.step("All further SYNs are not answered", claims="C6 C60")
    for _ in range(CLIENTS - room):
        peer = lab.peer(to=server)
        peer.send("S")
        peer.expect_silence()
    lab.verify("SYN-RECEIVED", room, lab.kernel.count("SYN-RECEIVED"))
    lab.verify("TcpExtListenDrops", CLIENTS - room, lab.kernel.counter("TcpExtListenDrops"))


@scenario(section="RFC 4987 2.2", sysctls=NO_COOKIES)
def no_cookies_and_a_short_backlog(lab: Lab) -> None:
    """The backlog limits the SYN queue as well, and not only the accept queue."""
    server = lab.kernel.listen(port=80, backlog=BACKLOG)

    lab.step("There are two limits for half-open connections, and the lower one counts: here the backlog", claims="C60")
    peers = [lab.peer(to=server) for _ in range(CLIENTS)]
    for peer in peers:
        peer.send("S")
    waiting = lab.kernel.count("SYN-RECEIVED")
    lab.verify_between("SYN-RECEIVED", BACKLOG, waiting, BACKLOG + 1)
    for peer in peers[:waiting]:
        peer.expect("SA", seq=0, ack=1)
    for peer in peers[waiting:]:
        peer.expect_silence()
    lab.verify("TcpExtTCPReqQFullDrop", CLIENTS - waiting, lab.kernel.counter("TcpExtTCPReqQFullDrop"))


@scenario(section="RFC 4987 3.6", sysctls=COOKIES_ALWAYS)
def nothing_but_cookies(lab: Lab) -> None:
    """With tcp_syncookies=2 the kernel never remembers a SYN: no connection is ever in SYN-RECEIVED."""
    server = lab.kernel.listen(port=80)

    lab.step("Every SYN is answered, and no state is kept", claims="C60")
    for _ in range(CLIENTS):
        peer = lab.peer(to=server)
        peer.send("S")
        peer.expect("SA", seq=0, ack=1)
    lab.verify("SYN-RECEIVED", 0, lab.kernel.count("SYN-RECEIVED"))
    lab.verify("TcpExtSyncookiesSent", CLIENTS, lab.kernel.counter("TcpExtSyncookiesSent"))

    lab.step("A guessed number is not a cookie: a reset", claims="C60")
    peer.send("A", ack=1001)
    peer.expect("R", seq=1001)
    lab.kernel.expect_state(peer, "CLOSED")
    lab.verify("TcpExtSyncookiesFailed", 1, lab.kernel.counter("TcpExtSyncookiesFailed"))

    lab.step("The right cookie: from CLOSED to ESTABLISHED in one step", claims="C60")
    peer.send("A", ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 4987 3.6", sysctls=COOKIES_ALWAYS)
def what_a_cookie_forgets(lab: Lab) -> None:
    """A cookie has room for three bits of the client's MSS, and none for its other options: they are lost."""
    server = lab.kernel.listen(port=80)
    table = (536, 1300, 1440, 1460) if lab.family == 4 else (1220, 1420, 1440, 8940)  # net/ipv{4,6}/syncookies.c
    offered = 1400
    kept, next_one = max(size for size in table if size <= offered), min(size for size in table if size > offered)
    peer = lab.peer(to=server, mss=offered, window_scale=7, sack_permitted=True)

    lab.step("The client offers a window scale and SACK, and the answer accepts neither", claims="C60")
    peer.send("S")
    peer.expect("SA", seq=0, ack=1, options=[("MSS", lab.kernel.mss)])

    lab.step("Its MSS is rounded down to an entry of a table", claims="C60")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    info = server.accept().tcp_info()
    lab.verify("MSS to send with", kept, info["snd_mss"])
    lab.verify("window scale and SACK agreed on", (0, 0), (info["wscale"], info["sack"]))

    lab.step("The entry's number is added to the cookie: one that is off by one means the next entry", claims="C60")
    another = lab.peer(to=server, mss=offered)
    another.send("S")
    another.expect("SA", seq=0, ack=1)
    another.send("A", ack=2)
    lab.kernel.expect_state(another, "ESTABLISHED")
    lab.verify("MSS to send with", next_one, server.accept().tcp_info()["snd_mss"])


@scenario(section="RFC 4987 3.6, RFC 7323 3.2", sysctls={**COOKIES_ALWAYS, "net.ipv4.tcp_timestamps": 2})
def what_timestamps_keep_for_a_cookie(lab: Lab) -> None:
    """With timestamps no option is lost: the kernel encodes the options in its timestamp, which the client echoes.

    tcp_timestamps=2 leaves out the random offset of the clock, so that the options can be read in it.
    """
    server = lab.kernel.listen(port=80)
    shift = 7
    peer = lab.peer(to=server, window_scale=shift, sack_permitted=True, timestamps=True)

    lab.step("The answer accepts every option", claims="C60")
    peer.send("S")
    answer = peer.expect(
        "SA",
        seq=0,
        ack=1,
        options=[
            ("MSS", lab.kernel.mss),
            ("SAckOK", b""),
            ("Timestamp", (ANY, ANY)),
            ("NOP", None),
            ("WScale", lab.kernel.window_scale),
        ],
    )

    lab.step("The low bits of its TSval are not time: four for the window scale, one for SACK", claims="C60")
    value, _ = timestamp(answer.options) or (0, 0)
    lab.verify("the last five bits of TSval", f"1{shift:04b}", f"{value & 0b11111:05b}")

    lab.step("The third segment echoes them, and the connection has all its options", claims="C60")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    info = server.accept().tcp_info()
    lab.verify("the client's window scale", shift, info["snd_wscale"])
    lab.verify("window scale and SACK agreed on", (1, 1), (info["wscale"], info["sack"]))


@scenario(section="RFC 4987 3.6", sysctls=COOKIES_WHEN_FULL, alone=True)
def ten_thousand_cookies(lab: Lab) -> None:
    """A SYN flood: many clients send one segment each. With cookies all are answered, and an honest one connects."""
    backlog = 256
    server = lab.kernel.listen(port=80, backlog=backlog)
    first = lab.peer(to=server).syn_received()

    lab.step("The first few hundred fill the queue", claims="C6 C60")
    lab.crowd(like=first, count=backlog)
    waiting = lab.kernel.count("SYN-RECEIVED")
    lab.verify_between("SYN-RECEIVED", backlog, waiting, backlog + 1)
    # On a slow machine a request that was dropped meanwhile has made room for the last one.
    sent = lab.kernel.counter("TcpExtSyncookiesSent")
    lab.verify_between("TcpExtSyncookiesSent", 0, sent, backlog + 1 - waiting)

    lab.step("All others are answered too, with cookies", claims="C6 C60")
    lab.crowd(like=first, count=FLOOD - backlog - 1)
    cookies = lab.kernel.counter("TcpExtSyncookiesSent")
    # After seven seconds a full queue drops its first requests, and has room for new ones.
    lab.verify_between("TcpExtSyncookiesSent", FLOOD - 2 * waiting, cookies, FLOOD - waiting)
    lab.measured("C60", f"{FLOOD:,} SYNs: {FLOOD - cookies:,} remembered, {cookies:,} cookies, all answered")

    lab.step("During the flood an honest client connects", claims="C6 C60")
    honest = lab.peer(to=server)
    honest.send("S")
    honest.expect("SA", seq=0, ack=1)
    honest.send("A")
    lab.kernel.expect_state(honest, "ESTABLISHED")


@scenario(section="RFC 4987 2.2", sysctls={**NO_COOKIES, "net.ipv4.tcp_max_syn_backlog": 256}, alone=True)
def ten_thousand_without_cookies(lab: Lab) -> None:
    """The same flood without cookies: a few hundred are answered, the others and the honest client are not."""
    server = lab.kernel.listen(port=80, backlog=4096)
    most = int(lab.kernel.sysctl("net.ipv4.tcp_max_syn_backlog"))
    room = most - most // 4 + 1
    first = lab.peer(to=server).syn_received()

    lab.step("Three quarters of tcp_max_syn_backlog are answered, and one more", claims="C6 C60")
    lab.crowd(like=first, count=FLOOD - 1, answered=room - 1)
    waiting, dropped = lab.kernel.count("SYN-RECEIVED"), lab.kernel.counter("TcpExtListenDrops")
    lab.verify("SYN-RECEIVED", room, waiting)
    lab.verify("TcpExtListenDrops", FLOOD - room, dropped)
    lab.measured("C6", f"{waiting:,} half-open connections keep {dropped:,} others out")

    lab.step("The honest client is not answered", claims="C6 C60")
    honest = lab.peer(to=server)
    honest.send("S")
    honest.expect_silence()
