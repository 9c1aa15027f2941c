"""Where nobody listens: a reset says so at once."""

import errno

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5.2 group 1, 3.10.7.1")
def nobody_listens_at_the_kernel(lab: Lab) -> None:
    """A segment for no connection is answered with a reset that proves it was read, and a reset never is.

    Its numbers depend on what it answers. With ACK, its sequence number is that acknowledgment number, and it needs no
    ACK itself. Without, it counts what came: data, SYN and FIN.
    """
    peer = lab.peer(to=81)

    lab.step("A SYN alone, one with data, and a FIN: the reset acknowledges all of it", claims="C17")
    peer.send("S", seq=0)
    peer.expect("RA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "CLOSED")
    peer.send("S", seq=0, payload="hello")
    peer.expect("RA", seq=0, ack=6)
    peer.send("F", seq=9)
    peer.expect("RA", seq=0, ack=10)
    lab.measured("C17", "reset to SYN: x+1, to SYN with five bytes: x+6")

    lab.step("What has an ACK is answered without one: not every segment after the first carries ACK", claims="C14 C17")
    for bits in ("A", "SA", "FA", "PA"):
        peer.send(bits, seq=0, ack=777)
        peer.expect("R", seq=777)
    lab.measured("C14", "a reset that answers an ACK has none")

    lab.step("A reset is never answered, or two sides without a connection would talk for ever", claims="C17")
    peer.send("R", seq=0)
    peer.send("RA", seq=0, ack=777)
    peer.expect_silence()


@scenario(section="RFC 9293 3.10.7.3 first and second check")
def the_kernel_is_refused(lab: Lab) -> None:
    """The kernel's connect() fails as soon as a reset acknowledges its SYN, and only then.

    Nobody who has not seen the SYN can know the number that has to be acknowledged.
    """
    peer = lab.peer(port=81)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("A reset without ACK could come from anybody: ignored", claims="C43")
    peer.send("R", seq=0)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("One that acknowledges another number: ignored too", claims="C43")
    peer.send("RA", seq=0, ack=2)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("One that acknowledges the SYN is believed", claims="C43")
    peer.send("RA", seq=0, ack=1)
    client.expect_connected(error="ECONNREFUSED")
    lab.kernel.expect_state(peer, "CLOSED")


SOFT = {  # what a router says that it may say otherwise a minute later (RFC 9293 3.9.2.2)
    "network unreachable": "ENETUNREACH",
    "host unreachable": "EHOSTUNREACH",
    "time exceeded": "EHOSTUNREACH",
    "parameter problem": "EPROTO",
}
HARD = {"port unreachable": "ECONNREFUSED"}


@scenario(section="RFC 9293 3.9.2.2 MUST-56, SHLD-25, SHLD-26, RFC 5461 4.1")
def an_icmp_error_ends_an_attempt(lab: Lab) -> None:
    """A router that cannot deliver the SYN says so by ICMP, and Linux gives up at once: even where RFC 9293 says wait.

    Some errors are called soft because they may pass: MUST-56 wants the SYN to be tried again. An open connection
    does go on, and its application may ask what was said.
    """
    for at, (error, name) in enumerate({**SOFT, **HARD}.items()):
        lab.step(f"An answer to the kernel's SYN: {error}", claims="C44")
        peer = lab.peer(port=81 + at)
        client = lab.kernel.connect(to=peer)
        peer.expect("S", seq=0)
        peer.send_icmp(error)
        client.expect_connected(error=name)
        lab.kernel.expect_state(peer, "CLOSED")
        lab.measured("C44", f"while it connects, {error}: {name}")

    lab.step("The same errors about an open connection change nothing, soft or hard", claims="C44")
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    peer.open()
    for error, name in {**SOFT, **HARD}.items():
        peer.send_icmp(error)
        peer.expect_silence()
        lab.verify("what the application is told when it asks", name, errno.errorcode[client.get_option("SO_ERROR")])
    lab.kernel.expect_state(peer, "ESTABLISHED")
    peer.send("PA", payload="still here")
    peer.expect("A", ack=11)
    client.expect_data("still here")


@scenario(section="RFC 9293 3.9.2.2 MUST-56, SHLD-26")
def an_icmp_error_ends_a_request(lab: Lab) -> None:
    """An ICMP error about the kernel's SYN+ACK: the two halves of Linux disagree which errors remove the request.

    Over IPv4 the soft ones do, which should not, and "port unreachable" does not, which should. Over IPv6 it is the
    other way round. Nobody is told in any case: no reset, no error for the listener.
    """
    server = lab.kernel.listen(port=80)
    removes = ["port unreachable", "parameter problem"] if lab.family == 6 else list(SOFT)

    for error in {**SOFT, **HARD}:
        ends = error in removes
        lab.step(f"{error}: the request {'is gone' if ends else 'stays'}", claims="C44")
        peer = lab.peer(to=server).syn_received()
        peer.send_icmp(error)
        peer.expect_silence()
        lab.kernel.expect_state(peer, "CLOSED" if ends else "SYN-RECEIVED")
    lab.kernel.expect_state(server, "LISTEN")
    lab.measured("C44", f"over IPv{lab.family} a request is removed by {', '.join(removes)}")
