"""Ladders as files: text, SVG, mermaid."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli.exits import CANNOT_RUN, leave, wrong_usage
from lab.cli.screens import screen_of

if TYPE_CHECKING:
    from lab.record.events import Recording
    from lab.record.results import Result


class Format(Enum):
    """What a ladder is drawn as."""

    TEXT = "text"
    SVG = "svg"
    MERMAID = "mermaid"


def draw(
    results: Sequence[Result], form: Format, language: str, *, plain: bool, everything: bool, output: str | None
) -> None:
    """Draw the ladders to standard output, to a file, or each to a file of its own in a folder."""
    from lab.report.captures import file_name

    screen_of(sys.stdout)  # what its encoding lacks is not refused
    drawing = _drawing(form, language, plain, everything)
    drawn = [(result, drawing(result.recording)) for result in results if result.recording is not None]
    if not drawn:
        wrong_usage("nothing was recorded there")
    if output is not None and (Path(output).is_dir() or output.endswith("/")):
        Path(output).mkdir(parents=True, exist_ok=True)
        for result, text in drawn:
            write(Path(output) / f"{file_name(result)}.{_SUFFIXES[form]}", text)
        return
    if form is Format.SVG and len(drawn) > 1:
        wrong_usage(
            f"{len(drawn)} ladders were named and an SVG file holds one: add -4 or -6, more of the scenario's id, or a"
            " folder for all of them: -o DIR/"
        )
    text = "\n".join(text for _, text in drawn)
    if output is not None:
        write(Path(output), text)
        return
    print(text, end="")


_SUFFIXES = {Format.TEXT: "txt", Format.SVG: "svg", Format.MERMAID: "mmd"}


def _drawing(form: Format, language: str, plain: bool, everything: bool) -> Callable[[Recording], str]:
    from lab.report import mermaid, svg, text
    from lab.report import plain as sentences
    from lab.report.i18n import words
    from lab.report.ladder import ladder_of
    from lab.report.screen import Screen

    say = words(language)
    if form is Format.SVG:
        return lambda recording: svg.svg(ladder_of(recording, svg.MOST_RUNGS), say)
    if form is Format.MERMAID:
        return lambda recording: mermaid.mermaid(ladder_of(recording, mermaid.MOST_RUNGS), say)
    screen = Screen(most=None) if everything else Screen()

    def lines(recording: Recording) -> Iterator[str]:
        ladder = ladder_of(recording, screen.most)
        return sentences.sentences(ladder, say) if plain else text.ladder_lines(ladder, screen)

    return lambda recording: "".join(f"{line}\n" for line in lines(recording))


def write(file: Path, text: str) -> None:
    """Write a file and say where it is; ends the command when it cannot be."""
    from lab.record.saved.folder import NotWritable, put

    try:
        put(file, [text.encode("utf-8", "backslashreplace")])
    except NotWritable as why:
        print(why, file=sys.stderr)
        leave(CANNOT_RUN)
    print(file)
