"""True answers are read from the recording: which segment, which step, whose state."""

from __future__ import annotations

from lab.exercise.notation import At
from lab.exercise.readings import Checked, HowMany, KernelState, KernelTimer, OfCall, OfSegment, SentAgainAfter, Which
from lab.record.events import CallMade, CheckKind, CheckMade, FrameSeen, Recording, StateSeen, StepBegun
from lab.record.expectation import Bases, Row
from lab.record.kernel_state import KernelState as Detail
from lab.tcp.flags import ACK, FIN, PSH, SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

BASES = Bases(kernel=Seq(5000), peer=Seq(2**32 - 1))


def frame(
    time_ns: int, flags: int, seq: int, ack: int = 0, *, from_peer: bool = False, again: bool = False
) -> FrameSeen:
    segment = Segment(Seq(seq), Seq(ack), flags, options=(("MSS", 1460), ("NOP", None), ("WScale", 7)))
    return FrameSeen(time_ns, from_peer, b"", segment, 0, retransmission=again, bases=BASES)


RECORDING = Recording(4, 0)
RECORDING.events += [
    StepBegun(10, "SYN", (), None),
    frame(11, SYN, 2**32 - 1, from_peer=True),
    frame(12, SYN | ACK, 5000, 0),
    frame(13, SYN | ACK, 5000, 0, again=True),
    StateSeen(14, None, State.LISTEN, "inet_diag"),
    StateSeen(15, 0, State.SYN_RECEIVED, "inet_diag"),
    StepBegun(20, "FIN", (), None),
    frame(21, FIN | ACK, 5001, 0),
    StepBegun(30, "FIN", (), None),
    frame(5, FIN | ACK | PSH, 5009, 0),  # a busy machine has delivered it late
    frame(32, ACK, 0, 5010, from_peer=True),
    StateSeen(33, 0, State.LAST_ACK, "inet_diag"),
    StateSeen(12, 0, State.ESTABLISHED, "tracepoint"),
]


def test_the_nth_segment_of_a_side_without_retransmissions() -> None:
    assert OfSegment(1, "flags")(RECORDING) == ("SA", 2)
    assert OfSegment(2, "flags")(RECORDING) == ("FA", 7)
    assert OfSegment(1, "flags", from_peer=True)(RECORDING) == ("S", 1)
    assert OfSegment(9, "flags")(RECORDING) is None


def test_numbers_are_absolute_or_relative_to_the_side_that_they_belong_to() -> None:
    assert OfSegment(1, "ack")(RECORDING) == (0, 2)
    assert OfSegment(1, "ack", base="x")(RECORDING) == (At("x", 1), 2)
    assert OfSegment(2, "seq", base="y")(RECORDING) == (At("y", 1), 7)
    assert OfSegment(2, "ack", base="y", from_peer=True)(RECORDING) == (At("y", 10), 10)
    assert OfSegment(1, "seq", base="x", from_peer=True)(RECORDING) == (At("x", 0), 1)


def test_the_last_step_of_a_title_in_the_order_of_the_scenario() -> None:
    assert OfSegment(1, "flags", step="FIN")(RECORDING) == ("FA", 9)
    assert HowMany(step="FIN")(RECORDING) == (2, 10)
    assert HowMany(step="FIN", from_peer=False)(RECORDING) == (1, 9)
    assert HowMany()(RECORDING) == (5, 10)
    assert HowMany(step="FIN", again=True)(RECORDING) == (0, 10)
    assert HowMany(step="RST")(RECORDING) is None


def test_options_and_the_header() -> None:
    assert OfSegment(1, "options")(RECORDING) == (frozenset({"MSS", "WScale"}), 2)
    assert OfSegment(1, "options", among=("SAckOK", "WScale"))(RECORDING) == (frozenset({1}), 2)
    assert OfSegment(1, "flags", among=("S", "SA"))(RECORDING) == (1, 2)
    assert OfSegment(1, "flags", among=("S", "A"))(RECORDING) is None
    assert OfSegment(1, "header")(RECORDING) == (28, 2)
    assert OfSegment(1, "mss")(RECORDING) == (1460, 2)
    assert OfSegment(1, "scale")(RECORDING) == (7, 2)
    assert OfSegment(1, "tsecr")(RECORDING) is None


def test_which_options_of_a_question_have_a_value() -> None:
    first, second = OfSegment(1, "flags", step="SYN"), OfSegment(1, "flags", step="FIN")
    assert Which((first, second), "FA")(RECORDING) == (frozenset({1}), 9)
    assert Which((first, second, first), "SA")(RECORDING) == (frozenset({0, 2}), 2)
    assert Which((first, second), "R")(RECORDING) == (frozenset(), 9)
    assert Which((first, OfSegment(1, "flags", step="RST")), "SA")(RECORDING) == (frozenset({0}), 2)
    assert Which((OfSegment(1, "flags", step="RST"),), "SA")(RECORDING) is None, "it was not tried"


