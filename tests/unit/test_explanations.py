"""Each sentence behind "why" is true of the mismatch: all expected and received control bits, causes and states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from lab.record.events import CheckKind, CheckMade
from lab.record.expectation import ANY, ZERO, Bases, Expected
from lab.record.explanations import EXPLANATIONS, Mismatch, explanation, sentence
from lab.tcp import flags
from lab.tcp.options import Options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from tests.unit.stories import Story

KERNEL, PEER = Seq(2**32 - 3), Seq(700)
LETTERS = ("", "S", "SA", "SAE", "A", "PA", "FA", "F", "R", "RA")
CAUSES = ("S", "SA", "A", "PA", "FA", "F", "R", "RA", "")
STATES = (None, *State)
OPENED = {State.SYN_SENT, State.SYN_RECEIVED}
SYNCHRONIZED = set(State) - OPENED - {State.CLOSED, State.LISTEN}
SYN_OPTIONS: Options = (("MSS", 1460), ("WScale", 7))


def has(letters: str, wanted: str) -> bool:
    return set(wanted) <= set(letters)


TRUE_OF: dict[str, Callable[[Mismatch, str, str, str], bool]] = {
    # What has to hold of a mismatch with these letters expected, received, and of the cause ("-" for none).
    "a listener answers a SYN with SYN and ACK in one segment": lambda m, _, got, cause: (
        cause in {"S", "SEC"} and got in {"SA", "SAE"} and not any(each.letters == "S" for each in m.kernel_sent)
    ),
    "a reset carries ACK only if the segment that it answers does not": lambda _, expected, got, cause: (
        {expected, got} == {"R", "RA"} and cause != "-" and "R" not in cause and has(got, "A") is not has(cause, "A")
    ),
    "what arrives for no connection is answered with a reset": lambda m, _, got, cause: (
        m.before in {None, State.CLOSED} and "R" in got and cause != "-" and "R" not in cause
    ),
    "before a connection is open, an ACK of what was never sent is answered with a reset": lambda m, _, got, cause: (
        m.before in OPENED
        and got == "R"
        and has(cause, "A")
        and m.cause is not None
        and int(m.cause.ack) not in {int(each.end) for each in m.kernel_sent}
    ),
    "a SYN on an open connection is answered with an ACK, not with a reset": lambda m, expected, got, cause: (
        m.before in SYNCHRONIZED and "R" in expected and got == "A" and "S" in cause
    ),
    "closing sends FIN, always together with ACK": lambda _, expected, got, __: (
        has(got, "FA") and not has(expected, "FA")
    ),
    "a FIN is acknowledged by itself, and the other side's FIN follows when its application closes": (
        lambda m, expected, got, cause: "F" in expected and got == "A" and "F" in cause and m.after == "CLOSE-WAIT"
    ),
    "after the first SYN every segment carries ACK": lambda _, expected, got, __: (
        "A" in got and "R" not in got and set(got) - set(expected) == {"A"}
    ),
    "a SYN carries the initial sequence number, and so does each retransmission of it": lambda m, _, got, __: (
        "S" in got and int(m.got.seq) == int(KERNEL)
    ),
    "a reset that answers a segment with ACK takes its seq from that ack": lambda m, _, got, cause: (
        got == "R" and has(cause, "A") and m.cause is not None and int(m.got.seq) == int(m.cause.ack)
    ),
    "a reset that answers a segment without ACK has the sequence number zero": lambda m, _, got, cause: (
        got == "RA" and not has(cause, "A") and cause != "-" and int(m.got.seq) == 0
    ),
    "a segment starts where the one before it ended; SYN and FIN take one number each": lambda m, _, got, __: (
        not set(got) & set("SR") and int(m.got.seq) in {int(each.end) for each in m.kernel_sent}
    ),
    "without ACK the acknowledgment number means nothing": lambda _, __, got, ___: "A" not in got,
    "a SYN takes up one sequence number, so its answer has ack = its seq + 1": lambda m, _, got, cause: (
        "S" in cause and has(got, "A") and m.cause is not None and int(m.got.ack) == int(m.cause.seq) + 1
    ),
    "a reset that answers a segment without ACK has ack = its seq + its length": lambda m, _, got, cause: (
        got == "RA" and "A" not in cause and m.cause is not None and m.got.ack - m.cause.seq == m.cause.length
    ),
    "ack is the next sequence number expected: all bytes before it came, SYN and FIN count one each": (
        lambda m, _, got, __: "A" in got and "R" not in got and m.got.ack <= max(each.end for each in m.peer_sent)
    ),
    "the window of a segment with SYN is never scaled": lambda _, __, got, ___: "S" in got,
    "each side announces its own MSS": lambda m, _, got, __: "S" in got and m.got.options[0] != ("MSS", 1400),
    "MSS, window scale and SACK-permitted stand in a SYN only": lambda _, __, got, ___: not set(got) & set("SR"),
    "bytes arrive once, in order and unchanged": lambda m, _, __, ___: len(m.got.payload) == len(b"jello"),
    "the urgent pointer means something only with URG": lambda _, __, got, ___: "U" not in got,
}


def a_segment(letters: str, seq: Seq, ack: Seq, options: Options = (), payload: bytes = b"") -> Segment:
    return Segment(seq, ack if "A" in letters else Seq(0), flags.bits(letters), 100, options, payload)


def mismatches() -> Iterator[tuple[Mismatch, str, str, str]]:
    """Every pair of control bits after every cause in every state, with numbers that obey the rules and others."""
    for got, cause_letters, obeys, opened in product(LETTERS, ("-", *CAUSES), (True, False), ("", "S", "SA")):
        for acked, before in product((KERNEL + 1, KERNEL + 7), STATES):
            cause = None if cause_letters == "-" else a_segment(cause_letters, PEER, acked)
            peer_sent = (a_segment("S", PEER, Seq(0), SYN_OPTIONS), *([cause] if cause else []))
            kernel_sent = (a_segment(opened, KERNEL, PEER + 1, SYN_OPTIONS),) if opened else ()
            seq, ack = KERNEL + (0 if "S" in got else 1), peer_sent[-1].end
            if "R" in got and cause is not None:
                seq = cause.ack if "A" in cause_letters else Seq(0)
            segment = a_segment(got, seq if obeys else seq + 50, ack if obeys else ack + 9, SYN_OPTIONS, b"hello")
            for expected, after in product(LETTERS, (before, State.CLOSE_WAIT)):
                options: Options = (("MSS", 1400 if obeys else ANY), ("WScale", 9), ("SAckOK", b""))
                wanted = Expected(flags.bits(expected), 3, 3, 3, options, b"jello", 3)
                yield (
                    Mismatch(wanted, segment, Bases(KERNEL, PEER), cause, before, after, peer_sent, kernel_sent),
                    expected, got, cause_letters,
                )  # fmt: skip


def test_each_given_sentence_is_true_of_the_mismatch_and_each_is_given() -> None:
    others = sorted({field for field, _, _ in EXPLANATIONS} - {"flags"})
    given = set()
    for mismatch, expected, got, cause in mismatches():
        # Sentences about other fields do not depend on the control bits expected.
        for field in others if expected == LETTERS[0] else ["flags"] if expected != got else []:
            said = sentence(field, mismatch).rpartition("   ")[0]
            if said:
                given.add(said)
                assert TRUE_OF[said](mismatch, expected, got, cause), (said, expected, got, cause, mismatch)
    assert given == set(TRUE_OF) == {text.rpartition("   ")[0] for _, _, text in EXPLANATIONS}


def why(story: Story, frame: int, expected: Expected, state: State) -> str:
    check = CheckMade(story.tick(), False, CheckKind.SEGMENT, "", None, 0, frame, expected)
    return explanation(story.recording, check, state).rpartition("   ")[0]


@pytest.mark.parametrize(
    ("peer_sends", "kernel_sends", "expected", "state"),
    [
        ("PA", "FA", "PA", State.FIN_WAIT_1),
        ("A", "A", "R", State.ESTABLISHED),
        ("A", "PA", "A", State.ESTABLISHED),
        ("PA", "A", "PA", State.ESTABLISHED),
    ],
)
def test_nothing_is_said_that_does_not_apply(peer_sends: str, kernel_sends: str, expected: str, state: State) -> None:
    story = Story()
    story.handshake()
    story.peer(peer_sends, seq=1, ack=1)
    frame = story.kernel(kernel_sends, seq=1, ack=1)
    said = why(story, frame, Expected(flags.bits(expected)), state)
    assert said in {"", "closing sends FIN, always together with ACK"}
    assert (said == "") is (kernel_sends != "FA" or "F" in expected)


def test_a_reset_outside_a_connection_is_explained_and_one_inside_is_not() -> None:
    story = Story()
    story.peer("S")
    frame = story.kernel("RA", seq=-5000, ack=1)
    outside = why(story, frame, Expected(flags.SYN | flags.ACK), State.CLOSED)
    assert outside == "what arrives for no connection is answered with a reset"
    story = Story()
    story.handshake()
    story.peer("PA", seq=1, ack=1)
    frame = story.kernel("R", seq=1)
    assert why(story, frame, Expected(flags.ACK), State.CLOSED) == ""


def test_two_segments_at_once_are_no_cause() -> None:
    story = Story()
    story.peer("S")
    story.peer("S")
    frame = story.kernel("SA", ack=1)
    assert why(story, frame, Expected(flags.SYN), State.SYN_RECEIVED) == "after the first SYN every segment carries ACK"


@pytest.mark.parametrize(("lost", "said"), [(False, "takes up one sequence number"), (True, "")])
def test_what_the_wire_lost_is_no_cause(lost: bool, said: str) -> None:
    story = Story()
    story.peer("S", lost=lost)
    frame = story.kernel("SA", ack=1)
    assert said in why(story, frame, Expected(flags.SYN | flags.ACK, ack=2), State.SYN_RECEIVED)


def test_what_is_held_until_the_segments_cross_is_no_cause() -> None:
    story = Story()
    held = story.peer("FA", seq=1, ack=1)
    frame = story.kernel("A", seq=1, ack=2)
    story.crossing_over(held)
    assert why(story, frame, Expected(flags.FIN | flags.ACK), State.CLOSE_WAIT) == ""


def test_wildcards_and_zero_are_explained_without_a_fault() -> None:
    story = Story()
    story.peer("S")
    frame = story.kernel("SA", ack=1, options=(("MSS", 1460),))
    anything = Expected(flags.SYN, ack=ZERO, options=(ANY, (ANY, ANY), ("MSS", ANY)))
    assert "listener" in why(story, frame, anything, State.SYN_RECEIVED)
