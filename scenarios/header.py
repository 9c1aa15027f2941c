"""Flags and sequence numbers: the header that all segments have."""

from lab import Lab, scenario

FIXED_WORDS = 5  # of the header, 32 bits each; options come on top


@scenario(section="RFC 9293 3.1")
def one_header_for_all(lab: Lab) -> None:
    """TCP has no message types: SYN, data, FIN and all other segments have one header with different bits set.

    Options make it longer. The data offset is its length, in words of four bytes.
    """
    peer = lab.peer(port=80, timestamps=True)
    client = lab.kernel.connect(to=peer)

    lab.step("Open, send a request, close: five segments of the kernel, SYN only in the first", claims="C10 C11 C15")
    peer.open()
    client.send("request")
    peer.expect("PA", seq=1, ack=1, payload="request")
    peer.send("A")
    client.close()
    peer.expect("FA", seq=8, ack=1)
    peer.send("FA")
    peer.expect("A", seq=9, ack=2)
    packets = [packet["TCP"] for packet in peer.packets()]

    lab.step("Each has the fixed header, followed by as many words of options as its data offset says", claims="C10")
    every_option, timestamps_alone = 5, 3
    options = [every_option, timestamps_alone, timestamps_alone, timestamps_alone, timestamps_alone]
    lab.verify(
        "data offsets",
        [FIXED_WORDS + words for words in options],
        [packet.dataofs for packet in packets],
        why="the data offset counts 32-bit words up to the data, options included   RFC 9293 3.1",
    )

    lab.step("Without timestamps a bare ACK is the fixed header only", claims="C10")
    plain = lab.peer(port=81)
    lab.kernel.connect(to=plain)
    plain.open()
    lab.verify("data offset of the bare ACK", FIXED_WORDS, plain.packets()[-1]["TCP"].dataofs)

    lab.measured("C11", f"five segments of the kernel: {', '.join(str(packet.flags) for packet in packets)}")
    lab.measured("C10", f"data offsets {', '.join(str(packet.dataofs) for packet in packets)}")


@scenario(section="RFC 9293 3.1, 3.10.7.4 fifth check")
def the_ack_bit_makes_the_ack_number_valid(lab: Lab) -> None:
    """Without the ACK bit the acknowledgment number is ignored. On an open connection every segment needs the bit."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)

    lab.step("A SYN with a number in its acknowledgment field, but no ACK bit: answered like any SYN", claims="C13")
    peer.send("S", ack=12345)
    peer.expect("SA", seq=0, ack=1)

    lab.step("Without the bit the third segment does not open the connection", claims="C14")
    peer.send("", seq=1, ack=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    connection = server.accept()

    lab.step("Without the bit data and FIN are ignored, though every number is right", claims="C14")
    peer.send("P", seq=1, ack=1, payload="data")
    peer.send("F", seq=1, ack=1)
    peer.expect_silence()
    connection.recv(error="EAGAIN")
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.conclude("C14", "data or FIN without it: silence")

    lab.step("With the bit the same data is accepted", claims="C14")
    peer.send("PA", seq=1, ack=1, payload="data")
    peer.expect("A", seq=1, ack=5)
    connection.expect_data("data")


@scenario(section="RFC 9293 3.5.2, 3.10.7.4 fourth check, RFC 5961 4.2, 7")
def syn_belongs_to_the_handshake(lab: Lab) -> None:
    """A SYN on an open connection has no effect: the kernel answers with a challenge ACK, but not too often.

    By a challenge ACK a restarted peer finds out about the connection. An attacker learns nothing from it.
    """
    lab.kernel.sysctl("net.ipv4.tcp_invalid_ratelimit", 3_600_000)
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.open()

    lab.step("A SYN in the middle of the window: a challenge ACK, and the connection stays", claims="C12")
    peer.send("S", seq=1000)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")

    lab.step("Another one soon after it (here: within an hour): not answered", claims="C12")
    peer.send("S", seq=1000)
    peer.expect_silence()

    lab.step("Once that time has passed: answered again", claims="C12")
    limit = 0.1
    lab.kernel.sysctl("net.ipv4.tcp_invalid_ratelimit", int(limit * 1000))
    peer.expect_silence(during=2 * limit)
    peer.send("S", seq=1000)
    peer.expect("A", seq=1, ack=1)

    lab.step("With no limit: each is answered", claims="C12")
    lab.kernel.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)
    for _ in range(3):
        peer.send("S", seq=1000)
        peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.conclude("C12", "one challenge ACK, then silence until tcp_invalid_ratelimit is over")


@scenario(section="RFC 9293 3.6, 3.4")
def nothing_follows_a_fin(lab: Lab) -> None:
    """FIN marks the end of the data. After it this side's sequence number stays the same, and it only acknowledges."""
    peer = lab.peer(to=lab.kernel.listen(port=80))
    connection = peer.open()

    lab.step("The FIN follows the last byte", claims="C16")
    connection.send("last words")
    peer.expect("PA", seq=1, ack=1, payload="last words")
    connection.shutdown("write")
    peer.expect("FA", seq=11, ack=1)

    lab.step("The application cannot send any more", claims="C16")
    connection.send("one more thing", error="EPIPE")
    peer.expect_silence()

    lab.step("The peer's data is acknowledged, with the sequence number after the FIN", claims="C16")
    for at in range(3):
        peer.send("PA", payload="still talking")
        peer.expect("A", seq=12, ack=1 + 13 * (at + 1))


