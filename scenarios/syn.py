"""The first segment: each bit and each option of a client's SYN."""

from lab import ANY, ZERO, Lab, Peer, scenario
from lab.tcp.options import Option, timestamp

WORDS = 2**32
TIMESTAMPS, SACK, SCALING = "net.ipv4.tcp_timestamps", "net.ipv4.tcp_sack", "net.ipv4.tcp_window_scaling"


@scenario(section="RFC 9293 3.1, 3.5 figure 6")
def bits_of_a_syn(lab: Lab) -> None:
    """The first segment has only one control bit: there is nothing to acknowledge yet, and nothing to push."""
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)

    lab.step("The application connects, and its kernel sends the first segment", claims="C30 C31")
    syn = peer.expect("S", seq=0, urgent=ZERO)
    lab.verify("reserved bits", 0, syn.reserved)
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("Without the ACK bit the acknowledgment field has no meaning; the kernel leaves it zero", claims="C33")
    peer = lab.peer(port=81)
    lab.kernel.connect(to=peer)
    peer.expect("S", seq=0, ack=ZERO)
    lab.kernel.expect_state(peer, "SYN-SENT")


@scenario(section="RFC 3168 6.1.1")
def a_syn_may_ask_for_ecn(lab: Lab) -> None:
    """ECE and CWR are the bits of ECN (congestion marks). Both on a SYN ask whether the peer supports ECN."""
    lab.step("By default the kernel does not ask", claims="C31")
    lab.kernel.sysctl("net.ipv4.tcp_ecn", 2)
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)

    lab.step("With tcp_ecn=1 it sets ECE and CWR", claims="C31")
    lab.kernel.sysctl("net.ipv4.tcp_ecn", 1)
    peer = lab.peer(port=81)
    lab.kernel.connect(to=peer)
    peer.expect("SEC", seq=0)


@scenario(section="RFC 9293 3.7.1 SHLD-5, MUST-67")
def mss_is_what_the_host_can_receive(lab: Lab) -> None:
    """The MSS limits the data of a segment to this host. It comes from interface, route or socket option.

    It counts data only: IP header and fixed TCP header are subtracted, and the sender subtracts its options.
    """
    headers = 60 if lab.family == 6 else 40

    lab.step("The MTU of the interface, less the two headers", claims="C34")
    for at, mtu in enumerate((1500, 1400, 1280)):
        lab.kernel.set_mtu(mtu)
        peer = lab.peer(port=80 + at)
        lab.kernel.connect(to=peer)
        offered = dict(peer.expect("S", options=syn_options(lab, mss=mtu - headers)).options)
        lab.measured("C34", f"{offered['MSS']!r} with an MTU of {mtu}")

    lab.step("A route may have a smaller value", claims="C34")
    lab.kernel.set_mtu(1500)
    lab.kernel.set_route(advmss=1111)
    peer = lab.peer(port=90)
    lab.kernel.connect(to=peer)
    peer.expect("S", options=syn_options(lab, mss=1111))

    lab.step("So may a socket option", claims="C34")
    peer = lab.peer(port=91)
    lab.kernel.connect(to=peer, options={"TCP_MAXSEG": 600})
    peer.expect("S", options=syn_options(lab, mss=600))


@scenario(section="RFC 7323 2.2, 2.3")
def window_scale_fits_the_buffer(lab: Lab) -> None:
    """16 bits count to 65535. The scale is the shift of all later windows: large enough for the buffer.

    Linux offers the least shift with which its largest buffer fits, or the buffer that the application has set.
    """
    lab.step("The shift fits the largest buffer that a connection may grow to", claims="C35")
    for at, largest in enumerate((131072, 6291456, 2**30)):
        lab.kernel.sysctl("net.ipv4.tcp_rmem", f"4096 131072 {largest}")
        peer = lab.peer(port=80 + at)
        lab.kernel.connect(to=peer)
        offered = dict(peer.expect("S", options=syn_options(lab, scale=lab.kernel.window_scale)).options)
        lab.measured("C35", f"shift {offered['WScale']!r} with tcp_rmem up to {largest}")

    lab.step("If the application sets its buffer, the shift fits that; half of the buffer is for data", claims="C35")
    for at, wish in enumerate((4096, 100_000, 1 << 20)):
        peer = lab.peer(port=90 + at)
        client = lab.kernel.connect(to=peer, options={"SO_RCVBUF": wish})
        room = client.get_option("SO_RCVBUF") // 2
        offered = dict(peer.expect("S", options=syn_options(lab, scale=lab.kernel.shift_for(room))).options)
        lab.measured("C35", f"shift {offered['WScale']!r} with SO_RCVBUF {wish}")


@scenario(section="RFC 7323 2.3")
def a_scale_above_fourteen_counts_as_fourteen(lab: Lab) -> None:
    """A shift above 14 is not allowed. Linux takes a peer's 15 for 14, as the standard demands, and goes on."""
    server = lab.kernel.listen(port=80)
    for shift, used in ((3, 3), (14, 14), (15, 14), (255, 14)):
        lab.step(f"The peer offers {shift}, and the kernel uses {used}", claims="C35")
        peer = lab.peer(to=server, window_scale=shift).syn_received()
        peer.send("A", window=3)
        info = server.accept().tcp_info()
        lab.verify("window scale of the peer", used, info["snd_wscale"])
        if "snd_wnd" in info:  # since Linux 5.4
            lab.verify("window of the peer, in bytes", 3 << used, info["snd_wnd"])


