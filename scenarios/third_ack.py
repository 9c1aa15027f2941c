"""The third segment: the client's ACK. It may be bare or carry data, get lost, or be wrong."""

from lab import ANY, ZERO, Connection, Lab, Peer, scenario
from lab.tcp.options import timestamp
from lab.wire.faults import lost

NOP, SACK = ("NOP", None), ("SAckOK", b"")
DELAY_S = 0.2
"""The longest delay of an ACK in Linux (TCP_DELACK_MAX), in seconds; RFC 9293 MUST-40 allows half a second."""
DEADLINE_S = 10.0
DELAYED = "TcpExtDelayedACKs"
TICK_S = 0.01
"""The coarsest tick of Linux's timers, in seconds: a timer may seem early by one tick."""


@scenario(section="RFC 9293 3.5 figure 6, RFC 7323 2.3, 3.2")
def it_confirms_nothing(lab: Lab) -> None:
    """A bare ACK. Options that both SYNs had are used from now on, the others are not sent again."""
    scale = lab.kernel.window_scale
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    syn = peer.expect("S", seq=0)
    stamp = timestamp(syn.options)
    assert stamp is not None

    lab.step("The SYN+ACK agrees to all: the timestamps stay, and the window is scaled", claims="C62 C63 C66 C67")
    peer.send("SA", options=[("MSS", 900), SACK, ("Timestamp", (777, stamp[0])), NOP, ("WScale", 3)])
    units = -(-syn.window // 2**scale)
    stamps = [NOP, NOP, ("Timestamp", (ANY, 777))]
    peer.expect("A", seq=1, ack=1, urgent=ZERO, options=stamps, window=units)
    lab.conclude("C64", "timestamps and two NOPs, if both sides have timestamps; otherwise nothing")
    lab.conclude("C66", "TSecr 777, the peer's TSval")
    lab.measured("C67", f"{syn.window} in the SYN, {units} << {scale} in the third segment")

    lab.step("The SYN+ACK agrees to nothing: no option stays, and the window is not scaled", claims="C64 C65 C67")
    peer = lab.peer(port=81)
    lab.kernel.connect(to=peer)
    syn = peer.expect("S", seq=0)
    peer.send("SA")
    peer.expect("A", seq=1, ack=1, options=[], window=syn.window)


@scenario(section="RFC 9293 3.10.7.4 fifth check, 3.4")
def it_may_carry_data(lab: Lab) -> None:
    """The third segment is an ordinary one, so it may carry data. That saves a packet, but no time."""
    server = lab.kernel.listen(port=80)

    lab.step("Data in the third segment: acknowledged, and read as soon as the connection is accepted", claims="C68")
    peer = lab.peer(to=server).syn_received()
    peer.send("PA", seq=1, ack=1, payload="GET /")
    peer.expect("A", seq=1, ack=6)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    server.accept().expect_data("GET /")

    lab.step("A bare ACK, and the data right after it: the client does not wait in between", claims="C69")
    peer = lab.peer(to=server).syn_received()
    peer.send("A", seq=1, ack=1)
    peer.send("PA", seq=1, ack=1, payload="GET /")
    peer.expect("A", seq=1, ack=6)
    server.accept().expect_data("GET /")


@scenario(section="RFC 9293 3.10.7.3 fourth check")
def linux_sends_it_bare(lab: Lab) -> None:
    """A client that has data to send at once: Linux sends a bare ACK, and the data in the next segment.

    Neither waits for the server. With some socket options the ACK is delayed, and both are one segment.
    """
    lab.step("By default: two segments, one after the other", claims="C69 C70")
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    peer.send("SA")
    client.expect_connected()
    client.send("GET /")
    peer.expect("A", seq=1, ack=1)
    peer.expect("PA", seq=1, ack=1, payload="GET /")

    for option, value in {"TCP_QUICKACK": 0, "TCP_DEFER_ACCEPT": 5}.items():
        lab.step(
            f"With {option} {value} on the client the ACK waits for the data, and is sent with it", claims="C69 C70"
        )
        peer, client = _sent_before_the_ack(lab, option, value)
        peer.expect("PA", seq=1, ack=1, payload="GET /")
        client.expect_connected()
    lab.conclude("C69", "the data leave with the ACK, or in the next segment: nothing comes in between")


@scenario(section="RFC 9293 3.8.6.3 MUST-40")
def a_held_back_ack_leaves_alone(lab: Lab) -> None:
    """A delayed ACK is sent alone, a little later, if the application sends no data.

    A fifth of a second is Linux's limit, half a second that of RFC 9293. The client is ESTABLISHED meanwhile.
    """
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer, options={"TCP_QUICKACK": 0})
    peer.expect("S", seq=0)

    lab.step("The client is ESTABLISHED with the SYN+ACK, not with its answer", claims="C70 C71")
    peer.send("SA")
    client.expect_connected()
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("A timer sends the ACK", claims="C70")
    peer.expect("A", seq=1, ack=1)
    waited = peer.received_at - peer.sent_at
    lab.verify("delayed ACKs", 1, lab.kernel.counter(DELAYED))
    lab.verify_between("seconds that it was held back", DELAY_S - TICK_S, waited, DEADLINE_S)
    lab.measured("C70", f"a bare ACK that is held back leaves after {waited:.2f} s")


