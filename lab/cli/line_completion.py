"""Completion of a typed line: names, attributes and arguments, without running any of the typed code."""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, MemberDescriptorType

from lab.tcp.state import State

_DOTTED = re.compile(r"(?:([A-Za-z_]\w*(?:\.\w+)*)\.)?(\w*)$")
_CALL = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)\([^()]*$")
_STRING = re.compile(r"""(["'])([A-Z][A-Z12-]*)$""")
_INDENT = "    "


def completions(text: str, names: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    """Yield each word that can complete the text before the cursor, and how many characters of it are typed."""
    if not text.strip():
        yield _INDENT, 0
        return
    if quoted := _STRING.search(text):
        yield from _beginning_with(quoted[2], (f"{state}{quoted[1]}" for state in State))
        return
    found = _DOTTED.search(text)
    if found is None:
        return
    owner, typed = found.groups()
    if owner is not None:
        of = _value_of(owner, names)
        known = [_with_bracket(name, inspect.getattr_static(of, name, None)) for name in dir(of)] if of else []
        yield from _beginning_with(typed, (name for name in known if not name.startswith("_")))
        return
    if call := _CALL.search(text):
        yield from _beginning_with(typed, _arguments_of(_value_of(call[1], names)))
    yield from _beginning_with(typed, (_with_bracket(name, value) for name, value in names.items()))
    if typed:
        yield from _beginning_with(typed, (name for name in vars(builtins) if not name.startswith("_")))


def _beginning_with(typed: str, words: Iterable[str]) -> Iterator[tuple[str, int]]:
    for word in sorted(words):
        if word.startswith(typed) and not word.startswith("__"):
            yield word, len(typed)


def _value_of(dotted: str, names: Mapping[str, object]) -> object:
    """The value of a name with attributes; None if it cannot be told without running code, as of a property."""
    first, *rest = dotted.split(".")
    value = names.get(first)
    for name in rest:
        found = inspect.getattr_static(value, name, None)
        value = getattr(value, name) if isinstance(found, MemberDescriptorType) else found
        if isinstance(value, property):
            return None
    return value


def _arguments_of(called: object) -> Iterator[str]:
    if isinstance(called, FunctionType):
        for each in inspect.signature(called).parameters.values():
            if each.kind is each.KEYWORD_ONLY or each.default is not each.empty:
                yield f"{each.name}="


def _with_bracket(name: str, value: object) -> str:
    return f"{name}(" if isinstance(value, FunctionType) else name
