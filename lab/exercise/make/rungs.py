"""The rungs of the ladder, in order. Each is a play with the real kernel; its texts are in `rungs.toml`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lab.exercise.make.play import MSL_S, Answer, AnyOf, Play
from lab.record.expectation import ZERO
from lab.tcp.state import State
from lab.wire.faults import Action, Fault, lost
from lab.wire.frames import decode

_SMALL_BUFFER = 4096
"""A receive buffer with a window of a few segments, in bytes."""


class Rung(NamedTuple):
    """One rung."""

    id: str
    file: str
    """Name of the file in which the learner writes."""
    section: str
    """Where the documents describe it."""
    active: bool
    """The endpoint opens the connection, not the kernel."""
    play: Callable[[Play], None]


RUNGS: dict[str, Rung] = {}
"""All rungs by their ids, in the order in which they are climbed."""


def rung(
    file: str, section: str, *, active: bool = False
) -> Callable[[Callable[[Play], None]], Callable[[Play], None]]:
    """Decorator: the function is the next rung."""

    def add(play: Callable[[Play], None]) -> Callable[[Play], None]:
        name = f"R{len(RUNGS) + 1:02d}"
        RUNGS[name] = Rung(name, file, section, active, play)
        return play

    return add


@rung("acknowledgment.py", "RFC 9293 3.4")
def acknowledgment_number(play: Play) -> None:
    """The number that acknowledges a SYN, data, and a FIN."""
    play.calls("listen", state=State.LISTEN, why="listen")
    connection = play.kernel_connects()
    play.arrives("S", Answer("SA", 0, 1), why="ack_of_syn")
    play.arrives("A", why="third_segment")
    connection.send("hello")
    play.arrives("A", Answer("A", 1, 6), why="ack_of_data")
    connection.close()
    play.arrives("FA", Answer("A", 1, 7), why="ack_of_fin")


@rung("answer_to_syn.py", "RFC 9293 3.10.7.2")
def answer_to_syn(play: Play) -> None:
    """The segment that answers a SYN in LISTEN."""
    play.opened()


@rung("fin.py", "RFC 9293 3.10.4", active=True)
def fin(play: Play) -> None:
    """The segment that closes one side, after data in both directions."""
    play.calls("connect", Answer("S", 0), why="syn")
    play.arrives("SA", Answer("A", 1, 1), why="ack_of_syn_ack")
    connection = play.kernel_accepts()
    play.calls("send", Answer("A", 1, 1, b"hello"), data=b"hello", why="text")
    play.arrives("A", why="no_answer_to_ack")
    connection.send("goodbye")
    play.arrives("A", Answer("A", 6, 8), why="ack_of_data")
    play.calls("close", Answer("FA", 6, 8), why="fin")
    play.arrives("A", state=State.FIN_WAIT_2, why="ack_of_own_fin")


@rung("endpoint.py", "RFC 9293 3.10.7.2")
def answers_a_syn(play: Play) -> None:
    """LISTEN, and the SYN+ACK."""
    play.calls("listen", state=State.LISTEN, why="listen")
    play.kernel_connects()
    play.arrives("S", Answer("SA", 0, 1), state=State.SYN_RECEIVED, why="answer_to_syn")


@rung("endpoint.py", "RFC 9293 3.10.7.4 fifth")
def completes_the_handshake(play: Play) -> None:
    """The ACK of the SYN+ACK opens the connection, and is not answered."""
    play.opened()


@rung("endpoint.py", "RFC 9293 3.10.7.4 seventh")
def receives(play: Play) -> None:
    """Data is acknowledged and read, once."""
    connection = play.opened()
    connection.send("hello")
    play.arrives("A", Answer("A", 1, 6), state=State.ESTABLISHED, why="ack_of_data")
    play.reads(b"hello", why="read")
    play.reads(b"", why="read_once")
    connection.send(", world")
    play.arrives("A", Answer("A", 1, 13), why="ack_of_data")
    play.reads(b", world", why="read")


@rung("endpoint.py", "RFC 9293 3.10.2")
def sends(play: Play) -> None:
    """Data goes out, and each further byte has the next number."""
    connection = play.opened()
    play.calls("send", Answer("A", 1, 1, b"hello"), data=b"hello", why="text")
    play.arrives("A", why="no_answer_to_ack")
    play.kernel_reads(connection, b"hello")
    play.calls("send", Answer("A", 6, 1, b", world"), data=b", world", why="next_text")
    play.arrives("A", why="no_answer_to_ack")
    play.kernel_reads(connection, b", world")


@rung("endpoint.py", "RFC 9293 3.10.7.4 eighth")
def is_closed(play: Play) -> None:
    """The kernel closes first: its FIN is acknowledged, and this side can go on sending."""
    connection = play.opened()
    connection.send("bye")
    play.arrives("A", Answer("A", 1, 4), why="ack_of_data")
    connection.shutdown("write")
    play.arrives("FA", Answer("A", 1, 5), state=State.CLOSE_WAIT, why="ack_of_fin")
    play.reads(b"bye", why="read")
    play.calls("send", Answer("A", 1, 5, b"still here"), data=b"still here", state=State.CLOSE_WAIT, why="half_closed")
    play.arrives("A", why="no_answer_to_ack")
    play.kernel_reads(connection, b"still here")


@rung("endpoint.py", "RFC 9293 3.10.4, 3.10.7.4 fifth")
def closes_second(play: Play) -> None:
    """LAST-ACK, and CLOSED with the ACK of the own FIN."""
    connection = play.opened()
    connection.close()
    play.arrives("FA", Answer("A", 1, 2), state=State.CLOSE_WAIT, why="ack_of_fin")
    play.calls("close", Answer("FA", 1, 2), state=State.LAST_ACK, why="fin")
    play.arrives("A", state=State.CLOSED, why="last_ack")


@rung("endpoint.py", "RFC 9293 3.10.1, 3.10.7.3", active=True)
def opens(play: Play) -> None:
    """The endpoint opens: SYN, and the ACK of the kernel's SYN+ACK."""
    play.calls("connect", Answer("S", 0), state=State.SYN_SENT, why="syn")
    play.arrives("SA", Answer("A", 1, 1), state=State.ESTABLISHED, why="ack_of_syn_ack")
    connection = play.kernel_accepts()
    play.calls("send", Answer("A", 1, 1, b"hello"), data=b"hello", why="text")
    play.arrives("A", why="no_answer_to_ack")
    play.kernel_reads(connection, b"hello")


