"""Help of the commands in the language of the command line: groups of commands, wrapped texts, examples.

The texts are English where a command or an option is declared, and are translated when they are printed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Annotated, get_type_hints

import click
import typer
from click.exceptions import NoSuchCommand
from rich.cells import cell_len
from typer.core import TyperArgument

from lab.cli import completion, language
from lab.cli.language import text
from lab.cli.options import PATTERN, RUN
from lab.report.screen import labelled

GROUPS = {
    "Run scenarios, and look at what happened": ("run", "show", "report", "list"),
    "Learn from them": ("exercise", "grade", "claims", "coverage"),
    "Try something of your own": ("shell", "up", "watch", "down"),
    "Compare, check, find help": ("diff", "mutate", "doctor", "help"),
}
"""All commands, in groups in the order of use."""

WORDS = {"PATTERN": PATTERN, "RUN": RUN}
"""Meanings of the words in capitals."""

EXAMPLES = {
    "run": (
        ("run handshake", "the scenarios of one group, with their ladders"),
        ("run -4 C85 TIME-WAIT", "the scenarios that name a claim or a state, over IPv4 alone"),
    ),
    "show": (
        ("show latest kernel_closes_first -4", "ladder and checks of a scenario in the newest run"),
        ("show half_close --format svg -o drawn/", "drawings of a group, one file each"),
    ),
    "report": (
        ("report", "a page about the newest run, in its folder"),
        ("report 2026-11-28T06-19-24 -o page.html", "a page about a certain run"),
    ),
    "list": (("list", "all scenarios in learning order"), ("list time_wait", "those of one group")),
    "exercise": (
        ("exercise", "the first exercise, or the one where you left"),
        ("exercise start E34", "a certain one"),
    ),
    "grade": (
        ("grade handed-in/ --roster class.csv", "a table of the class"),
        ("grade handed-in/ --html grades.html --rerun", "a page, with every verdict tried again"),
    ),
    "claims": (
        ("claims C85", "one claim, with the packet that shows it"),
        (
            "claims --kind differs --topic close_first",
            "what Linux does otherwise than the article says of the first FIN",
        ),
    ),
    "coverage": (
        ("coverage", "the whole state diagram, from a new run"),
        ("coverage --from latest closing", "what the scenarios of one group reached in a saved run"),
    ),
    "shell": (("shell", "a prompt over IPv4"), ("shell -6", "a prompt over IPv6")),
    "up": (
        ("up", "makes the namespaces"),
        ("up --two-kernels", "with a kernel at both ends, for programs such as nc and curl"),
    ),
    "watch": (
        ("up --two-kernels", "first of all, makes what is watched"),
        ("watch", "in another terminal, shows the ladder as it grows"),
    ),
    "down": (("down", "removes the namespaces"), ("up", "makes new ones")),
    "diff": (
        ("diff 2026-11-28T06-19-24 latest", "an older run and the newest"),
        ("diff -4 before/ after/", "two folders, over IPv4 alone"),
    ),
    "mutate": (
        ("mutate handshake", "which altered packet each check of a group catches"),
        ("mutate -q closing", "only checks that catch none"),
    ),
    "doctor": (("doctor", "what is missing on this machine"), ("run handshake", "if nothing is missing: a first run")),
    "help": (("help", "all commands"), ("help run", "one command")),
}
"""Two examples for each command: what to type after `lab`, and what it does or shows."""

_EXTRA = re.compile(r"(.*?)(?:  \[(.*)\])?", re.DOTALL)
"""A description, and what click appends to it in brackets."""
_WIDEST_TERM = 26
_WIDEST_EXAMPLE = 50
_REFERENCE_WIDTH = 100
"""In columns."""


class Formatter(click.HelpFormatter):
    """Help texts in the language of the command line. Lines break where that language has it."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that shows how a command is typed."""
        self._lines(labelled(prefix or text("Usage:"), f"{prog} {args}", self.width))

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        self._lines([f"{text(heading)}{text(': ').rstrip()}"])

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
            self._lines([""] * bool(number))
            told = language.text(" ".join(paragraph.split()))
            self._lines(labelled("", told, self.width, self.current_indent - 1))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = _WIDEST_TERM, col_spacing: int = 2) -> None:
        """Write terms with descriptions beside them, or below those that are too long."""
        listed = list(rows)
        beside = {term for term, _ in listed if cell_len(term) <= col_max}
        wide = max(map(cell_len, beside), default=0) + col_spacing
        for term, description in listed:
            matched = _EXTRA.fullmatch(description)
            main, extra = matched.groups() if matched else (description, None)
            told = text(main) + (f" [{text(extra)}]" if extra else "")
            self._lines([] if term in beside else [" " * self.current_indent + term])
            self._lines(labelled(term if term in beside else "", told, self.width, self.current_indent, wide))

    def _lines(self, lines: Iterable[str]) -> None:
        self.buffer.extend(f"{line.rstrip()}\n" for line in lines)


