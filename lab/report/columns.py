"""Text in columns side by side, in English and Chinese: a Chinese character is two columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size

from lab.report.screen import printable, wrapped


def side_by_side(texts: Sequence[str], width: int, indent: int = 0, gap: int = 2) -> Iterator[str]:
    """The texts in columns of the same width that fill `width` columns together, line by line."""
    each = (width - indent - gap * (len(texts) - 1)) // len(texts)
    for cells in zip_longest(*(wrapped(printable(text), each) for text in texts), fillvalue=""):
        padded = (set_cell_size(cell, each) for cell in cells)
        yield (" " * indent + (" " * gap).join(padded)).rstrip()


def behind(label: str, text: str, width: int, indent: int = 0, label_width: int = 0) -> Iterator[str]:
    """A label and a text behind it, whose further lines begin where its first one does."""
    at = indent + max(label_width, cell_len(label) + 1)
    for number, line in enumerate(wrapped(printable(text), width - at)):
        yield set_cell_size("" if number else " " * indent + label, at) + line
