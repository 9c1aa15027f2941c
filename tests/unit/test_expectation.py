from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.record.expectation import ANY, ZERO, Bases, Expected, agrees, as_options, compare, payload_text
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

BASES = Bases(Seq(1000), Seq(2**32 - 2))
SEGMENT = Segment(Seq(1001), Seq(3), 0x38, 512, (("MSS", 1460),), b"abc", 7)
RIGHT = Expected(0x38, 1, 5, 512, (("MSS", 1460),), b"abc", 7)
WRONG: dict[str, Any] = {
    "flags": 0x10, "seq": 2, "ack": 4, "window": 511, "options": (), "payload": b"abd", "urgent": 0,
}  # fmt: skip


@given(st.sets(st.sampled_from(sorted(WRONG))))
def test_each_field_that_differs_is_said_and_no_other(fields: set[str]) -> None:
    expected = RIGHT._replace(**{field: WRONG[field] for field in fields})
    rows = compare(expected, SEGMENT, BASES)
    assert {row.field for row in rows} == set(WRONG)
    assert {row.field for row in rows if not row.agrees} == fields
    assert agrees(expected, SEGMENT, BASES) is (not fields)


def test_what_is_left_out_is_not_compared() -> None:
    only_flags = Expected(0x38, payload=None)
    assert agrees(only_flags, SEGMENT, BASES)
    assert [row.field for row in compare(only_flags, SEGMENT, BASES)] == ["flags"]


def test_without_a_word_about_it_there_is_no_payload() -> None:
    assert not agrees(Expected(0x38), SEGMENT, BASES)


def test_any_stands_for_one_value() -> None:
    segment = SEGMENT._replace(options=(("Timestamp", (7, 0)),))
    assert agrees(RIGHT._replace(options=(("Timestamp", (ANY, 0)),)), segment, BASES)
    assert not agrees(RIGHT._replace(options=(("Timestamp", (ANY, 1)),)), segment, BASES)
    assert agrees(RIGHT._replace(options=(("Timestamp", ANY),)), segment, BASES)
    assert repr(ANY) == "ANY"


def test_payloads_that_differ_behind_their_beginning_differ() -> None:
    expected, segment = RIGHT._replace(payload=b"x" * 30), SEGMENT._replace(payload=b"x" * 29 + b"y")
    assert not agrees(expected, segment, BASES)
    assert [row.field for row in compare(expected, segment, BASES) if not row.agrees] == ["payload"]


def test_numbers_that_differ_are_told_absolutely_too() -> None:
    rows = {row.field: row for row in compare(RIGHT._replace(seq=2, ack=4), SEGMENT, BASES)}
    assert rows["seq"] == ("seq", "2 (absolute 1002)", "1 (absolute 1001)", False)
    assert rows["ack"] == ("ack", "4 (absolute 2)", "5 (absolute 3)", False)


@pytest.mark.parametrize(
    ("payload", "text"),
    [(b"", "none"), (b"a\n", "2 bytes 'a\\n'"), (b"x" * 24, f"24 bytes '{'x' * 24}'"),
     (b"x" * 25, f"25 bytes '{'x' * 24}'...")],
    ids=["none", "escaped", "whole", "cut"],
)  # fmt: skip
def test_payloads_are_told_by_their_beginning(payload: bytes, text: str) -> None:
    assert payload_text(payload) == text


@pytest.mark.parametrize("value", [None, "", b""], ids=repr)
def test_sack_permitted_may_be_written_as_in_scapy(value: Any) -> None:
    assert as_options([("SAckOK", value), ("MSS", 1)]) == (("SAckOK", b""), ("MSS", 1))


BARE = Segment(Seq(1001), Seq(0), 0)
"""Neither ACK nor URG: both fields are zero and mean nothing."""


@pytest.mark.parametrize(
    ("field", "given", "text"), [("ack", 2, "no ACK"), ("ack", 0, "no ACK"), ("urgent", 0, "no URG")]
)
def test_a_field_that_the_segment_does_not_carry_equals_no_number(field: str, given: int, text: str) -> None:
    expected = Expected(0, **{field: given})  # type: ignore[arg-type]  # one of the numbers
    assert not agrees(expected, BARE, BASES), "absolutely it is the number"
    assert [row for row in compare(expected, BARE, BASES) if not row.agrees] == [(field, str(given), text, False)]


@pytest.mark.parametrize(
    ("field", "other", "got"),
    [("ack", BARE._replace(ack=Seq(2)), "absolute 2"), ("urgent", BARE._replace(urgent=2), "2")],
    ids=["ack", "urgent"],
)
def test_that_the_field_is_zero_has_a_word_of_its_own(field: str, other: Segment, got: str) -> None:
    expected = Expected(0, **{field: ZERO})  # type: ignore[arg-type]  # one of the numbers
    assert agrees(expected, BARE, BASES)
    assert (field, "zero", "zero", True) in compare(expected, BARE, BASES)
    assert [row for row in compare(expected, other, BASES) if not row.agrees] == [(field, "zero", got, False)]


ANYTHING = Expected(ANY, ANY, ANY, ANY, ANY, ANY, ANY)


@pytest.mark.parametrize("segment", [SEGMENT, BARE], ids=["all fields", "no field"])
def test_any_equals_everything_in_every_field(segment: Segment) -> None:
    assert agrees(ANYTHING, segment, BASES)
    rows = compare(ANYTHING, segment, BASES)
    assert {(row.expected, row.agrees) for row in rows} == {("ANY", True)}
    assert len(rows) == len(WRONG)


@pytest.mark.parametrize(
    ("given", "text"),
    [([ANY, ("MSS", 1460)], "ANY,mss 1460"), ([(ANY, 7), ("MSS", ANY)], "kind ANY 7,mss ANY")],
    ids=["an option", "name and value"],
)
def test_any_stands_for_an_option_its_name_or_its_value(given: list[Any], text: str) -> None:
    expected = Expected(0, options=as_options(given))
    assert agrees(expected, BARE._replace(options=(("WScale", 7), ("MSS", 1460))), BASES)
    rows = compare(expected, BARE._replace(options=(("MSS", 1460),)), BASES)
    assert rows[1][1:] == (text, "mss 1460", False)


def test_an_authors_any_is_taken_for_each_field() -> None:
    assert Expected.of(ANY, ANY, ANY, seq=ANY, ack=ANY, window=ANY, urgent=ANY) == tuple(ANYTHING)


@pytest.mark.parametrize("option", [["MSS", 1], ("Timestamp", [1, 2]), ("NOP", b""), ("EOL", "")], ids=repr)
def test_options_may_be_written_as_lists_and_without_a_value(option: Any) -> None:
    ((name, value),) = as_options([option])
    assert (name, value) in {("MSS", 1), ("Timestamp", (1, 2)), ("NOP", None), ("EOL", None)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"seq": "1"}, "seq takes a number, not '1'"),
        ({"window": 1.5}, "window takes a number, not 1.5"),
        ({"payload": 5}, "the payload must be bytes or text, not 5"),
    ],
    ids=repr,
)
def test_a_value_of_a_wrong_type_is_refused_and_never_compared(words: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Expected.of("SA", None, words.pop("payload", b""), **words)


@pytest.mark.parametrize("option", [("mss", 1), ("MSS",), ("MSS", 1, 2), "MSS", (None, 1)], ids=repr)
def test_what_is_no_option_is_refused(option: Any) -> None:
    with pytest.raises(ValueError, match="is not a TCP option"):
        as_options([option])