@scenario(section="RFC 9293 3.3.2 figure 5")
def each_side_at_its_own_time(lab: Lab) -> None:
    """The client is ESTABLISHED when it sends the third segment, the server when it gets it: never at the same time."""
    lab.step("The kernel as client: its ACK is lost, and it is ESTABLISHED", claims="C71")
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.kernel.expect_state(peer, "SYN-SENT")
    lab.disturb(1, from_kernel=[lost("A")])
    peer.send("SA")
    peer.expect_silence()
    lab.disturb(1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    client.expect_connected()
    lab.verify("state of the peer", "SYN-RECEIVED", peer.state.value)
    lab.conclude("C71", "ESTABLISHED, though its ACK was lost")

    lab.step("The peer sends its SYN+ACK again, and the kernel its ACK", claims="C73")
    peer.send("SA", seq=0)
    peer.expect("A", seq=1, ack=1)
    lab.verify("state of the peer", "ESTABLISHED", peer.state.value)

    lab.step("The kernel as server: nothing to accept before the third segment arrives", claims="C72")
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    lab.disturb(1, to_kernel=[lost("A")])
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    peer.send("A")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    server.accept(error="EAGAIN")
    lab.conclude("C72", "SYN-RECEIVED until it comes, ESTABLISHED then")

    lab.step("The third segment is lost; the next segment has the same ACK, and data as well", claims="C72 C73")
    peer.send("PA", seq=1, ack=1, payload="hello")
    peer.expect("A", seq=1, ack=6)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    server.accept().expect_data("hello")


@scenario(section="RFC 9293 3.5.2 group 2, 3.10.7.4 fifth check")
def it_may_be_wrong(lab: Lab) -> None:
    """A third segment must acknowledge exactly the number of the SYN+ACK, which an attacker cannot guess."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server).syn_received()

    lab.step("One less, one more, far off: a reset in the segment's own numbers, and the request stays", claims="C75")
    for wrong in (0, 2, 100_000, -100_000):
        peer.send("A", seq=1, ack=wrong)
        peer.expect("R", seq=wrong)
        lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The right number still opens the connection", claims="C72 C75")
    peer.send("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 9293 3.5, RFC 7323 2.2, 3.2, RFC 2018 2")
def everything_is_settled(lab: Lab) -> None:
    """After three segments the kernel knows the peer's MSS and options; the application can read them."""
    server = lab.kernel.listen(port=80)
    settled = "timestamps", "sack", "wscale", "snd_wscale", "rcv_wscale", "snd_mss"

    lab.step("All options were offered: timestamps cost twelve bytes of each segment", claims="C76")
    peer = lab.peer(to=server, mss=1000, window_scale=5, timestamps=True, sack_permitted=True)
    info = peer.open().tcp_info()
    lab.verify("settled", [1, 1, 1, 5, lab.kernel.window_scale, 988], [info[name] for name in settled])
    scales = f"window scales {info['snd_wscale']} and {info['rcv_wscale']}"
    lab.measured("C76", f"timestamps, SACK, {scales}, {info['snd_mss']} bytes a segment")

    lab.step("Only the MSS was offered", claims="C76")
    peer = lab.peer(to=server, mss=1000)
    info = peer.open().tcp_info()
    lab.verify("settled", [0, 0, 0, 0, 0, 1000], [info[name] for name in settled])

    lab.step("The kernel as client has the same values", claims="C76")
    peer = lab.peer(port=80, mss=1000, window_scale=5, timestamps=True, sack_permitted=True)
    lab.kernel.connect(to=peer)
    info = peer.open().tcp_info()
    lab.verify("settled", [1, 1, 1, 5, lab.kernel.window_scale, 988], [info[name] for name in settled])


def _sent_before_the_ack(lab: Lab, option: str, value: int) -> tuple[Peer, Connection]:
    """A client that sends data before its delayed ACK is sent."""
    for attempt in lab.attempts():
        with attempt.before(DELAYED):
            peer = lab.peer(port=81)
            client = lab.kernel.connect(to=peer, options={option: value})
            peer.expect("S", seq=0)
            peer.send("SA")
            client.send("GET /")
        if attempt.late:
            peer.expect("A", seq=1, ack=1)
            peer.expect("PA", seq=1, ack=1, payload="GET /")
    return peer, client
