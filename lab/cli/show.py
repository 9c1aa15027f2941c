"""`lab show`: a saved run, without root and without Linux."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lab.cli.drawing import Format, draw
from lab.cli.exits import USAGE, leave
from lab.cli.options import AsJson, InLanguage, IPv4, IPv6, Language, Plain, Saved, families


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
    from lab.cli.loading import choose, reading
    from lab.cli.printer import Printer
    from lab.report import summary
    from lab.report.screen import json_text

    printer = Printer(sys.stdout, quiet, verbose, plain, everything)
    with reading():
        run, patterns, unknown = choose(what or [], families(ipv4, ipv6))
        if form is not None or output is not None:
            draw(run.results, form or Format.TEXT, language.value, plain=plain, everything=everything, output=output)
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
