"""Words that a shell completes: scenarios, claims, states, saved runs and commands. It executes no scenario file.

Also the options that install completion. typer has such options too, but they are English, and completion in zsh begins
with the second Tab there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import click
import typer
from click.shell_completion import CompletionItem, add_completion_class
from typer._completion_classes import ZshComplete, completion_init
from typer._completion_shared import _get_shell_name, get_completion_script, install

from lab.cli.language import language
from lab.cli.messages import tell

_ZSH = """\
#compdef lab

_lab_completion() {
  local -a found
  found=("${(@f)$(env _TYPER_COMPLETE_ARGS="${words[1,CURRENT]}" _LAB_COMPLETE=complete_zsh ${~words[1]})}")
  if [[ -n $found ]]; then _describe -V lab found; else _files; fi
}

compdef _lab_completion lab
if [[ $funcstack[1] == _lab ]]; then  # zsh has just loaded this file, at the first Tab
  _lab_completion
fi
"""
"""Script of zsh, `~/.zfunc/_lab`. It calls the command as it is typed: `lab` or `scripts/lab`."""


class _ZshComplete(ZshComplete):
    """Prints a line for each word, as zsh's `_describe` reads it: the word, a colon, the text about it."""

    source_template = _ZSH

    def format_completion(self, item: CompletionItem) -> str:
        """The line of a word."""
        word = str(item.value).replace(":", "\\:")
        return f"{word}:{' '.join(item.help.split())}" if item.help else word

    def complete(self) -> str:
        """All lines."""
        return "\n".join(map(self.format_completion, self.get_completions(*self.get_completion_args())))


completion_init()
add_completion_class(_ZshComplete)

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

    known = catalogue().claims.values() if incomplete[:1] in ("C", "c") else ()
    return _that_begin(incomplete.upper(), [(each.id, each.article.of(language())) for each in known])


def runs(incomplete: str) -> list[Completion]:
    """Saved runs, the newest first."""
    from lab.record.saved.folder import names_of_runs

    return _that_begin(incomplete, [(name, "") for name in names_of_runs()])


def runs_and_patterns(incomplete: str) -> list[Completion]:
    """Arguments of `lab show`: saved runs and patterns."""
    return [*runs(incomplete), *patterns(incomplete)]


def topics(incomplete: str) -> list[Completion]:
    """Topics of the claims."""
    from lab.claims.catalogue import catalogue

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


def install_completion() -> None:
    """Install completion for the shell that has called the command, and say where."""
    shell, file = install(prog_name="lab")
    if shell == "zsh":
        file.write_text(_ZSH, encoding="utf-8")
    tell(f"{shell} completion installed in {file}")
    tell("Completion will take effect once you restart the terminal")


def show_completion() -> None:
    """Print the script that completes for the shell that has called the command."""
    shell = _get_shell_name() or ""
    known = get_completion_script(prog_name="lab", complete_var="_LAB_COMPLETE", shell=shell)
    print(_ZSH if shell == "zsh" else known)


def _that_begin(incomplete: str, words: list[Completion]) -> list[Completion]:
    return [(word, about) for word, about in words if word.startswith(incomplete)]


def _groups() -> Iterator[Completion]:
    from lab.claims.groups import groups

    yield from ((name, title.of(language())) for name, title in groups().items())


def _scenarios(incomplete: str) -> Iterator[Completion]:
    """Ids of the scenarios in files whose names may be meant, with their titles."""
    from lab.claims.catalogue import scenarios_folder
    from lab.record.translations import beside
    from lab.report.i18n import translator

    group, dot, _ = incomplete.partition(".")
    for file in scenarios_folder().glob(f"{group}.py" if dot else f"{group}*.py") if incomplete else ():
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any(
                "scenario" in ast.unparse(each) for each in node.decorator_list
            ):
                title = (ast.get_docstring(node) or "").partition("\n")[0]
                yield f"{file.stem}.{node.name}", translator(language(), beside(file)).own(title)
