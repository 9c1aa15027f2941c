"""The word list of scenarios/README.md has every public word of the author's classes, and no other."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lab
from lab.author.application import Application
from lab.author.kernel import Kernel
from lab.author.lab import Attempt, Lab
from lab.author.peer import Peer
from lab.author.registry import scenario
from lab.author.router import Router
from lab.author.sockets import Connection, Listener, Process, Socket
from lab.record.kernel_state import KernelState
from lab.session.retransmissions import Retransmissions
from lab.session.timers import Schedule
from lab.tcp.options import NAMES as OPTIONS
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire import icmp
from lab.wire.faults import Action, Fault

PAGE = (Path(__file__).resolve().parents[2] / "scenarios/README.md").read_text(encoding="utf-8")
CLASSES: dict[str, type] = {
    "lab": Lab,
    "attempt": Attempt,
    "peer": Peer,
    "application": Application,
    "lab.kernel": Kernel,
    "socket": Socket,
    "listener": Listener,
    "connection": Connection,
    "process": Process,
    "lab.router": Router,
}
LISTED = re.compile(r"`(lab\.kernel|lab\.router|[a-z]+)\.(\w+)(?:\(([^`]*)\))?`")
TIMERS = {KernelState(State.CLOSED, number).timer for number in range(1, 5)}


def listed() -> dict[tuple[str, str], str | None]:
    """The words in the first column of the tables: receiver and name, with the arguments of a method."""
    cells = re.findall(r"^\| (`.*?`) \| ", PAGE, re.MULTILINE)
    found = [(match[1], match[2], match[3]) for cell in cells for match in LISTED.finditer(cell)]
    words = {(receiver, name): arguments for receiver, name, arguments in found if receiver in CLASSES}
    assert len(words) == sum(receiver in CLASSES for receiver, _, _ in found), "a word is listed twice"
    return words


def public_names(of: type) -> set[str]:
    """Methods, properties and attributes that a class itself has, without underscore."""
    (body,) = ast.parse(inspect.getsource(of)).body
    names = {each for each in vars(of) if isinstance(vars(of)[each], property) or inspect.isfunction(vars(of)[each])}
    names |= set(vars(of).get("__annotations__", ())) | set(vars(of).get("__slots__", ()))
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            names.add(node.attr)
    return {name for name in names if not name.startswith("_")}


def arguments_of(function: Callable[..., Any]) -> str:
    """The arguments as the list has them: `=` behind those that can be left out or must be given by name."""
    shown = []
    for each in inspect.signature(function).parameters.values():
        optional = each.default is not each.empty or each.kind is each.KEYWORD_ONLY
        stars = "*" * ((each.kind is each.VAR_POSITIONAL) + 2 * (each.kind is each.VAR_KEYWORD))
        shown.append(f"{stars}{each.name}{'=' if optional else ''}")
    return ", ".join(name for name in shown if name != "self")


def section(heading: str) -> str:
    """The text below a heading, up to the next one."""
    found = re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("receiver", CLASSES)
def test_the_list_has_exactly_the_public_words(receiver: str) -> None:
    assert {name for of, name in listed() if of == receiver} == public_names(CLASSES[receiver])


@pytest.mark.parametrize("word", listed(), ids=".".join)
def test_a_listed_word_has_these_arguments(word: tuple[str, str]) -> None:
    receiver, name = word
    member = inspect.getattr_static(CLASSES[receiver], name, None)
    expected = arguments_of(member) if inspect.isfunction(member) else None
    assert listed()[word] == expected


def test_the_decorator_has_these_arguments() -> None:
    assert f"`@scenario({arguments_of(scenario)})`" in PAGE


def test_the_list_has_all_names_of_the_package() -> None:
    text = section("Words").partition("| word")[0]
    assert {name for name in lab.__all__ if f"`{name}`" not in text} == set()


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Words", {f'"{state}"' for state in State}),
        ("The peer", {f'"{error}"' for error in icmp.NAMES}),
        ("The peer", {f'("{option}", ' for option in OPTIONS.values()}),
        ("The peer", {f"`{name}`" for name in Retransmissions._fields}),
        ("The peer", {f"`{name}`" for name in public_names(Segment) - {"reserved", "faults"}}),
        ("The kernel", {f'"{timer}"' for timer in TIMERS}),
        ("The kernel", {f"`{name}`" for name in (set(KernelState._fields) | {"timer"}) - {"timer_number"}}),
        ("The lab", {f"Action.{action.name}" for action in Action}),
        ("The lab", {f"`{name}=" for name in Fault.__slots__ if name != "action"}),
    ],
    ids=["states", "ICMP errors", "options", "retransmissions", "segment", "timers", "inet_diag", "actions", "faults"],
)
def test_the_list_has_all_names_of_a_kind(heading: str, names: set[str]) -> None:
    assert {name for name in names if name not in section(heading)} == set()


def test_what_the_list_says_of_a_schedule_exists() -> None:
    assert {"first_rto", "retransmissions", "length"} <= set(dir(Schedule)) | set(Schedule.__slots__)


def test_the_list_has_each_scenario_file() -> None:
    folder = Path(__file__).resolve().parents[2] / "scenarios"
    assert sorted(re.findall(r"`(\w+\.py)`", section("Files"))) == sorted(file.name for file in folder.glob("*.py"))
