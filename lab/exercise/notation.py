"""Kinds of answers: each accepts the notations in which learners write them, in English and Chinese."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from unicodedata import normalize

from lab.claims.catalogue import Text
from lab.exercise.model import Numbers
from lab.report.typed import (
    AROUND,
    BETWEEN,
    CONTROL_BITS,
    DIGITS,
    FIELD,
    INTEGER,
    NEAR,
    NONE,
    TERM,
    THOUSANDS,
    WITHIN,
)
from lab.tcp import flags
from lab.tcp.state import State

SPAN = 2**32
_SUCCESS = {"0", "ok", "success", "succeeds", "none", "成功", "没有错误", "无"}
_STATES = {
    "SYN-RCVD": State.SYN_RECEIVED,
    "SYN-RECV": State.SYN_RECEIVED,
    "ESTAB": State.ESTABLISHED,
    "FIN-WAIT1": State.FIN_WAIT_1,
    "FIN-WAIT2": State.FIN_WAIT_2,
    "UNCONN": State.CLOSED,
    "GONE": State.CLOSED,
    **{state.value: state for state in State},
}


class NotUnderstood(Exception):
    """What was typed is no answer of this kind; `key` names the text in `words.toml` that says so."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class At(NamedTuple):
    """A sequence number: an initial sequence number by its name, and how far behind it."""

    base: str
    """The article's letter: "x"; "" for a number that belongs to neither side."""
    offset: int


@dataclass(frozen=True, slots=True)
class Flags:
    """Control bits, without PSH: "SA", "SYN+ACK", "S.", "[SYN, ACK]", "none". The value is Scapy's letters."""

    how: ClassVar[str] = "how_flags"
    options: ClassVar[Sequence[Text]] = ()

    def parse(self, typed: str, own: Numbers) -> str:  # noqa: ARG002  # as all kinds
        """Scapy's letters in its order."""
        text = re.sub(AROUND, "", _plain(typed))
        if text in NONE:
            return ""
        words = [word.upper() for word in re.split(BETWEEN, text) if word]
        letters = "".join(CONTROL_BITS.get(word, word.replace(".", "A")) for word in words)
        if not letters:  # an Enter too much is not the answer "none"
            raise NotUnderstood("not_flags")
        try:
            return without_push("".join(dict.fromkeys(letters)))
        except ValueError:
            raise NotUnderstood("not_flags") from None

    def show(self, value: object) -> str:
        """The names of the bits."""
        names = {letter: name for name, letter in reversed(CONTROL_BITS.items()) if name != "."}
        return "+".join(names.get(letter, letter) for letter in str(value)) or "none"


def without_push(letters: str) -> str:
    """Scapy's letters in its order without P: whether a segment has PSH depends on the buffers of the sender."""
    return flags.letters(flags.bits(letters) & ~flags.PSH)


@dataclass(frozen=True, slots=True)
class SequenceNumber:
    """A sequence or acknowledgment number: relative, absolute, hexadecimal or as the article writes it ("x+1")."""

    base: str
    """The initial sequence number to which a relative number belongs: "x"."""
    others: tuple[str, ...] = ("x", "y")
    how: ClassVar[str] = "how_sequence"
    options: ClassVar[Sequence[Text]] = ()

    def parse(self, typed: str, own: Numbers) -> At:
        """The initial sequence number and the distance from it."""
        names, number = _sum(typed, {self.base, *self.others})
        if len(names) > 1:
            raise NotUnderstood("not_a_number")
        if names:
            return At(names[0], number)
        for base in dict.fromkeys((self.base, *self.others)):
            if base in own and abs(_distance(own[base], number)) < NEAR:
                return At(base, _distance(own[base], number))
        return At(self.base if number < NEAR else "", number)

    def show(self, value: object) -> str:
        """As the article writes it: "x+1"."""
        assert isinstance(value, At)
        if not value.base:
            return str(value.offset)
        return f"{value.base}{value.offset:+d}" if value.offset else value.base


