"""Text output: properties of the screen, line wrapping, columns, and escaping of control characters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple
from unicodedata import category

from rich.cells import cell_len, chop_cells, set_cell_size

_STYLES = {
    "title": "1",
    "faint": "2",
    "mark": "33",
    "broke": "31",
    "pass": "1;32",
    "fail": "1;31",
    "error": "1;35",
    "changed": "1;36",
    "inconclusive": "1;33",
    "skip": "1;33",
}
_NO_BREAK, _MAY_BREAK = "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}"
_CONTROLS = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that JSON does not escape but a terminal obeys: C1 controls and bidirectional marks."""
_WORD = re.compile(f"([^ {_MAY_BREAK}]+)([ {_MAY_BREAK}]*)")
_OPTIONS = re.compile(r"<[^<>]*>")
_OPENING, _CLOSING = "\uff08\u300a\u201c\u2018", "\uff0c\u3002\u3001\uff1b\uff1a\uff01\uff1f\uff09\u300b\u201d\u2019"
_CHINESE = "[\u2e80-\u2fff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
# A Chinese character with the brackets and punctuation that must stay beside it; a word after a no-break space;
# or punctuation alone.
_CHARACTER = re.compile(f"{_NO_BREAK}{_CHINESE}+|[{_OPENING}]*{_CHINESE}[{_CLOSING}]*|[{_CLOSING}]+")


UNBROKEN = 1_000_000
"""Width in columns of lines that are never broken: those that programs read."""


class Screen(NamedTuple):
    """Properties of a terminal, a file or a pipe."""

    width: int = 100
    """In columns; at least 60."""
    unicode: bool = True
    """Whether it shows more than ASCII."""
    colours: bool = False
    plain: bool = False
    """Whether to print sentences instead of drawings, for a screen reader."""
    language: str = "en"
    message_width: int = UNBROKEN
    """Width of messages, checks and what differs. Only a terminal breaks them."""
    most: int | None = 2000
    """Limit on the lines of a ladder, of its checks and of its frames; the middle is left out. None: no limit."""

    def paint(self, text: str, style: str) -> str:
        """The text in a style, if there are colours: "title", "faint", "mark", "broke", or an outcome."""
        return f"\033[{_STYLES[style]}m{text}\033[0m" if self.colours and text.strip() else text


def padded(text: str, width: int) -> str:
    """The text with spaces up to `width` columns; a longer text as it is."""
    return text + " " * (width - cell_len(text))


def left_out(count: int) -> str:
    """Text in place of `count` omitted lines."""
    return f"({count:,} lines are left out here; lab show --all prints them)"


def printable(text: str) -> str:
    """The text with escape sequences for characters that control a terminal or the direction of writing."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable_lines(text: str) -> Iterator[str]:
    """Yield the lines of the text, each made printable."""
    return map(printable, text.split("\n"))


def json_text(value: Any, indent: int | None = 2) -> str:
    """A value as JSON, without characters that control a terminal."""
    return _CONTROLS.sub(lambda each: f"\\u{ord(each[0]):04x}", json.dumps(value, indent=indent, ensure_ascii=False))


def wrapped(text: str, width: int) -> Iterator[str]:
    """Wrap a text into lines of at most `width` columns; a Chinese character has two.

    Lines break at spaces and between Chinese characters, and within a word only if it is too long. A list of options
    breaks after commas, not at spaces.
    """
    if cell_len(text) <= width:
        yield text.replace(_NO_BREAK, " ")
        return
    line, space = "", ""
    text = _OPTIONS.sub(lambda options: options[0].replace(" ", _NO_BREAK).replace(",", f",{_MAY_BREAK}"), text)
    for word, following in _WORD.findall(_CHARACTER.sub(_apart, text)):
        longer = line + space + word
        if line and cell_len(longer) > width:
            yield line.replace(_NO_BREAK, " ")
            longer = word
        *full, line = chop_cells(longer, max(1, width))
        yield from full
        space = following.replace(_MAY_BREAK, "")
    yield line.replace(_NO_BREAK, " ")


def side_by_side(texts: Sequence[str], width: int, indent: int = 0, gap: int = 2) -> Iterator[str]:
    """Yield lines with the texts in columns of equal width, `width` in all."""
    each = (width - indent - gap * (len(texts) - 1)) // len(texts)
    for cells in zip_longest(*(wrapped(printable(text), each) for text in texts), fillvalue=""):
        padded = (set_cell_size(cell, each) for cell in cells)
        yield (" " * indent + (" " * gap).join(padded)).rstrip()


def labelled(label: str, text: str, width: int, indent: int = 0, label_width: int = 0) -> Iterator[str]:
    """Yield a label and a text beside it, with a hanging indent."""
    at = indent + max(label_width, cell_len(label) + 1)
    for number, line in enumerate(wrapped(printable(text), width - at)):
        yield set_cell_size("" if number else " " * indent + label, at) + line


def indented(text: str, width: int, first: int = 0, later: int = 2) -> Iterator[str]:
    """Yield the lines of a text, wrapped: each is indented by `first` columns, and what follows of it by `later`."""
    for line in printable_lines(text):
        for number, part in enumerate(wrapped(line, width - max(first, later))):
            yield " " * (later if number else first) + part


def _apart(character: re.Match[str]) -> str:
    before = "" if character[0][0] in _CLOSING + _NO_BREAK else _MAY_BREAK
    return before + character[0] + _MAY_BREAK


def _escaped(character: str) -> str:
    harmless = character.isprintable() or category(character) == "Zs"  # spaces of other widths
    return character if harmless else character.encode("unicode_escape").decode("ascii")
