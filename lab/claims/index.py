"""Index of claims by scenario, read from the source: to select scenarios, and to check them against the catalogue.

A string that consists of ids ("C47 C50") names these claims, anywhere in a function: in `lab.step(..., claims="C47")`
or in a table that a loop uses. A claim of `lab.measured` or `lab.conclude` must be named too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from lab.record.results import Scenario

_IDS = re.compile(r"C\d+(\s+C\d+)*")
_AnyScenario = TypeVar("_AnyScenario", bound=Scenario)


def claims_by_function(source: str) -> dict[str, set[str]]:
    """Ids that each top-level function of a scenario file names, itself or in functions of that file that it uses."""
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    return {name: _with_helpers(name, functions) for name in functions}


def measured_by_function(source: str) -> dict[str, set[str]]:
    """Ids that each top-level function of a scenario file measures a value for, or draws a conclusion about."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {each.name: set().union(*map(_ids, _measured(each))) for each in functions}


def scenarios_naming(scenarios: Iterable[_AnyScenario], ids: Iterable[str]) -> list[_AnyScenario]:
    """The scenarios that name one of these claims."""
    wanted = set(ids)
    by_file: dict[Path, dict[str, set[str]]] = {}
    chosen = []
    for each in scenarios:
        if each.file not in by_file:
            by_file[each.file] = claims_by_function(each.file.read_text(encoding="utf-8"))
        if wanted & by_file[each.file].get(each.id.partition(".")[2], set()):
            chosen.append(each)
    return chosen


def _with_helpers(name: str, functions: dict[str, ast.FunctionDef]) -> set[str]:
    reached, waiting, found = {name}, [name], set()
    while waiting:
        body = functions[waiting.pop()]
        measured = {id(node) for node in _measured(body)}
        for node in ast.walk(body):
            if isinstance(node, ast.Constant) and id(node) not in measured:
                found |= _ids(node)
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
