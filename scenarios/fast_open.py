"""TCP Fast Open: data in the SYN, for a client that has connected before. It saves a round trip."""

from lab import ANY, Lab, scenario
from lab.tcp.options import Option, value_of

BOTH_SIDES = {"net.ipv4.tcp_fastopen": 3}
NOP = ("NOP", None)


@scenario(section="RFC 7413 2, 4.1, 4.2", sysctls=BOTH_SIDES)
def the_kernel_takes_data_in_a_syn(lab: Lab) -> None:
    """A client gets a cookie with its first connection. With the cookie it may send data in its next SYN.

    The cookie proves the client's address. Without it any forged SYN could make the server process data.
    """
    server = lab.kernel.listen(port=80, options={"TCP_FASTOPEN": 16})
    mss = ("MSS", lab.kernel.mss)

    lab.step("An empty Fast Open option asks for a cookie, and the SYN+ACK carries it")
    peer = lab.peer(to=server)
    peer.send("S", options=[("MSS", 1460), ("TFO", b"")])
    cookie = value_of(peer.expect("SA", seq=0, ack=1, options=[mss, ("TFO", ANY), NOP, NOP]).options, "TFO")
    peer.send("R", seq=1)

    lab.step("A SYN with the cookie and five bytes: all of it is acknowledged", claims="C126")
    peer = lab.peer(to=server)
    peer.send("S", options=[("MSS", 1460), ("TFO", cookie)], payload="hello")
    peer.expect("SA", seq=0, ack=6, options=[mss])
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.step("The application reads the data, and even answers, before the third segment", claims="C69 C126")
    connection = server.accept()
    connection.expect_data("hello")
    connection.send("hi")
    peer.expect("PA", seq=1, ack=6, payload="hi")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")

    lab.conclude("C126", "five bytes in the SYN are acknowledged, and read in SYN-RECEIVED")

    lab.step("The third segment completes the handshake", claims="C126")
    peer.send("A", seq=6, ack=3)
    lab.kernel.expect_state(peer, "ESTABLISHED")


@scenario(section="RFC 7413 4.1.2, 4.2.2", sysctls=BOTH_SIDES)
def the_kernel_does_not_believe_a_wrong_cookie(lab: Lab) -> None:
    """Without the right cookie the data in a SYN is ignored, and an ordinary handshake follows."""
    server = lab.kernel.listen(port=80, options={"TCP_FASTOPEN": 16})
    mss = ("MSS", lab.kernel.mss)

    lab.step("A cookie that is not this server's: only the SYN is acknowledged, and a valid cookie sent", claims="C126")
    peer = lab.peer(to=server)
    peer.send("S", options=[("MSS", 1460), ("TFO", bytes(8))], payload="hello")
    peer.expect("SA", seq=0, ack=1, options=[mss, ("TFO", ANY), NOP, NOP])
    server.accept(error="EAGAIN")

    lab.step("The client sends the data again, with the third segment", claims="C126")
    peer.send("PA", seq=1, ack=1, payload="hello")
    peer.expect("A", seq=1, ack=6)
    server.accept().expect_data("hello")

    lab.step("A listener without the option TCP_FASTOPEN: no cookie at all", claims="C46 C126")
    peer = lab.peer(to=lab.kernel.listen(port=81))
    peer.send("S", options=[("MSS", 1460), ("TFO", b"")], payload="hello")
    peer.expect("SA", seq=0, ack=1, options=[mss])


@scenario(section="RFC 7413 4.1.3, 4.2.1", sysctls=BOTH_SIDES)
def the_kernel_sends_data_in_a_syn(lab: Lab) -> None:
    """The kernel as client: it stores the cookie for this server, and uses it for the next connection by itself."""
    syn: list[Option] = [
        ("MSS", lab.kernel.mss),
        ("SAckOK", b""),
        ("Timestamp", (ANY, 0)),
        NOP,
        ("WScale", lab.kernel.window_scale),
    ]
    wish = {"TCP_FASTOPEN_CONNECT": 1}

    lab.step("The first connection: the SYN asks for a cookie")
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer, options=wish)
    peer.expect("S", seq=0, options=[*syn, ("TFO", b""), NOP, NOP])
    peer.send("SA", options=[("MSS", 1460), ("TFO", b"8 bytes.")])
    peer.expect("A", seq=1, ack=1)
    client.expect_connected()

    lab.step(
        "The second: connect() sends nothing, the first data is sent in the SYN with the cookie", claims="C69 C126"
    )
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer, options=wish, error="success")
    client.send("GET /")
    peer.expect("S", seq=0, options=[*syn, ("TFO", b"8 bytes."), NOP, NOP], payload="GET /")
    peer.send("SA", ack=6)
    peer.expect("A", seq=6, ack=1)

    lab.step("A server that acknowledges only the SYN gets the data again, in the third segment", claims="C68 C126")
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer, options=wish, error="success")
    client.send("GET /")
    peer.expect("S", seq=0, payload="GET /")
    peer.send("SA", ack=1)
    peer.expect("PA", seq=1, ack=1, payload="GET /")
