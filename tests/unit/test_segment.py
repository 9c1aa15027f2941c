from __future__ import annotations

import pytest

from lab.tcp.flags import bits
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq


@pytest.mark.parametrize(
    ("letters", "payload", "length"),
    [
        ("A", b"", 0),
        ("S", b"", 1),
        ("SA", b"", 1),
        ("FA", b"", 1),
        ("PA", b"abc", 3),
        ("FPA", b"abc", 4),
        ("R", b"", 0),
    ],
)
def test_length_counts_text_syn_and_fin(letters: str, payload: bytes, length: int) -> None:
    segment = Segment(Seq(2**32 - 1), Seq(0), bits(letters), payload=payload)
    assert segment.length == length
    assert segment.end == (2**32 - 1 + length) % 2**32
    assert bits(segment.letters) == segment.flags
