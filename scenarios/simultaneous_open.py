"""Two SYNs cross on the wire: one connection, four segments, no listener."""

from lab import ANY, Lab, scenario
from lab.tcp.options import Option
from lab.tcp.state import State

NOP = ("NOP", None)


@scenario(section="RFC 9293 3.5 figure 7 MUST-10, 3.10.7.3 fourth check")
def syns_cross(lab: Lab) -> None:
    """Both sides open at the same time: each answers the other's SYN, and one connection opens."""
    peer = lab.peer(to=5000, port=80, window_scale=2)

    lab.step("Both send a SYN before the other's has arrived: neither has an ACK", claims="C11 C14 C28 C61")
    with lab.crossing():
        peer.send("S")
        client = lab.kernel.connect(to=peer, port=5000)
        peer.expect("S", seq=0)
        lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("The kernel answers the peer's SYN with SYN+ACK: its own SYN again, now with an ACK", claims="C28 C61")
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The peer answers with a bare ACK, which kernels before 6.11 accept too", claims="C28 C61")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    client.expect_connected()

    lab.step("The connection carries data as any other", claims="C28 C61")
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
    client.expect_data("hello")


@scenario(section="RFC 9293 3.5 figure 7, 3.10.7.4 first check")
def four_segments_with_syn(lab: Lab) -> None:
    """Figure 7 exactly: SYN, SYN, SYN+ACK, SYN+ACK. No two of them can be merged, so there are four.

    RFC 9293 contradicts itself: by its figure the peer's SYN+ACK opens the connection, by its text it has an old number
    and is only answered. Linux answers it, and since 6.11 accepts its ACK, too.
    """
    peer = lab.peer(to=5000, port=80, window_scale=2)
    with lab.crossing():
        peer.send("S")
        lab.kernel.connect(to=peer, port=5000)
        peer.expect("S", seq=0)

    lab.step("Each answers the other's SYN with a SYN+ACK", claims="C11 C28 C61")
    peer.expect("SA", seq=0, ack=1)
    peer.send("SA", seq=0, ack=1)
    peer.expect("A", seq=1, ack=1)
    lab.settle()
    opened = lab.kernel.inet_diag(peer).state is State.ESTABLISHED
    lab.measured("C61", f"the peer's SYN+ACK {'opens the connection' if opened else 'is answered, and opens nothing'}")
    peer.send("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.conclude("C28", "SYN, SYN, SYN+ACK, SYN+ACK")


@scenario(section="RFC 7323 1.3, 2.2, 2.3")
def linux_scales_without_agreement(lab: Lab) -> None:
    """A window is scaled only if both SYNs offer it. After crossing SYNs Linux scales its own in any case.

    Its SYN+ACK repeats its whole offer, though the peer's SYN came without these options. After it the timestamps are
    not used, as it should be; the shift is.
    """
    scale = lab.kernel.window_scale
    peer = lab.peer(to=5000, port=80, window_scale=None)
    with lab.crossing():
        peer.send("S", options=[("MSS", 1460)])
        client = lab.kernel.connect(to=peer, port=5000)
        offer: list[Option] = [
            ("MSS", lab.kernel.mss),
            ("SAckOK", b""),
            ("Timestamp", (ANY, 0)),
            NOP,
            ("WScale", scale),
        ]
        syn = peer.expect("S", seq=0, options=offer)

    lab.step("The peer's SYN has only an MSS, and the kernel's SYN+ACK has all options of its SYN", claims="C61")
    peer.expect("SA", seq=0, ack=1, options=offer, window=syn.window)
    peer.send("A")
    client.expect_connected()

    lab.step("In TCP_INFO there is no window scale, no timestamps and no SACK", claims="C61")
    info = client.tcp_info()
    names = "wscale", "rcv_wscale", "snd_wscale", "timestamps", "sack"
    lab.verify("agreed", [0, 0, 0, 0, 0], [info[name] for name in names])

    lab.step("Yet the kernel's window field is scaled, and the peer does not know the shift", claims="C61")
    known = "after a simultaneous open Linux scales its window though the peer offered no scale"
    with lab.deviation("window-edge", known):
        peer.send("PA", payload="hello")
        told = peer.expect("A", seq=1, ack=6, options=[]).window
    lab.verify_between("what it means, in bytes", syn.window - 5, told << scale, syn.window + 2**scale)
    lab.measured("C61", f"window {syn.window} in the SYN+ACK, {told} afterwards: {told << scale} >> {scale}")
