"""Translations beside a scenario file: which one a text gets, and what is wrong with such a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.record.results import Outcome, Result, Run, Scenario
from lab.record.saved.document import lines_of, parse
from lab.record.translations import Translations, WrongTranslation, beside, phrases, phrases_in, translation_files
from lab.report.i18n import translator
from lab.report.screen import Screen
from lab.report.verdicts import scenario_lines
from tests.unit.stories import Story

TEXTS = {
    "The kernel closes": "内核关闭",
    "{} after {}": "{1} 之后：{0}",
    "gone after {} s": "{0} 秒后消失",
    "the request {}": "请求{0}",
    "stays": "保留",
    "{} s": "{0} 秒",
    "a set {1, 2} of {x}": "集合 {1, 2}，{x}",
}


def translations(**texts: dict[str, str]) -> Translations:
    by_language = {language: phrases(each) for language, each in texts.items()}
    return Translations(lambda: by_language)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        pytest.param("The kernel closes", "内核关闭", id="as it stands"),
        pytest.param("RST after FIN", "FIN 之后：RST", id="computed parts in another order"),
        pytest.param("gone after 7.2 s", "7.2 秒后消失", id="the most fixed text wins"),
        pytest.param("the request stays", "请求保留", id="a computed part that has a translation"),
        pytest.param("the request {0} {", "请求{0} {", id="braces in a computed part"),
        pytest.param("a set {1, 2} of {x}", "集合 {1, 2}，{x}", id="braces without computed parts"),
        pytest.param("7.2 s", "7.2 秒", id="little fixed text around a number"),
        pytest.param("the SYN is 7 s", "the SYN is 7 s", id="little fixed text around a sentence"),
        pytest.param("The kernel closes   RFC 9293 3.6", "内核关闭   RFC 9293 3.6", id="with a section"),
        pytest.param("The kernel opens", "The kernel opens", id="none"),
    ],
)
def test_a_text_gets_its_translation(english: str, chinese: str) -> None:
    own = translations(zh=TEXTS)
    assert translator("zh", own).own(english) == chinese
    assert translator("en", own).own(english) == english


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"after {} s": "之后"}, "'after {} s' has 1 computed parts, and '之后' not the same"),
        ({"after {} s": "{1} 之后"}, "'after {} s' has 1 computed parts, and '{1} 之后' not the same"),
        ({"after {} s": "{seconds} 之后"}, "not the same"),
        ({"after {} s": "{0!r} 之后"}, "not the same"),
        ({"after {} s": "{0 之后"}, "'{0 之后': "),
        ({"{}{}": "{0}{1}"}, "has 2 computed parts"),
        ({"closes": 7}, "each line must be an English text"),
        ({"table": {"closes": "关闭"}}, "each line must be an English text"),
    ],
)
def test_a_wrong_translation_is_refused(texts: dict[str, object], why: str) -> None:
    with pytest.raises(WrongTranslation) as wrong:
        phrases(texts)
    assert why in str(wrong.value)


@pytest.mark.parametrize("content", [b'"closes" = "', b'"closes" = "\xff"', b'"a" = "b"\n"a" = "c"\n'])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "first.zh.toml"
    file.write_bytes(content)
    with pytest.raises(WrongTranslation):
        phrases_in(file)


def test_translations_of_each_language_are_beside_the_scenario_file(tmp_path: Path) -> None:
    for name in "first.zh.toml", "first.de.toml", "second.zh.toml", "first.toml":
        (tmp_path / name).write_text(f'"closes" = "{name}"\n')
    (tmp_path / "first.fr.toml").write_text("no TOML")
    file = tmp_path / "first.py"
    assert [each.name for each in translation_files(file)] == ["first.de.toml", "first.fr.toml", "first.zh.toml"]
    read = {language: each.texts for language, each in beside(file).by_language.items()}
    assert read == {"de": {"closes": "first.de.toml"}, "zh": {"closes": "first.zh.toml"}}


def test_a_saved_run_keeps_the_translations_of_its_scenarios() -> None:
    first, second = (
        Scenario(name, "stays", "RFC 9293", (4,), {}, {}, False, False, Path("file.py"), 1, translations=own)
        for name, own in (("file.one", translations(zh=TEXTS)), ("file.two", Translations()))
    )
    run = Run([Result(each, 4, Outcome.SKIP, 0.1, None) for each in (first, second)])
    [one, two] = parse("".join(lines_of(run)).encode(), Path("run.json")).results
    assert translator("zh", one.scenario.translations).own(one.scenario.title) == "保留"
    assert translator("zh", two.scenario.translations).own(two.scenario.title) == "stays"


@pytest.mark.parametrize(("language", "figures"), [("en", "  0 checks    0.10 s"), ("zh", "  0 项检查    0.10 秒")])
def test_the_line_about_a_scenario_has_the_words_of_its_language(language: str, figures: str) -> None:
    scenario = Scenario("file.one", "stays", "RFC 9293", (4,), {}, {}, False, False, Path("file.py"), 1)
    [line] = scenario_lines([Result(scenario, 4, Outcome.PASS, 0.1, Story().recording)], Screen(language=language), 9)
    assert line.endswith(f"IPv4     {figures}")
