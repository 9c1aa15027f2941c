"""`lab report`: a saved run as a page that opens from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.exits import wrong_usage


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
    from lab.cli.drawing import write
    from lab.cli.loading import reading
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
    write(output or beside, text)
