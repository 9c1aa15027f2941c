"""Answers as learners type them: each notation of a value is understood, and nonsense is no answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.claims.catalogue import Text
from lab.exercise.model import Kind, Numbers, Question
from lab.exercise.notation import (
    SPAN,
    At,
    Choice,
    Count,
    Errno,
    Flags,
    NotUnderstood,
    SequenceNumber,
    Several,
    StateName,
    WireNumber,
)
from lab.exercise.view import View
from lab.report.screen import Screen
from lab.tcp import flags
from lab.tcp.state import State

OWN = Numbers({"x": 3_000_000_000, "n": 20})
SYN_ACK = (
    "SA", "AS", "sa", "SYN+ACK", "syn, ack", "SYN ACK", "[SYN, ACK]", "S.", "[S.]", "SYN/ACK", "SYN 和 ACK", "SYN、ACK",
    "ＳＹＮ＋ＡＣＫ", "SYN-ACK", " syn and ack ", "SPA",
)  # fmt: skip
THREE_TIMES = ("3", "three", "Three segments", "三", "三个", "3 个", "0x3", "３", "03")
THREE = (Text("one", "一"), Text("two", "二"), Text("three", "三"))


@pytest.mark.parametrize("typed", SYN_ACK)
def test_control_bits_in_every_notation(typed: str) -> None:
    assert Flags().parse(typed, OWN) == "SA"


@pytest.mark.parametrize("typed", ["none", "-", "无", "没有", "nothing"])
def test_no_segment_at_all(typed: str) -> None:
    assert Flags().parse(typed, OWN) == ""


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("1", At("x", 1)),
        ("+1", At("x", 1)),
        ("x+1", At("x", 1)),
        ("X + 1", At("x", 1)),
        ("ack=x+1", At("x", 1)),
        ("ｘ＋１", At("x", 1)),
        ("3000000001", At("x", 1)),
        ("3,000,000,001", At("x", 1)),
        ("3 000 000 001", At("x", 1)),
        ("0xb2d05e01", At("x", 1)),
        ("x+1+20", At("x", 21)),
        ("3000000000+21", At("x", 21)),
        ("x - 1", At("x", -1)),
        ("y+1", At("y", 1)),
        ("x", At("x", 0)),
        ("0", At("x", 0)),
        ("1234567890", At("", 1234567890)),
    ],
)
def test_sequence_numbers_in_every_notation(typed: str, value: At) -> None:
    assert SequenceNumber("x").parse(typed, OWN) == value


@pytest.mark.parametrize(("typed", "value"), [("0x10", 16), ("16", 16), ("4,294,967,296", SPAN), ("10+6", 16)])
def test_numbers_of_the_header(typed: str, value: int) -> None:
    assert WireNumber().parse(typed, OWN) == value


@pytest.mark.parametrize("typed", THREE_TIMES)
def test_counts_in_every_notation(typed: str) -> None:
    assert Count().parse(typed, OWN) == 3


@pytest.mark.parametrize("typed", ["SYN-RECEIVED", "syn_rcvd", "SYN_RECV", "SYN RECEIVED", "syn-recv"])
def test_states_by_each_of_their_names(typed: str) -> None:
    assert StateName().parse(typed, OWN) is State.SYN_RECEIVED


@pytest.mark.parametrize("typed", ["ECONNREFUSED", "econnrefused", "111", "Connection refused"])
def test_an_errno_by_name_number_or_text(typed: str) -> None:
    assert Errno().parse(typed, OWN) == "ECONNREFUSED"


@pytest.mark.parametrize(("typed", "value"), [("EWOULDBLOCK", "EAGAIN"), ("success", ""), ("0", ""), ("成功", "")])
def test_a_second_name_of_an_errno_and_success(typed: str, value: str) -> None:
    assert Errno().parse(typed, OWN) == value


@pytest.mark.parametrize("typed", ["b", "B", "2", "b)", "b.", "ｂ"])
def test_a_choice_by_letter_or_number(typed: str) -> None:
    assert Choice(THREE).parse(typed, OWN) == 1


@pytest.mark.parametrize(
    ("typed", "value"),
    [("ac", {0, 2}), ("c, a", {0, 2}), ("a 和 c", {0, 2}), ("13", {0, 2}), ("none", set()), ("无", set())],
)
def test_several_choices(typed: str, value: set[int]) -> None:
    assert Several(THREE).parse(typed, OWN) == value


@pytest.mark.parametrize(
    ("kind", "typed", "key"),
    [
        (Flags(), "hello", "not_flags"),
        (Flags(), "3", "not_flags"),
        (SequenceNumber("x"), "", "not_a_number"),
        (Flags(), "", "not_flags"),
        (SequenceNumber("x"), "z+1", "not_x_or_y"),
        (SequenceNumber("x"), "n+1", "not_x_or_y"),
        (WireNumber(), "m + 1", "not_x_or_y"),
        (SequenceNumber("x"), "x+y", "not_a_number"),
        (SequenceNumber("x"), "x+", "not_a_number"),
        (SequenceNumber("x"), "1 2", "not_a_number"),
        (SequenceNumber("x"), "x*2", "not_a_number"),
        (SequenceNumber("x"), "0xfg", "not_a_number"),
        (SequenceNumber("x"), "1" * 5000, "not_a_number"),
        (WireNumber(), "x+1", "not_computed"),
        (WireNumber(), "what?", "not_a_number"),
        (Count(), "many", "not_a_count"),
        (Count(), "3 or 4", "not_a_count"),
        (Count(), "-3", "not_a_count"),
        (Count(), "- 3", "not_a_count"),
        (Count(), "9" * 5000, "not_a_count"),
        (StateName(), "OPEN", "not_a_state"),
        (Errno(), "EWHAT", "not_an_errno"),
        (Errno(), "errorcode", "not_an_errno"),
        (Errno(), "", "not_an_errno"),
        (Errno(), "1" * 5000, "not_an_errno"),
        (Choice(THREE), "d", "not_a_choice"),
        (Choice(THREE), "ab", "not_a_choice"),
        (Choice(THREE), "", "not_a_choice"),
        (Several(THREE), "ad", "not_a_choice"),
        (Several(THREE), "", "not_a_choice"),
    ],
)  # fmt: skip
def test_what_is_no_answer(kind: Kind, typed: str, key: str) -> None:
    with pytest.raises(NotUnderstood) as raised:
        kind.parse(typed, OWN)
    assert raised.value.key == key


@given(st.integers(0, 511))
def test_control_bits_can_be_typed_as_they_are_shown(bits: int) -> None:
    letters = flags.letters(bits & 0x7F & ~flags.PSH)
    assert Flags().parse(Flags().show(letters), OWN) == letters


@given(st.sampled_from("xy"), st.integers(-(2**19), 2**19))
def test_sequence_numbers_can_be_typed_as_they_are_shown(base: str, offset: int) -> None:
    kind = SequenceNumber("x")
    assert kind.parse(kind.show(At(base, offset)), OWN) == At(base, offset)


@given(st.integers(-(2**19), 2**19).filter(bool), st.integers(2**21, SPAN - 2**21))
def test_an_absolute_number_is_the_relative_one(offset: int, x: int) -> None:
    assert SequenceNumber("x").parse(str(x + offset), Numbers({"x": x})) == At("x", offset)


@given(st.text(max_size=30))
def test_any_text_is_an_answer_or_none(typed: str) -> None:
    kinds = (Flags(), SequenceNumber("x"), WireNumber(), Count(), StateName(), Errno(), Choice(THREE), Several(THREE))
    for kind in kinds:
        try:
            value = kind.parse(typed, OWN)
        except NotUnderstood:
            continue
        assert kind.parse(kind.show(value), OWN) == value


def test_success_is_shown_in_the_language_of_the_learner() -> None:
    question = Question("bind", Text("How?", "怎样？"), Errno(), lambda _: None, lambda _: "", Text("", ""))
    shown = [View(Screen(language=language), 80).value(question, "", OWN) for language in ("en", "zh")]
    assert shown == ["success", "成功"]
