"""Words that a shell completes: scenarios, claims, states, saved runs and commands. It executes no scenario file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import click
import typer

Completion = tuple[str, str]
"""A word, and a text about it; "" without one."""


def patterns(incomplete: str) -> list[Completion]:
    """Groups of scenarios; their scenarios once a dot is typed or a group is left alone; claims and states."""
    from lab.tcp.state import State

    found = [*_groups(), *_scenarios(incomplete), *claims(incomplete), *((state.value, "") for state in State)]
    return _that_begin(incomplete, found)


def claims(incomplete: str) -> list[Completion]:
    """Claims by their ids, once a C is typed."""
    from lab.claims.catalogue import catalogue
    from lab.cli.language import language

    known = catalogue().claims.values() if incomplete[:1] in ("C", "c") else ()
    return _that_begin(incomplete.upper(), [(each.id, each.article.of(language())) for each in known])


def runs(incomplete: str) -> list[Completion]:
    """Saved runs, the newest first."""
    from lab.record.saved.folder import LATEST, saved_runs

    return _that_begin(incomplete, [(LATEST, ""), *((file.parent.name, "") for file in saved_runs())])


def runs_and_patterns(incomplete: str) -> list[Completion]:
    """Arguments of `lab show`: saved runs and patterns."""
    return [*runs(incomplete), *patterns(incomplete)]


def topics(incomplete: str) -> list[Completion]:
    """Topics of the claims."""
    from lab.claims.catalogue import catalogue
    from lab.cli.language import language

    return _that_begin(incomplete, [(name, title.of(language())) for name, title in catalogue().topics.items()])


def exercises(incomplete: str) -> list[Completion]:
    """Ids of the exercises in tracks."""
    from lab.exercise.catalogue import read_tracks

    return _that_begin(incomplete.upper(), [(id_, "") for track in read_tracks() for id_ in track.exercises])


def rungs(incomplete: str) -> list[Completion]:
    """The rungs of `lab exercise make`, with their titles."""
    from lab.cli.language import language
    from lab.exercise.make.view import texts

    listed = [(name, each["title"][language()]) for name, each in texts().items() if "title" in each]
    return _that_begin(incomplete.upper(), listed)


def commands(context: typer.Context, incomplete: str) -> list[Completion]:
    """The commands of the lab."""
    root = context.find_root()
    assert isinstance(root.command, click.Group)
    return _that_begin(incomplete, [(name, "") for name in root.command.list_commands(root)])


def _that_begin(incomplete: str, words: list[Completion]) -> list[Completion]:
    return [(word, about) for word, about in words if word.startswith(incomplete)]


def _groups() -> Iterator[Completion]:
    from lab.claims.groups import groups
    from lab.cli.language import language

    yield from ((name, title.of(language())) for name, title in groups().items())


def _scenarios(incomplete: str) -> Iterator[Completion]:
    """Ids of the scenarios in files whose names may be meant, with their titles."""
    from lab.claims.catalogue import scenarios_folder

    group, dot, _ = incomplete.partition(".")
    for file in scenarios_folder().glob(f"{group}.py" if dot else f"{group}*.py") if incomplete else ():
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any(
                "scenario" in ast.unparse(each) for each in node.decorator_list
            ):
                title = (ast.get_docstring(node) or "").partition("\n")[0]
                yield f"{file.stem}.{node.name}", title
