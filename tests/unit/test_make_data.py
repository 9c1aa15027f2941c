"""Texts and skeletons of `lab exercise make`: complete, in both languages, and the same code in both."""

from __future__ import annotations

import ast
import inspect
import re
import string
import tomllib
from pathlib import Path

import pytest

from lab.exercise.make import play, rungs, sandbox, view
from lab.exercise.make.files import skeleton
from lab.exercise.make.rungs import RUNGS
from lab.exercise.make.view import MakeView
from lab.exercise.view import View
from lab.report.i18n import LANGUAGES
from lab.report.screen import Screen

ROOT = Path(view.__file__).parent
FOLDER = ROOT / "skeletons"
TEXTS = tomllib.loads((ROOT / "rungs.toml").read_text(encoding="utf-8"))
WORDS = tomllib.loads((ROOT / "words.toml").read_text(encoding="utf-8"))
PAGES = {"MAKE.md": "rung", "MAKE.zh.md": "关卡"}


def test_every_rung_has_its_texts_and_no_other() -> None:
    assert list(TEXTS) == [*RUNGS, "why"]
    for rung in RUNGS:
        assert set(TEXTS[rung]) == {"title", "task"}
        assert [set(each) for each in TEXTS[rung].values()] == [set(LANGUAGES)] * 2


def test_every_reason_is_there_and_used() -> None:
    used = set(re.findall(r'why="(\w+)"', inspect.getsource(rungs) + inspect.getsource(play)))
    assert used == set(TEXTS["why"])
    for each in TEXTS["why"].values():
        assert set(each) == set(LANGUAGES)
        sections = {text.partition("   ")[2] for text in each.values()}
        assert len(sections) == 1, "the section is the same in both languages"
        assert "RFC" in sections.pop()


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", WORDS)
def test_a_word_is_there_in_both_languages(key: str) -> None:
    assert set(WORDS[key]) == set(LANGUAGES)
    assert len({frozenset(placeholders(text)) for text in WORDS[key].values()}) == 1


def test_every_failure_has_a_summary() -> None:
    sources = inspect.getsource(play) + inspect.getsource(sandbox) + inspect.getsource(rungs)
    keys = set(re.findall(r'(?:Failure|Trouble)\("(\w+)"', sources))
    assert len(keys) > 10
    assert keys <= set(WORDS)


def code(source: str) -> str:
    """The code of a file without its comments and texts."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant("")
    return ast.dump(tree)


@pytest.mark.parametrize("rung", ["R01", "R02", "R03", "R04"])
def test_a_skeleton_is_the_same_code_in_both_languages(rung: str) -> None:
    english, chinese = (skeleton(RUNGS[rung], language) for language in ("en", "zh"))
    assert code(english) == code(chinese)
    assert re.search("[\u4e00-\u9fff]", english) is None


def test_there_is_no_other_skeleton() -> None:
    wanted = {rung.file for rung in RUNGS.values()}
    assert wanted == {RUNGS[each].file for each in ("R01", "R02", "R03", "R04")}
    for language in LANGUAGES:
        assert {file.name for file in (FOLDER / language).glob("*.py")} == wanted


@pytest.mark.parametrize("page", PAGES)
def test_the_page_lists_the_rungs_with_their_files(page: str) -> None:
    text = (ROOT.parents[2] / "scenarios/exercises" / page).read_text(encoding="utf-8")
    listed = re.findall(r"^\| (R\d\d) \| .* \| `(\w+\.py)` \|$", text, re.MULTILINE)
    assert listed == [(rung.id, rung.file) for rung in RUNGS.values()]
    assert PAGES[page] in text


def test_a_task_ends_with_its_section_as_the_language_writes_it() -> None:
    told = {
        language: [*MakeView(View(Screen(language=language), 200)).task(RUNGS["R04"])][-1] for language in LANGUAGES
    }
    assert told["en"].endswith("returns and empties. RFC 9293 3.10.7.2")
    assert told["zh"].endswith("返回并清空。RFC 9293 3.10.7.2")
