"""The `lab` command, the only place that prints and exits. Each module is a command, or is shared by several.

Exit codes: 0 the kernel did as documented, 1 it did not, 2 wrong usage, 3 the lab could not run.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Annotated

import click
import typer

import lab
from lab.cli import completion, exercise
from lab.cli.exits import USAGE, immediate_exit, keep_process
from lab.cli.grade import grade
from lab.cli.help import Command, Group, show_help
from lab.cli.language import text
from lab.cli.listing import doctor, list_scenarios
from lab.cli.messages import warn
from lab.cli.mutate import mutate
from lab.cli.playground import down, shell, up, watch
from lab.cli.run import run
from lab.cli.views import claims, coverage, diff, report, show

COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "show": show,
    "report": report,
    "list": list_scenarios,
    "grade": grade,
    "claims": claims,
    "coverage": coverage,
    "shell": shell,
    "up": up,
    "watch": watch,
    "down": down,
    "diff": diff,
    "mutate": mutate,
    "doctor": doctor,
    "help": show_help,
}

app = typer.Typer(
    cls=Group,
    add_completion=False,  # the options below do that
    suggest_commands=False,  # click does that too
    invoke_without_command=True,
    rich_markup_mode=None,  # rich takes longer to draw the help than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """The whole command; it ends the process."""
    gc.disable()  # imports create no garbage; `run` switches the collector on after them
    keep_process()
    with immediate_exit():
        try:
            sys.exit(app(prog_name="lab", standalone_mode=False))  # None if the command has returned
        except click.UsageError as wrong:
            _show(wrong)
            sys.exit(USAGE)


def _show(wrong: click.UsageError) -> None:
    """Print what is wrong with the command line, how it is used, and where to read more."""
    lines = [text(wrong.format_message())]
    if wrong.ctx is not None:
        lines += [wrong.ctx.get_usage(), text(f"Try '{wrong.ctx.command_path} -h' for help.")]
    warn("\n".join(lines))


@app.callback()
def without_command(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    install_completion: Annotated[
        bool, typer.Option("--install-completion", help="Install completion for the current shell.")
    ] = False,
    show_completion: Annotated[
        bool,
        typer.Option(
            "--show-completion",
            help="Show completion for the current shell, to copy it or customize the installation.",
        ),
    ] = False,
) -> None:
    """Open and close real TCP connections with the Linux kernel, and check every segment and every state."""
    if version:
        print(lab.__version__)
    elif install_completion:
        completion.install_completion()
    elif show_completion:
        completion.show_completion()
    elif ctx.invoked_subcommand is None:
        print(ctx.get_help())
    else:
        return
    raise typer.Exit


for name, command in COMMANDS.items():
    app.command(name, cls=Command)(command)
app.add_typer(exercise.app, name="exercise")
app.add_typer(exercise.app, name="ex", hidden=True)