class _Context(click.Context):
    formatter_class = Formatter


class Command(language.Command):
    """A command with its examples."""

    context_class = _Context

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write arguments, options, and what the words in capitals mean."""
        declared = get_type_hints(inspect.unwrap(self.callback), include_extras=True) if self.callback else {}
        arguments = [
            # Not param.help: click 8.5 forgets what typer 0.24 has set.
            (param.make_metavar(ctx), declared[str(param.name)].__metadata__[0].help + "  [required]" * param.required)
            for param in self.params
            if isinstance(param, TyperArgument)
        ]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        _write_options(self, ctx, formatter)
        meant = {word: WORDS[word] for word in WORDS if any(word in str(param.metavar) for param in self.params)}
        if meant:
            with formatter.section("Words in capitals"):
                formatter.write_dl(list(meant.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(ctx, formatter)


class Subgroup(language.Group):
    """A command that has commands of its own."""

    context_class = _Context

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write its commands before its options."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(self, ctx, name)) for name in self.list_commands(ctx)])
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(ctx, formatter)


class Group(language.Group):
    """All commands, in groups in the order of use."""

    context_class = _Context

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands before the options."""
        self.format_commands(ctx, formatter)
        with formatter.section("Words in capitals"):
            formatter.write_dl(list(WORDS.items()))
        _write_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of commands, with the first paragraph of each command's help."""
        for heading, names in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, _summary(self, ctx, name)) for name in names], col_max=_WIDEST_TERM)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of the commands in the order of use."""
        return [name for names in GROUPS.values() for name in names]


def _summary(group: click.Group, ctx: click.Context, name: str) -> str:
    command = group.get_command(ctx, name)
    return command.summary if isinstance(command, language.Command | language.Group) else ""


def _write_examples(ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the examples of a command, by its name without `lab`; commands of a subgroup have none of their own."""
    listed = EXAMPLES.get(ctx.command_path.partition(" ")[2], ())
    if listed:
        with formatter.section("Examples"):
            formatter.write_dl([(f"lab {typed}", what) for typed, what in listed], col_max=_WIDEST_EXAMPLE)


def _write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    options = (param.get_help_record(ctx) for param in command.get_params(ctx) if isinstance(param, click.Option))
    with formatter.section("Options"):
        formatter.write_dl([each for each in options if each is not None])


def show_help(
    ctx: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(metavar="[COMMAND]", help="Default: all commands.", autocompletion=completion.commands),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Print the help of every command, as Markdown.")] = False,
) -> None:
    """Show this help, or that of a command."""
    root = ctx.find_root()
    group = root.command
    assert isinstance(group, Group)
    if everything:
        print(reference(group), end="")
    elif command is None:
        print(root.get_help())
    elif (found := group.get_command(root, command)) is not None:
        print(found.get_help(_Context(found, info_name=command, parent=root)))
    else:
        raise NoSuchCommand(command, possibilities=group.list_commands(root), ctx=root)


def reference(group: Group) -> str:
    """The help of all commands as Markdown."""
    root = _Context(group, info_name="lab", terminal_width=_REFERENCE_WIDTH, **group.context_settings)
    parts = [f"# {text('Commands of the lab')}", text("`lab help --all` prints this page."), _block(root)]
    for heading, names in GROUPS.items():
        parts.append(f"## {text(heading)}")
        for name in names:
            command = group.get_command(root, name)
            assert command is not None
            context = _Context(command, info_name=name, parent=root)
            parts += [f"### lab {name}", _block(context)]
            if isinstance(command, Subgroup):
                for each in command.list_commands(context):
                    inner = command.get_command(context, each)
                    assert inner is not None
                    parts += [f"#### lab {name} {each}", _block(_Context(inner, info_name=each, parent=context))]
    return "\n\n".join(parts) + "\n"


def _block(context: click.Context) -> str:
    return f"```text\n{context.get_help().strip()}\n```"
