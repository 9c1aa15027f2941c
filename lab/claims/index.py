"""Which scenarios a pattern of the command line selects: by name, or by the claims and states that they name.

What a scenario names is read from its source. A string that consists of ids ("C47 C50") names these claims, anywhere in
a function: in `lab.step(..., claims="C47")` or in a table that a loop uses. A claim of `lab.measured` or `lab.conclude`
must be named too. A string that is a state's name ("TIME-WAIT") names that state.
"""

from __future__ import annotations

import ast
import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from lab.claims.catalogue import similar_ids
from lab.record.results import Scenario
from lab.tcp.state import State

_IDS = re.compile(r"C\d+(\s+C\d+)*")
_CLAIM = re.compile(r"C\d+", re.IGNORECASE)
_STATES = frozenset(State)
_MOST_SIMILAR, _SIMILAR = 3, 0.75
"""How many names are offered for a misspelt one, and the share of characters that they have in common with it."""
_AnyScenario = TypeVar("_AnyScenario", bound=Scenario)


class Selectable(NamedTuple):
    """Scenarios among which patterns select, by their ids (`group.function`)."""

    ids: frozenset[str]
    named: Callable[[], Mapping[str, set[str]]]
    """Returns the claims and states that each scenario names, by its id. Called only if a pattern needs it."""

    def meant_by(self, pattern: str) -> set[str]:
        """The ids that a pattern selects, in any case of letters.

        The name of a scenario, a group or a function means exactly that. A claim (C85) or a state (TIME-WAIT) means
        the scenarios that name it. Anything else is a glob or a part of an id.
        """
        word = pattern.casefold()
        exact = {each for each in self.ids if word in _called(each)}
        if exact:
            return exact
        subject = pattern.upper() if _CLAIM.fullmatch(pattern) else State.called(pattern)
        if subject is not None:
            return {each for each, names in self.named().items() if subject in names}
        is_glob = any(c in word for c in "*?[")
        return {
            each
            for each in self.ids
            if (fnmatch.fnmatchcase(each.casefold(), word) if is_glob else word in each.casefold())
        }

    def similar_to(self, pattern: str, others: Iterable[str] = ()) -> list[str]:
        """Up to three names that a misspelt pattern may mean, the most similar first; `others` are names too.

        A scenario is offered by its id if the pattern has a dot, else by its function.
        """
        if _CLAIM.fullmatch(pattern):
            return similar_ids(pattern, sorted({each for names in self.named().values() for each in names} - _STATES))
        is_id = "." in pattern
        known = {name: name for each in sorted(self.ids) for name in _called(each) if ("." in name) == is_id}
        known |= {name.casefold(): name for name in (*State, *others)}
        return [known[each] for each in difflib.get_close_matches(pattern.casefold(), known, _MOST_SIMILAR, _SIMILAR)]


def _called(scenario: str) -> tuple[str, str, str]:
    """Names of a scenario in a pattern: its id, its group, its function."""
    group, _, function = scenario.casefold().rpartition(".")
    return scenario.casefold(), group, function


def claims_by_function(source: str) -> dict[str, set[str]]:
    """Ids that each top-level function of a scenario file names, itself or in functions of that file that it uses."""
    return _by_function(source, _ids)


def measured_by_function(source: str) -> dict[str, set[str]]:
    """Ids that each top-level function of a scenario file measures a value for, or draws a conclusion about."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {each.name: set().union(*map(_ids, _measured(each))) for each in functions}


def named_in(scenarios: Iterable[Scenario]) -> dict[str, set[str]]:
    """The claims and states that each scenario names, by its id."""
    by_file: dict[Path, dict[str, set[str]]] = {}
    found = {}
    for each in scenarios:
        if each.file not in by_file:
            by_file[each.file] = _by_function(each.file.read_text(encoding="utf-8"), _ids_and_state)
        found[each.id] = by_file[each.file].get(each.id.partition(".")[2], set())
    return found


def scenarios_naming(scenarios: Iterable[_AnyScenario], ids: Iterable[str]) -> list[_AnyScenario]:
    """The scenarios that name one of these claims."""
    known, wanted = list(scenarios), set(ids)
    named = named_in(known)
    return [each for each in known if wanted & named[each.id]]


def _by_function(source: str, read: Callable[[ast.Constant], set[str]]) -> dict[str, set[str]]:
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    return {name: _with_helpers(name, functions, read) for name in functions}


def _with_helpers(
    name: str, functions: Mapping[str, ast.FunctionDef], read: Callable[[ast.Constant], set[str]]
) -> set[str]:
    reached, waiting, found = {name}, [name], set()
    while waiting:
        body = functions[waiting.pop()]
        measured = {id(node) for node in _measured(body)}
        for node in ast.walk(body):
            if isinstance(node, ast.Constant) and id(node) not in measured:
                found |= read(node)
            elif isinstance(node, ast.Name) and node.id in functions and node.id not in reached:
                reached.add(node.id)
                waiting.append(node.id)
    return found


def _measured(body: ast.FunctionDef) -> Iterator[ast.Constant]:
    for node in ast.walk(body):
        match node:
            case ast.Call(func=ast.Attribute(attr="measured" | "conclude"), args=[ast.Constant() as claim, *_]):
                yield claim


def _ids(node: ast.Constant) -> set[str]:
    return set(node.value.split()) if isinstance(node.value, str) and _IDS.fullmatch(node.value) else set()


def _ids_and_state(node: ast.Constant) -> set[str]:
    return {node.value} if isinstance(node.value, str) and node.value in _STATES else _ids(node)
