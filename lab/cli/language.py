"""Language of the command line: every command has `--lang`; without it the environment decides."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem
from typer.core import TyperCommand, TyperGroup, TyperOption

from lab.report.i18n import LANGUAGES, preferred, translator

_OPTION = "--lang"


def language() -> str:
    """The language that the command line names, else that of the environment."""
    return next(iter(_named(sys.argv[1:])), preferred())


def text(english: str) -> str:
    """A message of the lab in that language."""
    return translator(language()).text(english)


def _named(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the languages that `--lang` names. It is read before the commands are made: their help has a language."""
    for at, argument in enumerate(arguments):
        if argument == "--":
            return
        name, equals, value = argument.partition("=")
        if name == _OPTION and (equals or at + 1 < len(arguments)):
            value = value if equals else arguments[at + 1]
            if value in LANGUAGES:
                yield value


def _option() -> TyperOption:
    return TyperOption(
        param_decls=[_OPTION],
        type=click.Choice(LANGUAGES),
        expose_value=False,
        help="Language: English or Chinese (default: that of LC_ALL, LC_MESSAGES or LANG).",
    )


class _InLanguage(click.Command):
    """Adds `--lang` to a command, and completion in its language."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params.append(_option())

    @property
    def summary(self) -> str:
        """The first paragraph of the help, in English."""
        return " ".join(inspect.cleandoc(self.help or "").partition("\n\n")[0].split())

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002  # nothing is cut off
        """The first paragraph of the help, as completion shows it."""
        return text(self.summary)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Words that complete a command or an option."""
        found = super().shell_complete(ctx, incomplete)
        return [CompletionItem(each.value, each.type, each.help and text(each.help)) for each in found]


class Command(_InLanguage, TyperCommand):
    """A command with `--lang`."""


class Group(_InLanguage, TyperGroup):
    """Several commands, with `--lang` before the command."""
