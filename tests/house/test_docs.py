"""The documentation names commands and files that exist, and nothing names a package index."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".venv", ".vagrant", "out", "build", "dist", "__pycache__"}

FENCED_CONSOLE = re.compile(r"^ *```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LAB_COMMAND = re.compile(r"^ *\$ (?:sudo )?scripts/lab(?P<arguments>.*)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)(?P<target>[^)#\s]+)[^)]*\)")
PATH = re.compile(r"(?<![\w./-])(?:lab|scenarios|scripts|tests)/[\w./-]*\w")
IN_A_WHEEL = "lab/scenarios"  # an installed lab has them inside of it
# Written so that this file does not name them either.
INDEX = re.compile(r"p[y]pi\.org|python[h]osted|--(extra-)?ind[e]x-url|--find[-]links|/simpl[e]/")


def our_files() -> Iterator[Path]:
    """Yield every file that a person wrote: not those of git, of tools and of virtual environments."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info"))]
        yield from (Path(folder, name) for name in names)


def documents() -> list[Path]:
    return sorted(path for path in our_files() if path.suffix == ".md")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def console_text(markdown: str) -> str:
    return "\n".join(FENCED_CONSOLE.findall(markdown))


def subcommands_in(markdown: str) -> set[str]:
    """List the first words behind `scripts/lab` in the console blocks, options left out."""
    words = (found["arguments"].split() for found in LAB_COMMAND.finditer(console_text(markdown)))
    return {line[0] for line in words if line and not line[0].startswith("-")}


def calls_in(markdown: str) -> list[list[str]]:
    """The words behind `scripts/lab`, for each call in the console blocks."""
    return [shlex.split(found["arguments"], comments=True) for found in LAB_COMMAND.finditer(console_text(markdown))]


def unknown_options(call: list[str]) -> set[str]:
    """The options of a call that the help of its subcommand does not list."""
    options = {word.partition("=")[0] for word in call if re.match(r"--?[A-Za-z0-9]", word)}
    subcommand = [word for word in call[:1] if not word.startswith("-")]
    return options - set(re.findall(r"(?<![\w-])--?[A-Za-z0-9][\w-]*", help_of(*subcommand)))


@cache
def help_of(*subcommand: str) -> str:
    call = [sys.executable, "-m", "lab", *subcommand, "--help"]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def broken_links(document: Path) -> list[str]:
    targets = [found["target"] for found in LINK.finditer(document.read_text(encoding="utf-8"))]
    return [target for target in targets if not (document.parent / target).exists()]


def missing_paths(text: str) -> set[str]:
    return {path for path in PATH.findall(text) if path != IN_A_WHEEL and not (ROOT / path).exists()}


@pytest.mark.parametrize("command", ["$ sudo scripts/lab run", "$ sudo scripts/test"])
def test_the_readme_shows_the_two_commands(command: str) -> None:
    readme = ROOT / "README.md"
    assert readme.is_file(), "there is no README.md"
    lines = console_text(readme.read_text(encoding="utf-8")).splitlines()
    assert command in lines, f"no ```console block of README.md has the line {command!r}"


def test_documented_subcommands_exist() -> None:
    documented = {word: path for path in documents() for word in subcommands_in(path.read_text(encoding="utf-8"))}
    unknown = {}
    for word, document in documented.items():
        call = [sys.executable, "-m", "lab", word, "--help"]
        done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            unknown[f"{named(document)}: scripts/lab {word}"] = done.stderr
    assert unknown == {}


@pytest.mark.parametrize("document", documents(), ids=named)
def test_documented_options_exist(document: Path) -> None:
    calls = calls_in(document.read_text(encoding="utf-8"))
    assert {word for call in calls for word in unknown_options(call)} == set()


@pytest.mark.parametrize("document", documents(), ids=named)
def test_relative_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


def test_whatever_names_a_file_names_one_that_is_there() -> None:
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in our_files()}
    shown = {
        path: text for path, text in texts.items() if path.relative_to(ROOT).parts[0] != "tests"
    }  # they make up files
    assert {f"{named(path)}: {gone}" for path, text in shown.items() for gone in missing_paths(text)} == set()


def test_no_file_names_a_package_index() -> None:
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in our_files()}
    assert {named(path): found.group() for path, text in texts.items() if (found := INDEX.search(text))} == {}


def test_the_reader_of_documents_sees_commands_and_broken_links(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(
        "[here](README.md#part) [there](gone.md) [web](https://example.org)\n"
        "```console\n$ sudo scripts/lab run --all\nok\n$ scripts/lab --version\n```\n$ scripts/lab outside\n"
    )
    assert broken_links(document) == ["gone.md"]
    assert subcommands_in(document.read_text()) == {"run"}
    assert missing_paths(
        "`lab/tcp/gone.py`, `lab/tcp`, lab/tcp/state.py. https://example.org/lab/gone lab/scenarios"
    ) == {"lab/tcp/gone.py"}


def test_the_reader_of_documents_sees_misspelt_options() -> None:
    [indented, other] = calls_in(
        "1. So:\n\n   ```console\n   $ sudo scripts/lab run --ful 'a b'\n   ok\n   ```\n"
        "```console\n$ scripts/lab --version  # of the lab\n$ uv pip\n```\n"
    )
    assert (indented, unknown_options(indented)) == (["run", "--ful", "a b"], {"--ful"})
    assert (other, unknown_options(other)) == (["--version"], set())
    assert unknown_options(["run", "--full", "-4", "--sysctl=a=b"]) == set()
