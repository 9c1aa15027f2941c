"""Terminal emulator with the few escape sequences that a live display needs."""

from __future__ import annotations

import re

_PART = re.compile(r"\x1b\[(?P<number>[\d;]*)(?P<command>[A-Za-z])|\x1b\[\?25(?P<cursor>[lh])|(?P<plain>.)", re.DOTALL)


class Screen:
    """Lines of text and a cursor; nothing scrolls."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = self.column = 0
        self.cursor_is_shown = True

    def write(self, text: str) -> None:
        for part in _PART.finditer(text):
            if part["cursor"]:
                self.cursor_is_shown = part["cursor"] == "h"
            elif part["command"]:
                self._obey(part["command"], part["number"])
            else:
                self._put(part["plain"])

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")

    def _obey(self, command: str, number: str) -> None:
        if command == "A":
            self.row -= int(number or 1)
            assert self.row >= 0, "above the first line that was written"
        elif command == "K":
            assert number == "2", "the whole line"
            self.lines[self.row] = ""
        else:
            assert command == "m", f"a terminal would obey {command} and this one does not"

    def _put(self, character: str) -> None:
        if character == "\n":
            self.row += 1
            self.column = 0
            if self.row == len(self.lines):
                self.lines.append("")
        elif character == "\r":
            self.column = 0
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1
