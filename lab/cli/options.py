"""Arguments and options shared by several commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

Patterns = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATTERN]...", help="Part of a scenario's id, a glob, or a path: x.py, ./x or x/."),
]
IPv4 = Annotated[bool, typer.Option("-4", help="IPv4 only.")]
IPv6 = Annotated[bool, typer.Option("-6", help="IPv6 only.")]
Full = Annotated[bool, typer.Option("--full", help="Let every timer run its full length: about three minutes.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also each standing rule and the bytes of each frame.")]
Plain = Annotated[bool, typer.Option("--plain", help="Sentences instead of drawings, for a screen reader.")]
Saved = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN] [SCENARIO]...",
        help="A saved run, by folder or file (default: the newest below out/), and part of the ids of scenarios in it.",
    ),
]
From = Annotated[
    Path | None,
    typer.Option("--from", metavar="RUN", help="Use a saved run (its folder or file) instead of running now."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--sysctl", metavar="NAME=VALUE", help="A setting for every scenario that does not set it."),
]
NewFolder = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Save the run in this new folder, instead of one below out/."),
]
Unsaved = Annotated[bool, typer.Option("--no-out", help="Do not save the run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def command_name() -> str:
    """The command as it was typed: `lab`, or `scripts/lab` in a checkout, which says so."""
    return os.environ.get("LAB_COMMAND") or "lab"


def families(ipv4: bool, ipv6: bool) -> list[int]:
    """The requested address families; both when none is requested."""
    return [family for family, only in ((4, ipv4), (6, ipv6)) if only or ipv4 == ipv6]
