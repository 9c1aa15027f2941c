"""Arguments and options shared by several commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import completion

PATTERN = (
    "Selects scenarios: the name of a group (handshake) or of a scenario, a claim (C85), a state (TIME-WAIT), a part "
    "of a name, a glob ('closing.*'), a file or a folder (x.py, ./x, x/). Letters may be in any case."
)
RUN = "A saved run: latest, its name below out/ (2026-11-28T06-19-24), its folder, or its file."

Patterns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATTERN]...",
        help="Which scenarios: groups, names, claims, states, globs or files. Default: all.",
        autocompletion=completion.patterns,
    ),
]
Exercises = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...", help="Such as E06, or an exercise file (default: all).", autocompletion=completion.exercises
    ),
]
IPv4 = Annotated[bool, typer.Option("-4", help="IPv4 only.")]
IPv6 = Annotated[bool, typer.Option("-6", help="IPv6 only.")]
Full = Annotated[bool, typer.Option("--full", help="Let every timer run its full length: about three minutes.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Each ladder, each standing rule and the bytes of each frame.")
]
Plain = Annotated[bool, typer.Option("--plain", help="Sentences instead of drawings, for a screen reader.")]
Saved = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN] [PATTERN]...",
        help="A saved run (default: latest), and which of its scenarios (default: the list of all).",
        autocompletion=completion.runs_and_patterns,
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="RUN", help="Use a saved run instead of running now.", autocompletion=completion.runs
    ),
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
