"""`lab show`, `lab diff` and `lab report`: views of saved runs, without root and without Linux."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exits import CANNOT_RUN, DIFFERS, USAGE, leave, wrong_usage
from lab.cli.options import AsJson, InLanguage, IPv4, IPv6, Language, Plain, Saved, families
from lab.cli.printer import Printer, screen_of

if TYPE_CHECKING:
    from lab.record.events import Recording
    from lab.record.results import Result


class Format(Enum):
    """What a ladder is drawn as."""

    TEXT = "text"
    SVG = "svg"
    MERMAID = "mermaid"


_SUFFIXES = {Format.TEXT: "txt", Format.SVG: "svg", Format.MERMAID: "mmd"}
_RUN = typer.Argument(metavar="RUN", help="A saved run: its folder or file.", show_default=False)


def show(
    what: Saved = None,
    *,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what differs.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Also each standing rule and each frame's bytes.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every line of text: otherwise of more than 2,000 the beginning and the end.")
    ] = False,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    plain: Plain = False,
    form: Annotated[
        Format | None, typer.Option("--format", help="Only the ladder: text, a drawing, or a diagram for Markdown.")
    ] = None,
    language: InLanguage = Language.EN,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write the ladder there; each in DIR/.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a saved run: the list of its results, or ladders and checks of the scenarios that are named."""
    from lab.cli.saved_runs import choose, reading
    from lab.report import summary
    from lab.report.screen import json_text

    printer = Printer(sys.stdout, quiet, verbose, plain, everything)
    with reading():
        run, patterns, unknown = choose(what or [], families(ipv4, ipv6))
        if form is not None or output is not None:
            _draw(run.results, form or Format.TEXT, language.value, plain=plain, everything=everything, output=output)
        elif as_json:
            print(json_text(summary.as_json(run)))
        elif patterns:
            for result in run.results:
                printer.result(result)
        else:
            printer.listing(run)
            printer.summary(run)
    for pattern in unknown:
        print(f"this run has no scenario {pattern!r}; `lab show` lists them", file=sys.stderr)
    leave(USAGE if unknown else 0)


def diff(
    first: Annotated[Path, _RUN],
    second: Annotated[Path, _RUN],
    *,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    as_json: AsJson = False,
) -> None:
    """Hold two saved runs side by side, of two kernels or two settings: only what differs. Exit code 1 if any does."""
    from lab.cli.saved_runs import load_run, reading
    from lab.report import comparison
    from lab.report.screen import json_text

    wanted = families(ipv4, ipv6)
    with reading():
        runs = load_run(first, wanted), load_run(second, wanted)
        found = comparison.compare_runs(*runs)
    if as_json:
        print(json_text(comparison.as_json(found)))
    else:
        for line in comparison.comparison_lines(found, runs, (str(first), str(second)), screen_of(sys.stdout)):
            print(line)
    leave(DIFFERS if found else 0)


def report(
    named: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="A saved run, by folder or file; else the newest below out/."),
    ] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Instead of report.html in the run's folder.")
    ] = None,
) -> None:
    """Write a page about a saved run: verdicts, claims, the state diagram, each packet. It needs nothing else."""
    from lab.claims.catalogue import CatalogueError, catalogue
    from lab.cli.saved_runs import reading
    from lab.record.saved.document import load
    from lab.record.saved.folder import RUN_FILE, find
    from lab.report.html.page import page

    with reading():
        file = find(named)
        run = load(file)
        try:
            text = page(run, catalogue())
        except CatalogueError as wrong:
            wrong_usage(str(wrong))
    beside = file.with_name("report.html") if file.name == RUN_FILE else file.with_suffix(".html")
    _write(output or beside, text)


def _draw(
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
            _write(Path(output) / f"{file_name(result)}.{_SUFFIXES[form]}", text)
        return
    if form is Format.SVG and len(drawn) > 1:
        wrong_usage(
            f"{len(drawn)} ladders were named and an SVG file holds one: add -4 or -6, more of the scenario's id, or a"
            " folder for all of them: -o DIR/"
        )
    text = "\n".join(text for _, text in drawn)
    if output is not None:
        _write(Path(output), text)
        return
    print(text, end="")


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


def _write(file: Path, text: str) -> None:
    """Write a file and say where it is; ends the command when it cannot be."""
    from lab.record.saved.folder import NotWritable, put

    try:
        put(file, [text.encode("utf-8", "backslashreplace")])
    except NotWritable as why:
        print(why, file=sys.stderr)
        leave(CANNOT_RUN)
    print(file)