@dataclass(frozen=True, slots=True)
class WireNumber:
    """A number as it stands in the header, decimal or hexadecimal; a sum of numbers is added up."""

    how: ClassVar[str] = "how_wire"
    options: ClassVar[Sequence[Text]] = ()

    def parse(self, typed: str, own: Numbers) -> int:  # noqa: ARG002
        """The number, which may be too large for the field."""
        names, number = _sum(typed, {"x", "y"})
        if names:
            raise NotUnderstood("not_computed")
        return number

    def show(self, value: object) -> str:
        """Decimal."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Count:
    """How many: "3", "three", "三个", "3 segments"."""

    how: ClassVar[str] = "how_count"
    options: ClassVar[Sequence[Text]] = ()

    def parse(self, typed: str, own: Numbers) -> int:  # noqa: ARG002
        """The only number in the text, which is not negative."""
        text = re.sub(THOUSANDS, "", _plain(typed))
        found = [_integer(word) for word in re.findall(INTEGER, text) if len(word) <= 20]
        found = found or [DIGITS[word] for word in re.findall("|".join(DIGITS), text)]
        if len(found) != 1 or re.search(r"-\s*\d", text):
            raise NotUnderstood("not_a_count")
        return found[0]

    def show(self, value: object) -> str:
        """Decimal."""
        return str(value)


@dataclass(frozen=True, slots=True)
class StateName:
    """A connection state by its name in the RFC, in ss or in the article."""

    how: ClassVar[str] = "how_state"
    options: ClassVar[Sequence[Text]] = ()

    def parse(self, typed: str, own: Numbers) -> State:  # noqa: ARG002
        """The state."""
        found = _STATES.get(re.sub(r"[\s_]+", "-", _plain(typed).upper()))
        if found is None:
            raise NotUnderstood("not_a_state")
        return found

    def show(self, value: object) -> str:
        """The name in the RFC."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Errno:
    """How a system call ends: the name of an errno, its number or its text in C; "" for success."""

    how: ClassVar[str] = "how_errno"
    options: ClassVar[Sequence[Text]] = ()

    def parse(self, typed: str, own: Numbers) -> str:  # noqa: ARG002
        """The name of the errno."""
        text = _plain(typed)
        if text in _SUCCESS:
            return ""
        for number, name in errno.errorcode.items():
            if text in (str(number), name.lower(), os.strerror(number).lower()):
                return name
        if vars(errno).get(text.upper()) in errno.errorcode:  # a second name of the same number: EWOULDBLOCK
            return errno.errorcode[vars(errno)[text.upper()]]
        raise NotUnderstood("not_an_errno")

    def show(self, value: object) -> str:
        """The name, or "success"."""
        return str(value) or "success"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several answers, by its letter. The value is its index."""

    how: ClassVar[str] = "how_choice"
    options: Sequence[Text]

    def parse(self, typed: str, own: Numbers) -> int:  # noqa: ARG002
        """The index."""
        chosen = _letters(typed, len(self.options))
        if len(chosen) != 1:
            raise NotUnderstood("not_a_choice")
        return chosen[0]

    def show(self, value: object) -> str:
        """The letter."""
        assert isinstance(value, int)
        return letter(value)


@dataclass(frozen=True, slots=True)
class Several:
    """Any number of several answers, by their letters: "acd". The value is the set of their indices."""

    how: ClassVar[str] = "how_several"
    options: Sequence[Text]

    def parse(self, typed: str, own: Numbers) -> frozenset[int]:  # noqa: ARG002
        """The indices."""
        return frozenset() if _plain(typed) in NONE else frozenset(_letters(typed, len(self.options)))

    def show(self, value: object) -> str:
        """The letters."""
        assert isinstance(value, frozenset)
        return "".join(map(letter, sorted(value))) or "none"


def letter(index: int) -> str:
    """The letter of an option."""
    return chr(ord("a") + index)


def _plain(typed: str) -> str:
    """Lower case without outer spaces; full-width characters of Chinese keyboards as ASCII."""
    return normalize("NFKC", typed).strip().lower()


def _letters(typed: str, count: int) -> list[int]:
    chosen = []
    for each in re.sub(r"[\s,、.()+]|和|and", "", _plain(typed)):
        index = int(each) - 1 if each.isascii() and each.isdigit() else ord(each) - ord("a")
        if not 0 <= index < count:
            raise NotUnderstood("not_a_choice")
        chosen.append(index)
    if not chosen:
        raise NotUnderstood("not_a_choice")
    return chosen


def _sum(typed: str, bases: set[str]) -> tuple[list[str], int]:
    """The names of initial sequence numbers in a sum, and the sum of all other terms."""
    text = re.sub(WITHIN, "", re.sub(FIELD, "", _plain(typed))).strip()
    names, number, at = [], 0, 0
    for found in re.finditer(TERM, text):
        sign, term = found.groups()
        if found.start() != at or (at > 0 and not sign):
            break
        at = found.end()
        if term[0].isdigit():
            value = _integer(term)
        elif term in bases:
            names.append(term)
            continue
        elif len(term) == 1:  # such as the article's m, n and p, to which no exercise gives a value
            raise NotUnderstood("not_x_or_y")
        else:
            break
        number += -value if sign == "-" else value
    if at != len(text) or not text:
        raise NotUnderstood("not_a_number")
    return names, number


def _integer(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text)


def _distance(base: int, number: int) -> int:
    """From a base to a number modulo 2**32, with its sign."""
    return (number - base + SPAN // 2) % SPAN - SPAN // 2