def test_the_state_that_ss_shows_of_connection_and_listener() -> None:
    assert KernelState("SYN")(RECORDING) == (State.SYN_RECEIVED, 5)
    assert KernelState("SYN", listener=True)(RECORDING) == (State.LISTEN, 4)
    assert KernelState("FIN")(RECORDING) == (State.LAST_ACK, 11)
    assert KernelState("FIN", listener=True)(RECORDING) is None


def test_how_the_last_system_call_of_a_name_ended() -> None:
    recording = Recording(4, 0)
    recording.events += [
        StepBegun(1, "SYN", (), None),
        CallMade(2, "connect", (80,), None, "EINPROGRESS", 0, None),
        CallMade(3, "connect", (80,), None, "ETIMEDOUT", 0, None),
        StepBegun(4, "FIN", (), None),
        CallMade(5, "recv", (1,), b"", "", 0, None),
        CallMade(6, "close", (), None, "", 0, None),
    ]
    assert OfCall("connect")(recording) == ("ETIMEDOUT", 2)
    assert OfCall("recv")(recording) == ("", 4)
    assert OfCall("connect", step="FIN")(recording) is None
    assert OfCall("recv", among=("ECONNRESET", "b''"))(recording) == (1, 4)
    assert OfCall("close", among=("0", "b''"))(recording) == (0, 5)
    assert OfCall("recv", among=("EAGAIN",))(recording) is None


def test_no_segment_of_the_kernel_in_a_step_is_no_control_bits() -> None:
    recording = Recording(4, 0)
    recording.events += [
        frame(1, SYN | ACK, 5000),
        StepBegun(2, "RST", (), None),
        frame(3, SYN, 0, from_peer=True),
        frame(4, SYN | ACK, 5000, again=True),
    ]
    assert OfSegment(1, "flags", step="RST")(recording) == ("", 2)
    assert OfSegment(1, "seq", step="RST")(recording) is None
    assert OfSegment(1, "flags", step="FIN")(recording) is None


def test_how_often_and_when_a_segment_is_sent_again() -> None:
    second = 1_000_000_000
    recording = Recording(4, 0)
    recording.events += [
        frame(0, SYN, 0, from_peer=True),
        frame(second, SYN | ACK, 5000),
        frame(2 * second - 5_000_000, SYN | ACK, 5000, again=True),  # early by less than a tick
        frame(4 * second + second // 2, SYN | ACK, 5000, again=True),
        frame(5 * second, FIN | ACK, 5001),
    ]
    assert HowMany(again=True)(recording) == (2, 3)
    assert HowMany(from_peer=True, again=True)(recording) == (0, 4)
    assert SentAgainAfter()(recording) == (1, 2)
    assert SentAgainAfter(2)(recording) == (3, 3)
    assert SentAgainAfter(3)(recording) is None


def test_the_segments_that_have_arrived() -> None:
    recording = Recording(4, 0)
    lost, arrived = frame(1, FIN | ACK, 5001), frame(2, FIN | ACK, 5001, again=True)
    recording.events += [lost, arrived._replace(peer_state=State.CLOSE_WAIT)]
    assert OfSegment(1, "flags", arrived=True)(recording) == ("FA", 1)
    assert OfSegment(2, "flags", arrived=True)(recording) is None


def test_the_value_that_a_check_has_compared() -> None:
    recording = Recording(4, 0)
    for step, subject, got in (("A", "Recv-Q", 5), ("A", "state", State.ESTABLISHED), ("B", "Recv-Q", 6)):
        row = Row.of("value", "anything", got)
        recording.events += [
            StepBegun(1, step, (), None),
            CheckMade(2, True, CheckKind.VALUE, subject, None, rows=(row,)),
        ]
    assert Checked("Recv-Q")(recording) == (6, 5)
    assert Checked("Recv-Q", step="A")(recording) is None, "the last step of the title has another check"
    assert Checked("Recv-Q", step="B")(recording) == (6, 5)
    assert Checked("state", State)(recording) == (State.ESTABLISHED, 3)
    assert Checked("Recv-Q", among=(5, 6))(recording) == (1, 5)
    assert Checked("Recv-Q", among=(1, 2))(recording) is None
    assert Checked("Send-Q")(recording) is None


def test_the_length_and_the_name_of_the_timer() -> None:
    second = 1_000_000_000
    recording = Recording(4, 0)
    recording.events += [
        StepBegun(0, "FIN", (), None),
        frame(second, FIN | ACK, 5000, from_peer=True),
        FrameSeen(3 * second, True, b""),
        StateSeen(3 * second, 0, State.TIME_WAIT, "inet_diag", Detail(State.TIME_WAIT, 3, 57_990)),
        StateSeen(3 * second, 0, State.TIME_WAIT, "tracepoint"),
        StepBegun(4 * second, "RST", (), None),
        StateSeen(4 * second, None, State.LISTEN, "inet_diag", Detail(State.LISTEN)),
    ]
    assert KernelTimer("FIN")(recording) == (60, 3)
    assert KernelTimer(among=("", "time-wait"))(recording) == (1, 3)
    assert KernelTimer(among=("", "keepalive"))(recording) is None
    assert KernelTimer("RST")(recording) is None
