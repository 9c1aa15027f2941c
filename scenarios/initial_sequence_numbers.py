"""Initial sequence numbers: a clock plus a secret offset that differs for each pair of endpoints."""

import itertools
import time
from typing import NamedTuple

from lab import Lab, Peer, scenario

CIRCLE = 2**32
TICK_NS = 64  # of Linux's clock; RFC 9293 demands 4 microseconds or less
NEAR = CIRCLE // 64
"""Numbers closer than this are near: eight random numbers are all near with a probability of (1 / 32) ** 8."""


class Number(NamedTuple):
    """An initial sequence number, and the machine's clock in ns before and after it was chosen."""

    value: int
    before: int
    after: int


@scenario(section="RFC 9293 3.4.1 MUST-8, SHLD-1, RFC 6528 3")
def a_clock_for_each_pair_of_endpoints(lab: Lab) -> None:
    """Initial sequence numbers are not random: for the same addresses and ports they follow a clock, so they only rise.

    An old segment of an earlier connection then has numbers that the new one has not reached. For other ports the clock
    has another secret offset, so that a client cannot guess their numbers from its own.
    """
    lab.step("The same ports five times: each number has grown by the time that has passed", claims="C32")
    peer = lab.peer(port=80)
    numbers = [of_a_client(lab, peer) for _ in range(4)]
    peer.expect_silence(during=0.05)
    numbers.append(of_a_client(lab, peer))
    verify_on_the_clock(lab, numbers)
    first, last = numbers[0], numbers[-1]
    passed = (last.value - first.value) % CIRCLE
    least, most = passed / (last.after - first.before) * 1000, passed / (last.before - first.after) * 1000
    lab.measured("C32", f"{least:.2f} to {most:.2f} numbers in a microsecond for the same ports")

    lab.step("Eight other ports: their numbers are not near this clock", claims="C32")
    others = [of_a_client(lab, lab.peer(port=81 + at)) for at in range(8)]
    shifts = [(other.value - first.value - (other.before - first.before) // TICK_NS) % CIRCLE for other in others]
    nearby = [shift for shift in shifts if min(shift, CIRCLE - shift) < NEAR]
    lab.verify("all of them near it (by chance once in 10**12 runs)", False, nearby == shifts)


@scenario(section="RFC 9293 3.4.1, 3.5")
def each_direction_has_its_own(lab: Lab) -> None:
    """Each direction has sequence numbers of its own, and their two initial numbers do not depend on each other."""
    server = lab.kernel.listen(port=80)

    lab.step("Whatever the client's initial number is, the server's follows its own clock", claims="C27 C49")
    peer = lab.peer(to=server)
    numbers = [of_a_server(peer, fifth * CIRCLE // 5) for fifth in range(5)]
    verify_on_the_clock(lab, numbers)
    lab.conclude("C49", "y follows a clock of its own, whatever x is")

    lab.step(
        "A hundred clients with the same initial number: the server's numbers are spread over the whole range",
        claims="C27 C49",
    )
    answers = [of_a_server(lab.peer(to=server), 0).value for _ in range(100)]
    widest = widest_gap(answers)
    lab.verify("different numbers", 100, len(set(answers)))
    lab.verify_between("widest gap between them (more by chance once in 10**27 runs)", 0, widest, CIRCLE // 2)
    lab.measured("C27", f"100 numbers, the widest gap between two of them is {widest / CIRCLE:.0%} of the circle")


def verify_on_the_clock(lab: Lab, numbers: list[Number]) -> None:
    """Verify that each number has grown by the time since the one before, as precisely as that is known."""
    for earlier, later in itertools.pairwise(numbers):
        least, most = (later.before - earlier.after) / TICK_NS, (later.after - earlier.before) / TICK_NS
        lab.verify_between("numbers passed", least - 1, (later.value - earlier.value) % CIRCLE, most + 1)


def widest_gap(numbers: list[int]) -> int:
    """The longest part of the circle without any of the numbers. Above one half, all are in the other half."""
    ordered = sorted(numbers)
    return max((later - earlier) % CIRCLE for earlier, later in itertools.pairwise([*ordered, ordered[0]]))


def of_a_client(lab: Lab, peer: Peer) -> Number:
    """The initial number of the kernel's SYN to this peer, which refuses it."""
    before = time.time_ns()  # the clock of the kernel's numbers follows this one, also when it is set
    client = lab.kernel.connect(to=peer, port=5000)
    after = time.time_ns()
    syn = peer.expect("S", seq=0)
    client.close()
    peer.send("RA", seq=0, ack=1)
    peer.expect_silence()  # a SYN sent again on a slow machine must not be taken for the next one
    return Number(int(syn.seq), before, after)


def of_a_server(peer: Peer, iss: int) -> Number:
    """The initial number of the kernel's SYN+ACK to a SYN with this number, which the peer then resets."""
    before = time.time_ns()
    peer.send("S", seq=iss)
    answer = peer.expect("SA", ack=iss + 1)
    after = time.time_ns()
    peer.send("R", seq=iss + 1)
    return Number(int(answer.seq), before, after)
