"""The control bits as an integer, and Scapy's letters for them (RFC 9293 3.1, RFC 3168 6.1)."""

from __future__ import annotations

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, NS = (1 << bit for bit in range(9))

_LETTERS = "FSRPAUECN"


def letters(flags: int) -> str:
    """The set bits as Scapy prints them: `letters(SYN | ACK)` is "SA", no bit at all is ""."""
    return "".join([letter for bit, letter in enumerate(_LETTERS) if flags >> bit & 1])


def bits(text: str) -> int:
    """The integer for flag letters in any order. Raises ValueError for an unknown or repeated letter."""
    value = 0
    for letter in text:
        if letter not in _LETTERS:
            raise ValueError(f"{text!r}: {letter!r} is not a TCP flag, use letters of {_LETTERS}")
        bit = 1 << _LETTERS.index(letter)
        if value & bit:
            raise ValueError(f"{text!r}: {letter!r} is repeated")
        value |= bit
    return value
