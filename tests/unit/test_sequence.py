from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tcp.sequence import Seq

NUMBERS = st.one_of(st.integers(0, 2**32 - 1), st.integers(-20, 20).map(lambda n: n % 2**32))
DISTANCES = st.integers(-(2**31) + 1, 2**31 - 1)


@given(NUMBERS, DISTANCES)
def test_a_minus_measures_what_a_plus_has_walked(number: int, distance: int) -> None:
    start = Seq(number)
    assert (start + distance) - start == distance


@given(NUMBERS, DISTANCES)
def test_order_follows_the_circle(number: int, distance: int) -> None:
    start = Seq(number)
    there = start + distance
    assert (there > start, there >= start, there < start, there <= start) == (
        distance > 0,
        distance >= 0,
        distance < 0,
        distance <= 0,
    )


@given(NUMBERS, st.integers(0, 2**32 - 1), st.integers(0, 2**32))
def test_a_window_holds_its_first_numbers_and_no_more(start: int, offset: int, size: int) -> None:
    assert (Seq(start) + offset).within(Seq(start), size) == (offset < size)


@pytest.mark.parametrize(
    ("number", "step", "expected"),
    [(2**32 - 1, 1, 0), (2**32 - 2, 5, 3), (0, -1, 2**32 - 1)],
    ids=["wraps", "wraps further", "steps back"],
)
def test_addition_wraps(number: int, step: int, expected: int) -> None:
    result = Seq(number) + step
    assert result == expected
    assert type(result) is Seq


def test_opposite_numbers_have_no_order() -> None:
    assert Seq(0) < Seq(2**31)
    assert Seq(2**31) < Seq(0)


def test_construction_takes_the_number_modulo_the_circle() -> None:
    assert Seq(2**32 + 7) == 7
    assert Seq(-1) == 2**32 - 1
