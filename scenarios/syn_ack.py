"""The second segment: the fields of a server's SYN+ACK, and which of them depend on the client's SYN."""

from lab import ANY, ZERO, Lab, scenario

NOP, SACK = ("NOP", None), ("SAckOK", b"")


@scenario(section="RFC 9293 3.10.7.2")
def the_kernel_agrees_by_itself(lab: Lab) -> None:
    """The application is not asked: the kernel answers the SYN, opens the connection and accepts data for it.

    accept() only returns a connection that is open already.
    """
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)

    lab.step("The application does nothing, and the SYN is answered", claims="C47")
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    server.accept(error="EAGAIN")

    lab.step("The connection opens, and data is acknowledged", claims="C47")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    peer.send("PA", payload="is anybody there?")
    peer.expect("A", seq=1, ack=18)

    lab.step("The application accepts the connection, and reads all data", claims="C47")
    server.accept().expect_data("is anybody there?")
    lab.conclude("C47", "ESTABLISHED, and 17 bytes acknowledged, before accept()")


@scenario(section="RFC 9293 3.4, 3.5 figure 6")
def it_acknowledges_the_number_of_the_syn(lab: Lab) -> None:
    """SYN and ACK in one segment. Its acknowledgment number is the SYN's number plus one, modulo 2**32."""
    server = lab.kernel.listen(port=80)
    for iss in (0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1):
        lab.step(f"x = {iss}: the answer acknowledges {(iss + 1) % 2**32}", claims="C29 C48 C50")
        peer = lab.peer(to=server, iss=iss)
        peer.send("S")
        answer = peer.expect("SA", seq=0, urgent=ZERO)
        lab.verify("acknowledgment number as it stands on the wire", (iss + 1) % 2**32, int(answer.ack))
        lab.kernel.expect_state(peer, "SYN-RECEIVED")


@scenario(section="RFC 3168 6.1.1")
def it_agrees_to_ecn(lab: Lab) -> None:
    """A SYN that asks for ECN is answered with ECE alone if the kernel agrees, and with neither bit if not."""
    server = lab.kernel.listen(port=80)

    lab.step("By default the kernel agrees when it is asked", claims="C48")
    peer = lab.peer(to=server)
    peer.send("SEC")
    peer.expect("SAE", seq=0, ack=1)

    lab.step("If it is not asked, it sets neither bit", claims="C48")
    peer = lab.peer(to=server)
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)

    lab.step("With tcp_ecn=0 it does not agree", claims="C48")
    lab.kernel.sysctl("net.ipv4.tcp_ecn", 0)
    peer = lab.peer(to=server)
    peer.send("SEC")
    peer.expect("SA", seq=0, ack=1)


@scenario(section="RFC 7323 1.3, 2.2, 3.2, RFC 2018 2")
def options_come_back_only_if_offered(lab: Lab) -> None:
    """The MSS is always there. Window scale, timestamps and SACK each come only if the SYN offered them."""
    server = lab.kernel.listen(port=80)
    mss, scale = ("MSS", lab.kernel.mss), ("WScale", lab.kernel.window_scale)

    lab.step("A SYN with only an MSS", claims="C52 C53")
    peer = lab.peer(to=server)
    peer.send("S", options=[("MSS", 1460)])
    peer.expect("SA", options=[mss])

    lab.step("A SYN without any option: the kernel still sends its MSS", claims="C51 C53")
    peer = lab.peer(to=server)
    peer.send("S", options=[])
    peer.expect("SA", options=[mss])

    lab.step("Window scale: the kernel sends its own, whatever the peer's is", claims="C52")
    for shift in (0, 2, 14):
        peer = lab.peer(to=server)
        peer.send("S", options=[("MSS", 1460), NOP, ("WScale", shift)])
        peer.expect("SA", options=[mss, NOP, scale])

    lab.step("Timestamps: TSecr repeats the peer's TSval", claims="C53")
    for tsval in (1000, 0xFFFF_FFFF):
        peer = lab.peer(to=server)
        peer.send("S", options=[("MSS", 1460), NOP, NOP, ("Timestamp", (tsval, 0))])
        peer.expect("SA", options=[mss, NOP, NOP, ("Timestamp", (ANY, tsval))])

    lab.step("SACK-permitted", claims="C53")
    peer = lab.peer(to=server)
    peer.send("S", options=[("MSS", 1460), NOP, NOP, SACK])
    peer.expect("SA", options=[mss, NOP, NOP, SACK])

    lab.step("The kernel does not agree to an option that is switched off", claims="C52 C53")
    for name in ("tcp_window_scaling", "tcp_timestamps", "tcp_sack"):
        lab.kernel.sysctl(f"net.ipv4.{name}", 0)
    peer = lab.peer(to=server, window_scale=2, timestamps=True, sack_permitted=True)
    peer.send("S")
    peer.expect("SA", options=[mss])


@scenario(section="RFC 9293 3.1, RFC 7323 2.2")
def its_window_is_not_scaled(lab: Lab) -> None:
    """The window of a SYN+ACK is half of the server's buffer, in whole segments, and not scaled."""
    server = lab.kernel.listen(port=80)
    room = int(lab.kernel.sysctl("net.ipv4.tcp_rmem").split()[1]) // 2

    lab.step("Whole segments of the kernel's MSS", claims="C54")
    window = min(room // lab.kernel.mss * lab.kernel.mss, 65535)
    for offered in (1, 65535):
        peer = lab.peer(to=server, window_scale=7)
        peer.send("S", window=offered)
        answer = peer.expect("SA", window=window)

    lab.step("With timestamps each segment carries twelve bytes less", claims="C54")
    segment = lab.kernel.mss - 12
    peer = lab.peer(to=server, window_scale=7, timestamps=True)
    peer.send("S")
    other = peer.expect("SA", window=min(room // segment * segment, 65535))
    lab.measured("C54", f"{answer.window} bytes, {other.window} with timestamps")

    lab.step("The window of the next segment is scaled, so the same size is a much smaller number", claims="C54")
    peer.send("A")
    peer.send("PA", payload="x")
    scaled = peer.expect("A", ack=2).window
    shift = lab.kernel.window_scale
    lab.verify_between("window in bytes", (room // segment - 1) * segment, scaled << shift, 65535 + (1 << shift))


@scenario(section="RFC 9293 3.10.7.4 first check, RFC 5961 7")
def a_syn_that_comes_twice(lab: Lab) -> None:
    """If the SYN+ACK is lost, the client sends its SYN again, and the kernel its answer with the same number.

    By its text RFC 9293 answers the second SYN with a bare ACK. Linux answers at most once in half a second.
    """
    lab.kernel.sysctl("net.ipv4.tcp_invalid_ratelimit", 3_600_000)
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.send("S")
    first = peer.expect("SA", seq=0, ack=1)

    lab.step("The same SYN again: the same answer at once", claims="C57")
    peer.send("S", seq=0)
    second = peer.expect("SA", seq=0, ack=1, options=list(first.options), window=first.window)
    lab.verify("sequence number as it stands on the wire", int(first.seq), int(second.seq))
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("A third one soon after (here: within an hour): no answer", claims="C57")
    peer.send("S", seq=0)
    peer.expect_silence()

    lab.step("The third segment opens the connection", claims="C57")
    peer.send("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    server.accept()
    server.accept(error="EAGAIN")
