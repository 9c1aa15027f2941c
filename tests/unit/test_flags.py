from __future__ import annotations

import pytest

from lab.tcp import flags


@pytest.mark.parametrize("value", range(512))
def test_letters_and_bits_are_inverse(value: int) -> None:
    text = flags.letters(value)
    assert len(text) == value.bit_count()
    assert flags.bits(text) == value


def test_bits_take_letters_in_any_order() -> None:
    assert flags.bits("AS") == flags.bits("SA") == flags.SYN | flags.ACK


def test_bits_are_where_the_header_has_them() -> None:
    assert (flags.FIN, flags.SYN, flags.RST, flags.PSH, flags.ACK, flags.URG) == (1, 2, 4, 8, 16, 32)
    assert (flags.ECE, flags.CWR, flags.NS) == (64, 128, 256)


@pytest.mark.parametrize(("text", "letter"), [("SX", "'X'"), ("SAS", "'S'")], ids=["unknown", "twice"])
def test_an_error_names_the_letter(text: str, letter: str) -> None:
    with pytest.raises(ValueError, match=letter):
        flags.bits(text)
