"""Opening a connection: three segments, SYN, SYN+ACK, ACK."""

from lab import ANY, Lab, scenario


@scenario(section="RFC 9293 3.5 figure 6")
def kernel_as_server(lab: Lab) -> None:
    """Three segments open a connection to a listening kernel, before its application accepts it.

    The listener stays in LISTEN. The connection request beside it goes through SYN-RECEIVED.
    """
    server = lab.kernel.listen(port=80)
    lab.kernel.expect_state(server, "LISTEN")
    peer = lab.peer(to=server)

    lab.step("First segment: the peer sends SYN", claims="C11 C29")
    peer.send("S", options=[("MSS", 1460)])

    lab.step("Second segment: the kernel answers with SYN+ACK", claims="C11 C29 C48 C50 C55")
    peer.expect("SA", seq=0, ack=1, options=[("MSS", lab.kernel.mss)])
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.kernel.expect_state(server, "LISTEN")

    lab.step("Third segment: the peer acknowledges, and both are ESTABLISHED", claims="C29 C72 C76")
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    peer.expect_silence()

    lab.step("Only now the application accepts the connection, and reads data from it", claims="C22 C47")
    connection = server.accept()
    peer.send("PA", seq=1, ack=1, payload="hello")
    peer.expect("A", seq=1, ack=6)
    connection.expect_data("hello")

    lab.step("The numbers of each direction go on from its own SYN", claims="C22")
    connection.send("good morning")
    peer.expect("PA", seq=1, ack=6, payload="good morning")


@scenario(section="RFC 9293 3.5 figure 6")
def kernel_as_client(lab: Lab) -> None:
    """The kernel opens: its SYN offers every option that it knows, its third segment has only the timestamps."""
    peer = lab.peer(port=80, timestamps=True)
    client = lab.kernel.connect(to=peer)

    lab.step("First segment: the kernel's SYN, with its options", claims="C11 C30 C34 C35 C36 C37")
    peer.expect(
        "S",
        seq=0,
        options=[
            ("MSS", lab.kernel.mss),
            ("SAckOK", b""),
            ("Timestamp", (ANY, 0)),
            ("NOP", None),
            ("WScale", lab.kernel.window_scale),
        ],
    )
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step(
        "Second segment: the peer answers with SYN+ACK, and agrees to timestamps, but not to a window scale",
        claims="C29",
    )
    peer.send("SA")

    lab.step("Third segment: a bare ACK, with the timestamps that both sides agreed on", claims="C62 C63 C64 C65 C66")
    peer.expect("A", seq=1, ack=1, options=[("NOP", None), ("NOP", None), ("Timestamp", (ANY, ANY))])
    client.expect_connected()
    lab.kernel.expect_state(peer, "ESTABLISHED")
