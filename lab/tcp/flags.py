"""The control bits as an integer, and Scapy's letters for them (RFC 9293 3.1, RFC 3168 6.1)."""

from __future__ import annotations

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, NS = (1 << bit for bit in range(9))

_LETTERS = "FSRPAUECN"
_NAMES = tuple("".join(letter for bit, letter in enumerate(_LETTERS) if value >> bit & 1) for value in range(512))
_BITS = {letter: 1 << bit for bit, letter in enumerate(_LETTERS)}
_PARSED = {name: value for value, name in enumerate(_NAMES)}


def letters(flags: int) -> str:
    """The set bits as Scapy prints them: `letters(SYN | ACK)` is "SA", no bit at all is ""."""
    return _NAMES[flags]


def bits(text: str) -> int:
    """The integer for letters in any order; ValueError names the letter that is none or stands twice."""
    known = _PARSED.get(text)
    if known is not None:
        return known
    value = 0
    for letter in text:
        bit = _BITS.get(letter)
        if bit is None:
            raise ValueError(f"{text!r}: {letter!r} is not a TCP flag, use letters of {_LETTERS}")
        if value & bit:
            raise ValueError(f"{text!r}: {letter!r} stands twice")
        value |= bit
    return value
