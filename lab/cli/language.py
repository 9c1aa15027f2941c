"""Language of the command line: every command has `--lang`; without it the environment decides."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
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


class Command(TyperCommand):
    """A command with `--lang`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params.append(_option())


class Group(TyperGroup):
    """All commands, with `--lang` before the command."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params.append(_option())