@scenario(section="RFC 9293 3.1, 3.9.1.2 MUST-61")
def push_marks_the_end_of_a_write(lab: Lab) -> None:
    """PSH asks the receiver to deliver the data at once. The last segment of a write has it.

    Linux also sets it on the last segment of each piece that it divides, so earlier segments may have it too.
    """
    peer = lab.peer(to=lab.kernel.listen(port=80), mss=1000)
    connection = peer.open()

    lab.step("A short write is one segment, with PSH", claims="C17")
    connection.send("a" * 10)
    peer.expect("PA", seq=1, payload="a" * 10)
    peer.send("A")

    lab.step("A long write is three segments: the third has PSH", claims="C17")
    connection.send("b" * 2500)
    peer.skip_until("PA", seq=2011, payload="b" * 500)
    lab.conclude("C17", "PSH on the last segment of each write")


@scenario(section="RFC 9293 3.10.7.2")
def senseless_flags(lab: Lab) -> None:
    """A listener ignores senseless flags: SYN with FIN, SYN with RST, none at all. A port scanner learns nothing."""
    server = lab.kernel.listen(port=80)

    for bits, what in (("SF", "SYN and FIN"), ("SR", "SYN and RST"), ("", "no flag"), ("F", "FIN alone")):
        lab.step(f"{what}: silence, and no connection", claims="C18")
        peer = lab.peer(to=server)
        peer.send(bits, seq=0)
        peer.expect_silence()
        lab.kernel.expect_state(peer, "CLOSED")

    lab.conclude("C18", "SYN with FIN, SYN with RST, no flag, FIN alone: silence")

    lab.step("SYN with PSH and URG: unusual, but a SYN", claims="C18")
    peer = lab.peer(to=server)
    peer.send("SPU")
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.kernel.expect_state(server, "LISTEN")


@scenario(section="RFC 9293 3.4")
def syn_and_fin_count_as_one(lab: Lab) -> None:
    """Every byte has a number. SYN and FIN take one each, so that they can be acknowledged; a bare ACK takes none."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)

    lab.step("SYN: one number, so it is acknowledged with the next", claims="C19")
    peer.send("S", seq=0)
    peer.expect("SA", seq=0, ack=1)

    lab.step("A bare ACK: none, so the next segment has the same number, however many there are", claims="C19")
    for _ in range(3):
        peer.send("A", seq=1, ack=1)
    connection = server.accept()
    peer.send("PA", seq=1, ack=1, payload="x")
    peer.expect("A", seq=1, ack=2)

    lab.step("The kernel counts its own SYN and FIN the same way", claims="C19")
    connection.send("yz")
    peer.expect("PA", seq=1, ack=2, payload="yz")
    connection.recv()
    connection.close()
    peer.expect("FA", seq=3, ack=2)

    lab.step("FIN: one number", claims="C19")
    peer.send("FA", seq=2, ack=4)
    peer.expect("A", seq=4, ack=3)


@scenario(section="RFC 9293 3.4, 3.4.1")
def numbers_wrap(lab: Lab) -> None:
    """After the number 4294967295 comes 0: SYN, data and FIN may each cross this wrap without any effect."""
    last = 2**32 - 1
    server = lab.kernel.listen(port=80)

    lab.step("A SYN with the last number: the answer acknowledges 0", claims="C20")
    peer = lab.peer(to=server, iss=last)
    peer.send("S")
    answer = peer.expect("SA", seq=0)
    lab.verify("acknowledgment number as it stands on the wire", 0, int(answer.ack))

    lab.step("Data that crosses the wrap", claims="C20")
    peer = lab.peer(to=server, iss=last - 3)
    connection = peer.open()
    peer.send("PA", payload="across")
    answer = peer.expect("A", seq=1)
    lab.verify("acknowledgment number as it stands on the wire", 3, int(answer.ack))
    connection.expect_data("across")

    lab.step("A FIN with the last number", claims="C20")
    peer = lab.peer(to=server, iss=last - 1)
    connection = peer.open()
    peer.send("FA")
    answer = peer.expect("A", seq=1)
    lab.verify("acknowledgment number as it stands on the wire", 0, int(answer.ack))
    connection.expect_eof()