@rung("endpoint.py", "RFC 9293 3.10.4, 3.6 case 1")
def closes_first(play: Play) -> None:
    """FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT."""
    connection = play.opened()
    play.calls("close", Answer("FA", 1, 1), state=State.FIN_WAIT_1, why="fin")
    play.arrives("A", state=State.FIN_WAIT_2, why="ack_of_own_fin")
    connection.send("the last")
    play.arrives("A", Answer("A", 2, 9), state=State.FIN_WAIT_2, why="still_receives")
    play.reads(b"the last", why="read")
    connection.close()
    play.arrives("FA", Answer("A", 2, 10), state=State.TIME_WAIT, why="ack_of_fin")
    play.runs_timer(2 * MSL_S, why="two_msl")


@rung("endpoint.py", "RFC 9293 3.10.7.1")
def refuses(play: Play) -> None:
    """Nobody listens: a SYN is answered with a RST."""
    connection = play.kernel_connects()
    play.arrives("S", Answer("RA", ZERO, 1), state=State.CLOSED, why="refuse")
    connection.expect_connected(error="ECONNREFUSED")


@rung("endpoint.py", "RFC 9293 3.10.7.4 second")
def is_reset(play: Play) -> None:
    """A RST ends the connection, and is not answered."""
    connection = play.opened()
    connection.abort()
    play.arrives("RA", state=State.CLOSED, why="reset")
    play.runs_timer(None, why="no_timer_when_closed")


@rung("endpoint.py", "RFC 9293 3.10.7.4 first, 3.4")
def a_segment_twice(play: Play) -> None:
    """The ACK is lost, so the same data comes again: it is acknowledged again, and read once."""
    connection = play.opened()
    play.lab.disturb(1, to_kernel=[lost("A")])
    connection.send("hello")
    play.arrives("A", Answer("A", 1, 6), why="ack_of_data")
    play.arrives("A", Answer("A", 1, 6), again=True, why="ack_again")
    play.reads(b"hello", why="read_once")


@rung("endpoint.py", "RFC 9293 3.10.7.4 seventh, 3.8.1")
def a_gap(play: Play) -> None:
    """A segment is lost: what comes after the gap is not acknowledged and not read before the gap is filled."""
    connection = play.opened()
    connection.set_option("TCP_NODELAY", 1)
    play.lab.disturb(1, from_kernel=[lost("PA")])
    connection.send("one, ")
    connection.send("two")
    play.arrives("A", Answer("A", 1, 1), why="gap")
    play.reads(b"", why="gap")
    # The endpoint may keep what came after the gap, or drop it and wait until the kernel sends that again, too.
    play.arrives("A", AnyOf((Answer("A", 1, 9), Answer("A", 1, 6))), again=True, why="filled")
    play.acknowledges(9, why="filled")
    play.reads(b"one, two", why="filled")


@rung("endpoint.py", "RFC 9293 3.8.1; RFC 6298 2.1, 5")
def retransmits(play: Play) -> None:
    """Data is lost twice: it is sent again after one second, and after two more."""
    connection = play.opened()
    play.runs_timer(None, why="no_timer_when_acknowledged")
    play.lab.disturb(1, to_kernel=[Fault(Action.DROP, nth=nth, matches=_has_text) for nth in (1, 2)])
    text = Answer("A", 1, 1, b"hello")
    play.calls("send", text, data=b"hello", why="text")
    play.timer_expires(text, after=1.0, why="first_timeout")
    play.timer_expires(text, after=2.0, why="backoff")
    play.arrives("A", why="no_answer_to_ack")
    play.runs_timer(None, why="no_timer_when_acknowledged")
    play.kernel_reads(connection, b"hello")


@rung("endpoint.py", "RFC 9293 3.7.1, 3.8.6")
def fits_mss_and_window(play: Play) -> None:
    """Much data: no segment is larger than the other side's MSS, and none goes beyond its window."""
    connection = play.opened(options={"SO_RCVBUF": _SMALL_BUFFER})
    data = bytes(range(256)) * 40
    play.calls_freely("send", data=data)
    play.kernel_reads(connection, data)


@rung("endpoint.py", "RFC 9293 3.6 case 3, figure 13")
def closes_at_the_same_time(play: Play) -> None:
    """Both close before either FIN has arrived: CLOSING, then TIME-WAIT."""
    connection = play.opened()
    with play.lab.crossing():
        play.calls("close", Answer("FA", 1, 1), state=State.FIN_WAIT_1, why="fin")
        connection.close()
        play.arrives("FA", Answer("A", 2, 2), state=State.CLOSING, why="crossing_fin")
    play.arrives("A", state=State.TIME_WAIT, why="ack_of_crossed_fin")
    play.runs_timer(2 * MSL_S, why="two_msl")


def _has_text(frame: bytes) -> bool:
    received = decode(frame)
    return received is not None and bool(received.segment.payload)
