"""`lab diff`: two saved runs side by side, only what differs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.exits import DIFFERS, leave
from lab.cli.options import AsJson, IPv4, IPv6, families
from lab.cli.screens import screen_of

_RUN = typer.Argument(metavar="RUN", help="A saved run: its folder or file.", show_default=False)


def diff(
    first: Annotated[Path, _RUN],
    second: Annotated[Path, _RUN],
    *,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
    as_json: AsJson = False,
) -> None:
    """Hold two saved runs side by side, of two kernels or two settings: only what differs. Exit code 1 if any does."""
    from lab.cli.loading import load_run, reading
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
