"""Each text of a scenario file that a user can see is in Chinese too, in the file beside it: `closing.zh.toml`.

A text that is computed has `{}` in place of each computed part, and its translation `{0}`, `{1}` for the same parts.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab.claims.catalogue import scenarios_folder
from lab.record.translations import beside

FILES = sorted(scenarios_folder().glob("*.py"))
EXERCISES = sorted((scenarios_folder() / "exercises").glob("*.py"))
each_file = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])

TEXT_OF = {"step": 0, "measured": 1, "conclude": 1, "verify": 0, "verify_between": 0, "deviation": 1}
"""The argument of each word that is a text."""
RAISED = {"Inconclusive", "NotApplicable"}
READ = re.compile(r"(?<!\w)[a-z]{2}|[,;:] ")
"""What has no word and no pause is only a name or a number: `TcpExtListenDrops`, `SYN-RECEIVED`."""


def collected(source: str) -> set[str]:
    """The texts of a scenario file that users see."""
    module = ast.parse(source)
    found = set(_paragraphs(module))
    for function in module.body:
        if isinstance(function, ast.FunctionDef):
            found |= set(_paragraphs(function)) if function.decorator_list else set()
            found |= set(_in_calls(function))
    return {text.partition("   ")[0] for text in found if READ.search(text)}


def _paragraphs(documented: ast.Module | ast.FunctionDef) -> Iterator[str]:
    for paragraph in (ast.get_docstring(documented) or "").split("\n\n"):
        yield " ".join(paragraph.split())


def _in_calls(function: ast.FunctionDef) -> Iterator[str]:
    known = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr=word), args=arguments) if len(arguments) > TEXT_OF.get(word, 9):
                yield from _texts(arguments[TEXT_OF[word]], known)
                yield from (each for why in node.keywords if why.arg == "why" for each in _texts(why.value, known))
            case ast.Call(func=ast.Name(id=name), args=[text]) if name in RAISED:
                yield from _texts(text, known)


def _texts(node: ast.expr, known: dict[str, ast.expr]) -> Iterator[str]:
    """The texts that an expression may be, and those that are computed parts of it."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            computed = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
            yield from (each for part in computed for each in _texts(part, known))
        case ast.IfExp(body=one, orelse=other):
            yield from (each for choice in (one, other) for each in _texts(choice, known))
        case ast.BoolOp(values=choices):
            yield from (each for choice in choices for each in _texts(choice, known))
        case ast.Name(id=name) if name in known:
            yield from _texts(known[name], {other: value for other, value in known.items() if other != name})


def translations(file: Path) -> Mapping[str, str]:
    """The Chinese texts beside a scenario file; tests/unit/test_i18n.py looks at how they are written."""
    chinese = beside(file).by_language.get("zh")
    return chinese.texts if chinese is not None else {}


@pytest.mark.parametrize("file", EXERCISES, ids=[file.stem for file in EXERCISES])
def test_why_an_exercise_cannot_be_tried_is_translated(file: Path) -> None:
    raised = {
        each
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED
        for each in _texts(node.args[0], {})
    }
    assert raised <= translations(file).keys()


def test_texts_are_collected_from_everything_that_a_user_sees() -> None:
    source = '''
        """Title of the file.

        What it is about.
        """

        @scenario(section="RFC 9293 3.5")
        def one(lab):
            """Title of the
            scenario.

            A second paragraph.
            """
            lab.step("a step", claims="C1")
            known = "told in a variable"
            with lab.deviation("rule", known):
                lab.measured("C1", f"{seconds:.1f} s later, {'or so' if early else 'exactly'}, {said or 'nothing'}")
            lab.measured("C1", peer.expect_retransmissions("S"))
            lab.conclude("C1", f"after {seconds} " f"for {lab.kernel.sysctl('no.text')}")
            lab.verify("SYN-RECEIVED", 1, 1, why="the rule of the document   RFC 9293 3.1")
            raise Inconclusive("too slow")

        def helper(lab):
            """Not shown."""
            lab.verify_between("the subject", 0, 1, 2)
    '''
    assert collected(inspect.cleandoc(source)) == {
        "Title of the file.", "What it is about.", "Title of the scenario.", "A second paragraph.", "a step",
        "told in a variable", "{} s later, {}, {}", "or so", "exactly", "nothing", "after {} for {}",
        "the rule of the document", "too slow", "the subject",
    }  # fmt: skip


@each_file
def test_every_text_is_translated(file: Path) -> None:
    assert sorted(collected(file.read_text(encoding="utf-8")) - translations(file).keys()) == []


@each_file
def test_every_translation_is_of_a_text_or_of_a_computed_part(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    constants = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    known = collected(source) | constants
    listed = {text: set(text.split(", ")) for text in translations(file)}
    assert [text for text, parts in listed.items() if text not in known and not parts <= known] == []


def test_each_file_of_translations_belongs_to_a_scenario_file() -> None:
    found = {file.with_name(file.name.replace(".zh.toml", ".py")) for file in scenarios_folder().glob("*.zh.toml")}
    assert sorted(found - set(FILES)) == []
