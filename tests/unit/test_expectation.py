from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.record.expectation import ANY, Bases, Expected, agrees, as_options, compare, payload_text
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

BASES = Bases(Seq(1000), Seq(2**32 - 2))
SEGMENT = Segment(Seq(1001), Seq(3), 0x18, 512, (("MSS", 1460),), b"abc", 7)
RIGHT = Expected(0x18, 1, 5, 512, (("MSS", 1460),), b"abc", 7)
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
    only_flags = Expected(0x18, payload=None)
    assert agrees(only_flags, SEGMENT, BASES)
    assert [row.field for row in compare(only_flags, SEGMENT, BASES)] == ["flags"]


def test_without_a_word_about_it_there_is_no_payload() -> None:
    assert not agrees(Expected(0x18), SEGMENT, BASES)


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


@pytest.mark.parametrize("option", [("mss", 1), ("MSS",), ("MSS", 1, 2), "MSS", (None, 1)], ids=repr)
def test_what_is_no_option_is_refused(option: Any) -> None:
    with pytest.raises(ValueError, match="is not a TCP option"):
        as_options([option])
