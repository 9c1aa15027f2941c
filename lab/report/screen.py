"""Text for a reader's screen: its width, what it can show, and how text is wrapped and set in columns."""

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
    "skip": "1;33",
}
_NO_BREAK, _MAY_BREAK = "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}"
_CONTROLS = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What JSON leaves as it is, and a terminal obeys: control characters beyond ASCII's, changes of the direction."""
_WORD = re.compile(f"([^ {_MAY_BREAK}]+)([ {_MAY_BREAK}]*)")
_OPTIONS = re.compile(r"<[^<>]*>")
_OPENING, _CLOSING = "\uff08\u300a\u201c\u2018", "\uff0c\u3002\u3001\uff1b\uff1a\uff01\uff1f\uff09\u300b\u201d\u2019"
# A Chinese character, with the brackets and the punctuation that must not be parted from it; or punctuation alone.
_CHARACTER = re.compile(
    f"[{_OPENING}]*[\u2e80-\u2fff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff][{_CLOSING}]*|[{_CLOSING}]+"
)


class Screen(NamedTuple):
    """A terminal, a file, a pipe."""

    width: int = 100
    """In columns; 80 are always used."""
    unicode: bool = True
    """It shows more than ASCII."""
    colours: bool = False
    plain: bool = False
    """Its reader hears the lines one after the other: sentences instead of a drawing."""
    most: int | None = 2000
    """So many lines of a ladder, of its checks, of its frames; of more the beginning and the end. None: all."""

    def paint(self, text: str, style: str) -> str:
        """The text in a style, where there are any: "title", "faint", "mark", "broke", or an outcome."""
        return f"\033[{_STYLES[style]}m{text}\033[0m" if self.colours and text.strip() else text


def left_out(count: int) -> str:
    """What stands in the place of so many lines."""
    return f"({count:,} lines are left out here; lab show --all prints them)"


def printable(text: str) -> str:
    """The text without anything that a terminal would obey or that turns the direction of writing."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable_lines(text: str) -> Iterator[str]:
    """The text's own lines, each of them printable."""
    return map(printable, text.split("\n"))


def json_text(value: Any, indent: int = 2) -> str:
    """A value as JSON that is fit for a terminal as well."""
    return _CONTROLS.sub(lambda each: f"\\u{ord(each[0]):04x}", json.dumps(value, indent=indent, ensure_ascii=False))


def wrapped(text: str, width: int) -> Iterator[str]:
    """The text in lines of at most `width` columns, of which a Chinese character takes two.

    Lines are broken at spaces and between Chinese characters, within a word only where it is too long. The comma of an
    option list is as good as a space, and a space in it is none: options stay whole.
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
    """The texts in columns of the same width that fill `width` columns together, line by line."""
    each = (width - indent - gap * (len(texts) - 1)) // len(texts)
    for cells in zip_longest(*(wrapped(printable(text), each) for text in texts), fillvalue=""):
        padded = (set_cell_size(cell, each) for cell in cells)
        yield (" " * indent + (" " * gap).join(padded)).rstrip()


def labelled(label: str, text: str, width: int, indent: int = 0, label_width: int = 0) -> Iterator[str]:
    """A label, and a text beside it with a hanging indent."""
    at = indent + max(label_width, cell_len(label) + 1)
    for number, line in enumerate(wrapped(printable(text), width - at)):
        yield set_cell_size("" if number else " " * indent + label, at) + line


def _apart(character: re.Match[str]) -> str:
    before = "" if character[0][0] in _CLOSING else _MAY_BREAK
    return before + character[0] + _MAY_BREAK


def _escaped(character: str) -> str:
    harmless = character.isprintable() or category(character) == "Zs"  # spaces of other widths
    return character if harmless else character.encode("unicode_escape").decode("ascii")
