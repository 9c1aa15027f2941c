"""Two SYNs cross on the wire: one connection, four segments, no listener."""

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5 figure 7")
def syns_cross(lab: Lab) -> None:
    """Both sides open at the same time: each answers the other's SYN, and one connection comes of it."""
    peer = lab.peer(to=5000, port=80, window_scale=2)

    lab.step("Both send a SYN before the other's has arrived")
    with lab.crossing():
        peer.send("S")
        client = lab.kernel.connect(to=peer, port=5000)
        peer.expect("S", seq=0)
        lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("The kernel answers the peer's SYN with SYN+ACK: its own SYN once more, now acknowledging")
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The peer acknowledges with ACK alone, which kernels before 6.12 understand too")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    client.expect_connected()

    lab.step("It is a connection like any other")
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
    client.expect_data("hello")


@scenario(section="RFC 7323 2.2")
def linux_scales_without_agreement(lab: Lab) -> None:
    """A window is scaled only if both SYNs offer it. After crossing SYNs Linux scales its own all the same."""
    peer = lab.peer(to=5000, port=80, window_scale=None)
    with lab.crossing():
        peer.send("S")
        client = lab.kernel.connect(to=peer, port=5000)
        peer.expect("S", seq=0)
    peer.expect("SA", seq=0, ack=1)
    peer.send("A")
    client.expect_connected()

    lab.step("The window field shrinks to a hundredth, though only one side knows what to multiply it by")
    lab.deviation("window-edge", "after a simultaneous open Linux scales its window though the peer offered no scale")
    peer.send("PA", payload="hello")
    peer.expect("A", seq=1, ack=6)