@scenario(section="RFC 9293 3.1, RFC 7323 2.2")
def window_of_a_syn(lab: Lab) -> None:
    """The window of a SYN is half of the client's own buffer, in whole segments, and never scaled."""
    for at, buffer in enumerate((131072, 87380, 20000)):
        lab.kernel.sysctl("net.ipv4.tcp_rmem", f"4096 {buffer} 6291456")
        room = buffer // 2
        window = min(room // lab.kernel.mss * lab.kernel.mss, 65535)
        lab.step(f"A buffer of {buffer} bytes: {window // lab.kernel.mss} segments fit", claims="C38")
        peer = lab.peer(port=80 + at)
        lab.kernel.connect(to=peer)
        syn = peer.expect("S", window=window)
        lab.measured("C38", f"{syn.window} bytes for a buffer of {buffer}")


@scenario(section="RFC 7323 3.2, 5.4, 7.1")
def timestamps_count_milliseconds(lab: Lab) -> None:
    """TSval is a clock of milliseconds. Its offset is secret, so that it does not show the machine's uptime."""
    lab.step("With tcp_timestamps=2 there is no offset: TSval is the time since the machine was started", claims="C36")
    lab.kernel.sysctl(TIMESTAMPS, 2)
    before, tsval, after = one_timestamp(lab, lab.peer(port=80))
    lab.verify_between("milliseconds from the call to TSval", 0, (tsval - before) % WORDS, after - before)

    lab.step("With 1, the default, there is an offset (by chance it is zero once in some 10**9)", claims="C36")
    lab.kernel.sysctl(TIMESTAMPS, 1)
    peer = lab.peer(port=81)
    before, first, after = one_timestamp(lab, peer)
    lab.verify("TSval is the time since the start", False, (first - before) % WORDS <= after - before)

    lab.step("It counts the same milliseconds, also from one connection of these ports to the next", claims="C36")
    peer.expect_silence(during=0.05)
    before_again, second, after_again = one_timestamp(lab, peer)
    passed = (second - first) % WORDS
    least, most = before_again - after, after_again - before
    lab.verify_between("milliseconds between two SYNs", least, passed, most)

    lab.step("Whether other ports have the same offset depends on the kernel", claims="C36")
    before_other, other, after_other = one_timestamp(lab, lab.peer(port=82))
    same = before_other - after_again <= (other - second) % WORDS <= after_other - before_again
    began = "the same place" if same else "another place"
    lab.measured("C36", f"{passed} more after {least} to {most} ms; with other ports it begins at {began}")


@scenario(section="RFC 9293 3.2, RFC 7323 2.2, 3.2, RFC 2018 2")
def options_of_a_syn(lab: Lab) -> None:
    """A SYN offers all options of this kernel, always in the same order: MSS, SACK, timestamps, window scale.

    SACK-permitted is there by default, though many texts omit it. Each option but the MSS can be switched off.
    """
    nop, mss, sack = ("NOP", None), ("MSS", lab.kernel.mss), ("SAckOK", b"")
    stamp, scale = ("Timestamp", (ANY, 0)), ("WScale", lab.kernel.window_scale)

    lab.step("All options; TSecr is zero, as there is nothing to echo yet", claims="C37")
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    peer.expect("S", options=[mss, sack, stamp, nop, scale])

    lab.step("Without SACK: two NOPs take its place, so that the words stay aligned", claims="C37")
    lab.kernel.sysctl(SACK, 0)
    peer = lab.peer(port=81)
    lab.kernel.connect(to=peer)
    peer.expect("S", options=[mss, nop, nop, stamp, nop, scale])

    lab.step("Without timestamps", claims="C36")
    lab.kernel.sysctl(TIMESTAMPS, 0)
    peer = lab.peer(port=82)
    lab.kernel.connect(to=peer)
    peer.expect("S", options=[mss, nop, scale])

    lab.step("Without window scale: only the MSS is left", claims="C35")
    lab.kernel.sysctl(SCALING, 0)
    peer = lab.peer(port=83)
    lab.kernel.connect(to=peer)
    peer.expect("S", options=[mss])


@scenario(section="RFC 9293 3.4, RFC 7413 1")
def data_in_a_syn_is_not_taken(lab: Lab) -> None:
    """A SYN may carry data, to be delivered after the handshake. Linux drops it, and the peer has to send it again."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)

    lab.step("Ten bytes with the SYN: the answer acknowledges only the SYN", claims="C46")
    peer.send("S", payload="ten bytes!")
    peer.expect("SA", seq=0, ack=1)
    peer.send("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("The application has nothing to read", claims="C46")
    connection = server.accept()
    connection.recv(error="EAGAIN")

    lab.step("Sent again, the data is accepted", claims="C46")
    peer.send("PA", seq=1, ack=1, payload="ten bytes!")
    peer.expect("A", seq=1, ack=11)
    connection.expect_data("ten bytes!")


def syn_options(lab: Lab, mss: int | None = None, scale: int | None = None) -> list[Option]:
    """The options of a SYN of this kernel; MSS and scale are the kernel's own unless given."""
    return [
        ("MSS", lab.kernel.mss if mss is None else mss),
        ("SAckOK", b""),
        ("Timestamp", (ANY, 0)),
        ("NOP", None),
        ("WScale", lab.kernel.window_scale if scale is None else scale),
    ]


def one_timestamp(lab: Lab, peer: Peer) -> tuple[int, int, int]:
    """The TSval of a SYN, between the kernel's clock in ms before and after connect(). The peer refuses the SYN."""
    before = lab.kernel.clock_ms
    client = lab.kernel.connect(to=peer, port=5000)
    after = lab.kernel.clock_ms
    stamp = timestamp(peer.expect("S", seq=0).options)
    peer.send("RA", seq=0, ack=1)
    client.expect_connected(error="ECONNREFUSED")
    client.close()
    peer.expect_silence()  # a SYN sent again on a slow machine must not be taken for the next one
    assert stamp is not None
    return before, stamp[0], after
