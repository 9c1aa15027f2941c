"""Help: every command in its group, with examples that can be typed, in both languages, at any width."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from click import Context
from rich.cells import cell_len

from lab.cli import COMMANDS, app
from lab.cli.help import EXAMPLES, GROUPS, WORDS, Group, reference
from lab.report.i18n import sentences

FOLDER = Path(__file__).resolve().parents[2] / "lab/cli"
PAGES = {"en": "README.md", "zh": "README.zh.md"}


@pytest.fixture
def lab() -> Group:
    group = typer.main.get_command(app)
    assert isinstance(group, Group)
    return group


@pytest.fixture(params=["en", "zh"])
def spoken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The language that the command line asks for."""
    language: str = request.param
    monkeypatch.setattr(sys, "argv", ["lab", "--lang", language])
    return language


def contexts(lab: Group, columns: int) -> Iterator[Context]:
    """One for the help of all commands, and one for that of each."""
    root = lab.context_class(lab, info_name="lab", terminal_width=columns, **lab.context_settings)
    yield root
    for name in lab.list_commands(root):
        command = lab.get_command(root, name)
        assert command is not None
        yield command.context_class(command, info_name=name, parent=root)


def test_each_command_is_in_one_group_and_has_two_examples() -> None:
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted([*COMMANDS, "exercise"])
    assert {name: len(each) for name, each in EXAMPLES.items()} == dict.fromkeys(listed, 2)


@pytest.mark.parametrize("typed", [typed for each in EXAMPLES.values() for typed, _ in each])
def test_each_example_can_be_typed(lab: Group, typed: str) -> None:
    name, *arguments = shlex.split(typed)
    root = next(contexts(lab, 80))
    command = lab.get_command(root, name)
    assert command is not None
    assert command.make_context(name, arguments, parent=root).params is not None


@pytest.mark.parametrize("columns", [60, 80, 160])
@pytest.mark.usefixtures("spoken")
def test_help_fits_and_breaks_no_word(lab: Group, columns: int) -> None:
    for context in contexts(lab, columns):
        text = context.get_help()
        assert max(map(cell_len, text.splitlines())) <= columns
        assert "..." not in text.replace("]...", "").replace("ARGS...", ""), "no sentence is cut off"
        wide = context.command.get_help(next(each for each in contexts(lab, 1000) if each.command is context.command))
        assert text.replace(" ", "").replace("\n", "") == wide.replace(" ", "").replace("\n", "")


def test_every_text_of_the_help_is_there_in_chinese(lab: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: set[str] = set()

    def noted(text: str) -> str:
        texts.add(text)
        return text

    monkeypatch.setattr("lab.cli.help.text", noted)
    monkeypatch.setattr("lab.cli.language.text", noted)
    reference(lab)
    known = sentences("zh")
    assert known is not None
    assert texts - set(known.texts) == set()
    assert set(WORDS.values()) <= texts


def test_the_reference_is_current(lab: Group, spoken: str) -> None:
    """`scripts/lab help --all >lab/cli/README.md` writes it, and with `--lang zh` the Chinese one."""
    assert (FOLDER / PAGES[spoken]).read_text(encoding="utf-8") == reference(lab)
