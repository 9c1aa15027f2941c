"""Segment sizes are not negotiated: each side announces what it can take, and the other side obeys."""

from lab import ANY, Lab, Peer, scenario

DEFAULT_MSS = {4: 536, 6: 1220}  # RFC 9293 MUST-15


@scenario(section="RFC 9293 3.7.1 MUST-15, MUST-16, SHLD-5")
def each_side_says_its_own_mss(lab: Lab) -> None:
    """MSS and window are not negotiated: the SYN+ACK has the server's own, whatever the client's SYN has.

    The kernel's segments are as large as both allow: the peer's MSS, but no more than its own interface takes. For
    a peer without MSS that is the default of RFC 9293, and for one with a tiny MSS the minimum of Linux.
    """
    server = lab.kernel.listen(port=80)
    own, least = lab.kernel.mss, int(lab.kernel.sysctl("net.ipv4.tcp_min_snd_mss"))
    first = lab.peer(to=server)
    first.send("S")
    window = first.expect("SA", options=[("MSS", own)]).window

    lab.conclude("C51", f"{own}, whatever the peer has said")
    for said, used in ((900, 900), (own, own), (9000, own), (10, least), (None, DEFAULT_MSS[lab.family])):
        lab.step(f"The peer announces {said or 'nothing'}: the kernel answers {own}, as always", claims="C26 C51")
        peer = lab.peer(to=server, mss=said)
        peer.send("S")
        peer.expect("SA", seq=0, ack=1, options=[("MSS", own)], window=window)
        peer.send("A")

        lab.step(f"The kernel sends {used} bytes in a segment", claims="C26")
        server.accept().send("a" * used + "b")
        peer.skip_until("PA", seq=1 + used, payload="b")
        largest, *others = sizes(peer)[1:]
        lab.verify("bytes in each of its segments", [used, 1], [largest, *others])
        lab.measured("C26", f"told {said or 'nothing'} it sends {largest}")
        peer.send("A")


@scenario(section="RFC 9293 3.7.1 MUST-16")
def options_take_room_from_the_data(lab: Lab) -> None:
    """The MSS is for a segment without options: a segment with timestamps carries twelve bytes less."""
    peer = lab.peer(to=lab.kernel.listen(port=80), mss=1000, timestamps=True)
    connection = peer.open()

    lab.step("1000 bytes do not fit into one segment with timestamps", claims="C34")
    connection.send("a" * 988 + "b" * 12)
    stamps = [("NOP", None), ("NOP", None), ("Timestamp", (ANY, ANY))]
    peer.skip_until("PA", seq=989, payload="b" * 12, options=stamps)
    lab.verify("bytes in each of its segments", [988, 12], sizes(peer)[1:])


def sizes(peer: Peer) -> list[int]:
    """The number of data bytes in each segment of the kernel, in order."""
    return [len(packet["TCP"].payload) for packet in peer.packets()]
