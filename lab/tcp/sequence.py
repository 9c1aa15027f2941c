"""Sequence numbers: 32 bits, added and compared modulo 2**32 (RFC 9293 3.4)."""

from __future__ import annotations

from typing import Self

_MASK = 0xFFFF_FFFF
_HALF = 0x8000_0000


class Seq(int):
    """A sequence number. `a + n` wraps, `a - b` is the signed distance from b to a, `a < b` means `a - b < 0`.

    Two numbers exactly half the circle apart have no order: both `a < b` and `b < a` hold (RFC 1982 3.2).
    To step back write `a + -1`: a minus always measures a distance, so it can never be mistaken for a step.
    """

    __slots__ = ()

    def __new__(cls, value: int) -> Self:
        """The sequence number congruent to `value` modulo 2**32."""
        return int.__new__(cls, value & _MASK)

    # `.real` is the plain integer: its arithmetic is several times as fast as calling int's methods here.

    def __add__(self, count: int) -> Seq:
        return int.__new__(Seq, (self.real + count) & _MASK)

    def __sub__(self, other: int) -> int:
        return ((self.real - other.real + _HALF) & _MASK) - _HALF

    def __lt__(self, other: int) -> bool:
        return (self.real - other.real) & _MASK >= _HALF

    def __le__(self, other: int) -> bool:
        return self.real == other.real or (self.real - other.real) & _MASK >= _HALF

    def __gt__(self, other: int) -> bool:
        return (other.real - self.real) & _MASK >= _HALF

    def __ge__(self, other: int) -> bool:
        return self.real == other.real or (other.real - self.real) & _MASK >= _HALF

    def within(self, start: int, size: int) -> bool:
        """Whether this number is one of the `size` numbers from `start` on (a window test, RFC 9293 3.4)."""
        return (self.real - start.real) & _MASK < size
