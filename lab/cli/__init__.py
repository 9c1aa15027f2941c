"""The `lab` command, the only place that prints and exits. Each module is a command, or is shared by several.

Exit codes: 0 the kernel did as documented, 1 it did not, 2 wrong usage, 3 the lab could not run.
"""

from __future__ import annotations

import gc
from typing import Annotated

import typer

import lab
from lab.cli.exits import immediate_exit, keep_process
from lab.cli.language import Command, Group
from lab.cli.listing import doctor, list_scenarios
from lab.cli.mutate import mutate
from lab.cli.playground import down, shell, up, watch
from lab.cli.run import run
from lab.cli.views import claims, coverage, diff, report, show

app = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # rich takes longer to draw the help than all the rest
    pretty_exceptions_enable=False,
    help="Open and close real TCP connections with the Linux kernel, and check every segment and every state.",
)


def main() -> None:
    """The whole command; it ends the process."""
    gc.disable()  # imports create no garbage; `run` switches the collector on after them
    keep_process()
    with immediate_exit():
        app(prog_name="lab")


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Open and close real TCP connections with the Linux kernel, and check every segment and every state."""
    if show:
        print(lab.__version__)
        raise typer.Exit


for command in (run, show, diff, report, list_scenarios, claims, coverage, doctor, up, down, watch, shell, mutate):
    app.command(command.__name__.removesuffix("_scenarios"), cls=Command)(command)
