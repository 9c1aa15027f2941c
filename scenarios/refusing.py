"""Refused connections: a reset if no program listens, an ICMP error if a router cannot deliver."""

import errno

from lab import Lab, scenario


@scenario(section="RFC 9293 3.5.2 group 1, 3.10.7.1")
def nobody_listens_at_the_kernel(lab: Lab) -> None:
    """A segment for no connection is answered with a reset that fits its numbers. A reset is never answered.

    If the segment has ACK, the reset takes its sequence number from the acknowledgment number, and has no ACK itself.
    If not, the reset acknowledges what the segment takes up: data, SYN and FIN.
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
    lab.conclude("C17", "reset to SYN: x+1, to SYN with five bytes: x+6")

    lab.step("A segment with ACK is answered without ACK: not every segment after the first has it", claims="C14 C17")
    for bits in ("A", "SA", "FA", "PA"):
        peer.send(bits, seq=0, ack=777)
        peer.expect("R", seq=777)
    lab.conclude("C14", "a reset that answers an ACK has none")

    lab.step("A reset is never answered: two sides without a connection would else send resets for ever", claims="C17")
    peer.send("R", seq=0)
    peer.send("RA", seq=0, ack=777)
    peer.expect_silence()


@scenario(section="RFC 9293 3.10.7.3 first and second check")
def the_kernel_is_refused(lab: Lab) -> None:
    """The kernel's connect() fails as soon as a reset acknowledges its SYN, and only then.

    An attacker who has not seen the SYN does not know the number that has to be acknowledged.
    """
    peer = lab.peer(port=81)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("A reset without ACK could be forged: ignored", claims="C43")
    peer.send("R", seq=0)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("A reset that acknowledges another number: ignored too", claims="C43")
    peer.send("RA", seq=0, ack=2)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-SENT")

    lab.step("A reset that acknowledges the SYN: connect() fails", claims="C43")
    peer.send("RA", seq=0, ack=1)
    client.expect_connected(error="ECONNREFUSED")
    lab.kernel.expect_state(peer, "CLOSED")


SOFT = {  # soft errors: their cause may be gone a minute later (RFC 9293 3.9.2.2)
    "network unreachable": "ENETUNREACH",
    "host unreachable": "EHOSTUNREACH",
    "time exceeded": "EHOSTUNREACH",
    "parameter problem": "EPROTO",
}
HARD = {"port unreachable": "ECONNREFUSED"}


@scenario(section="RFC 9293 3.9.2.2 MUST-56, SHLD-25, SHLD-26, RFC 5461 4.1")
def an_icmp_error_ends_an_attempt(lab: Lab) -> None:
    """On Linux an ICMP error about the SYN ends connect() at once, even where RFC 9293 demands another SYN.

    Soft errors are those that may pass: after them MUST-56 demands another SYN. An open connection does go on, and its
    application can read the error.
    """
    for at, (error, name) in enumerate({**SOFT, **HARD}.items()):
        lab.step(f"An ICMP error about the kernel's SYN: {error}", claims="C44")
        peer = lab.peer(port=81 + at)
        client = lab.kernel.connect(to=peer)
        peer.expect("S", seq=0)
        peer.send_icmp(error)
        client.expect_connected(error=name)
        lab.kernel.expect_state(peer, "CLOSED")
        lab.conclude("C44", f"while it connects, {error}: {name}")

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
    """An ICMP error about the kernel's SYN+ACK: IPv4 and IPv6 disagree in Linux on which errors remove the request.

    Over IPv4 the soft errors do, though they should not, and "port unreachable" does not, though it should. Over
    IPv6 it is the other way round. In no case is there a reset, or an error for the listener.
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
    lab.conclude("C44", f"over IPv{lab.family} a request is removed by {', '.join(removes)}")
