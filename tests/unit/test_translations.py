"""Translations beside a scenario file: reading them, finding the one for a text, and what a view shows of them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from lab.author import registry
from lab.claims.catalogue import catalogue
from lab.record.events import CheckKind, CheckMade, Concluded, Measured, Place, StepBegun
from lab.record.expectation import Row
from lab.record.results import Run
from lab.record.saved.document import Unreadable, lines_of, parse
from lab.record.translations import NONE, Phrases, Translations, WrongTranslation, beside, phrases_in
from lab.report.captures import captures
from lab.report.claims import claim_reports
from lab.report.html.data import Details
from lab.report.html.page import page
from lab.report.i18n import Translator, preferred, translator
from lab.report.ladder import ladder_of
from lab.report.plain import sentences
from lab.report.screen import Screen
from lab.report.svg import WIDE, figure
from lab.report.verdicts import result_lines
from tests.browser.pages import conversation, result
from tests.unit import sample_run
from tests.unit.stories import Story

STEP = "First ← 第一"


def chinese(**texts: str) -> Translations:
    return Translations(lambda: {"zh": Phrases(texts)})


def in_chinese(text: str, texts: dict[str, str]) -> str:
    return Translator("zh", chinese(**texts)).own(text)


@pytest.mark.parametrize(
    ("text", "texts", "shown"),
    [
        ("one two", {"one two": "一二"}, "一二"),
        ("one two", {"one": "一"}, "one two"),
        ("after 5 bytes of 9", {"after {} bytes of {}": "{1} 中的 {0} 字节之后"}, "9 中的 5 字节之后"),
        ("after  bytes of 9", {"after {} bytes of {}": "{1} 中的 {0} 字节之后"}, "9 中的  字节之后"),
        ("after 5 bytes", {"after {} bytes of {}": "{1} 中的 {0} 字节之后"}, "after 5 bytes"),
        ("the port is closed", {"the port is {}": "端口{0}", "closed": "已关闭"}, "端口已关闭"),
        ("the port is 80 here", {"the port is {}": "端口{0}", "the port is {} here": "此处端口{0}"}, "此处端口80"),
        ("said: {0}", {"said: {}": "说了：{0}"}, "说了：{0}"),
        ("braces {x}", {"braces {x}": "括号 {x}"}, "括号 {x}"),
        ("5 of 9", {"{} of {}": "{1} 中的 {0}"}, "9 中的 5"),
        ("a sentence of words", {"{} of {}": "{1} 中的 {0}"}, "a sentence of words"),
        ("the rule   RFC 9293 3.4", {"the rule": "规则"}, "规则   RFC 9293 3.4"),
    ],
)
def test_a_text_is_found_by_its_fixed_parts(text: str, texts: dict[str, str], shown: str) -> None:
    assert in_chinese(text, texts) == shown


def test_the_name_that_was_probably_meant_is_not_translated() -> None:
    told = "TypeError: Peer.send() got an unexpected keyword argument 'pyload'; did you mean payload?"
    assert translator("zh").text(told) == "TypeError：Peer.send() 没有参数 'pyload'；是否想输入 payload？"


def test_a_long_text_of_repeated_words_takes_no_time_and_no_stack() -> None:
    texts = {"so{}so{}so{}so{} so": "{0}{1}{2}{3}", "so far{}": "等{0}"}
    assert in_chinese("so" * 50_000, texts) == "so" * 50_000
    assert in_chinese("so far" * 50_000, texts).startswith("等等等")


@pytest.mark.parametrize(
    "written",
    [
        '"a {}" = "b"', '"a" = 1', '"a {} b {}" = "{0} {0}"', '"a {}" = "{0.__class__}"', '"a {}" = "{0:>999999999}"',
        '"a {}" = "{0!r}"', '"a {}" = "{"', '"{}{}" = "{0}{1}"', "[table]", "= 1", '"a" = "\\udc00"',
    ],
)  # fmt: skip
def test_a_wrong_file_has_one_sentence_about_it(tmp_path: Path, written: str) -> None:
    file = tmp_path / "own.zh.toml"
    file.write_text(written, encoding="utf-8")
    with pytest.raises(WrongTranslation, match=r"^[^\n]+$"):
        phrases_in(file)


SCENARIO = '''
from lab import scenario
@scenario(section="RFC 9293 3.5")
def one(lab):
    """A title"""
'''


def test_the_translations_beside_a_users_file_are_used_and_a_wrong_one_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(SCENARIO, encoding="utf-8")
    beside_it = tmp_path / "own.zh.toml"
    beside_it.write_text('"A title" = "标题"', encoding="utf-8")
    (tmp_path / "own_more.zh.toml").write_text("of another file", encoding="utf-8")
    found = registry.find([str(file)])
    assert found.broken == []
    assert Translator("zh", found.scenarios[0].translations).own("A title") == "标题"
    beside_it.write_text('"A title" = ', encoding="utf-8")
    found = registry.find([str(file)])
    assert [each.file.name for each in found.broken] == ["own.zh.toml"]
    assert [each.title for each in found.scenarios] == ["A title"], "it runs all the same"


def test_without_a_file_there_are_no_translations(tmp_path: Path) -> None:
    assert beside(tmp_path / "own.py").by_language == {}
    assert Translator("zh").own("A title") == "A title"


def translated_run() -> Run:
    run = sample_run.run()
    texts = chinese(**{STEP: "第一步", run.results[0].scenario.title: "示例标题"})
    first = dataclasses.replace(run.results[0].scenario, translations=texts)
    for each in run.results:
        each.scenario = first if each.scenario.id == first.id else each.scenario
    return run


def test_a_saved_run_shows_its_translations_elsewhere() -> None:
    again = parse("".join(lines_of(translated_run())).encode(), Path("run.json"))
    assert {each.scenario.id for each in again.results if each.scenario.translations.by_language} == {"sample.one"}
    shown = "\n".join(result_lines(again.results[0], Screen(language="zh")))
    assert "示例标题" in shown
    assert "第一步" in shown
    assert "第一步" not in "\n".join(result_lines(again.results[0], Screen()))


def test_a_long_title_is_broken_between_words() -> None:
    long = result(conversation(), title=" ".join(["word"] * 30))
    lines = list(result_lines(long, Screen(width=80)))
    assert max(map(len, lines[:3])) <= 80
    assert lines[1:3] == ["  " + " ".join(["word"] * 15), "  " + " ".join(["word"] * 15)]


def test_the_texts_of_a_recording_stay_english() -> None:
    document = json.loads("".join(lines_of(translated_run())))
    assert document["translations"][0]["zh"][STEP] == "第一步"
    assert document["scenarios"][0]["translations"] == 0
    assert STEP in [event.get("title") for event in document["recordings"][0]["events"]]
    assert "translations" not in document["scenarios"][1]


def test_a_file_of_an_older_lab_has_no_translations() -> None:
    text = "".join(lines_of(sample_run.run())).replace('"translations": [\n],\n', "")
    assert all(each.scenario.translations is NONE for each in parse(text.encode(), Path("run.json")).results)


@pytest.mark.parametrize("texts", ['{"zh": {"a {}": "b"}}', '{"zh": {"a": 1}}', '{"zh": []}', "5"])
def test_a_damaged_table_is_damage(texts: str) -> None:
    text = "".join(lines_of(sample_run.run())).replace('"translations": [\n', f'"translations": [\n{texts}\n')
    with pytest.raises(Unreadable, match="damaged"):
        parse(text.encode(), Path("run.json"))


def test_plain_sentences_are_in_the_language_of_the_author_and_of_the_reader() -> None:
    recording = sample_run.recording()
    assert any(isinstance(event, StepBegun) and event.title == STEP for event in recording.events)
    texts = list(sentences(ladder_of(recording), translator("zh", chinese(**{STEP: "第一步"}))))
    assert "步骤：第一步。" in texts


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LANG": "zh_TW"}, "zh"), ({"LANG": "en_GB.UTF-8"}, "en"), ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"), ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"), ({"LC_ALL": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"), ({"LANG": "en_US", "LC_MESSAGES": "zh_CN"}, "zh"),
    ],
)  # fmt: skip
def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], language: str) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert preferred() == language


def test_the_comments_of_a_capture_are_in_a_language() -> None:
    ((_, blocks),) = captures(translated_run(), "zh")
    data = b"".join(blocks).decode("utf-8", "replace")
    assert "步骤：第一步" in data
    assert "示例标题" in data
    assert "被测内核发送的内容" in data


def test_conclusions_and_measured_values_are_in_a_language() -> None:
    story = Story()
    story.recording.events.append(StepBegun(1, "A step", ("C1",), None))
    story.recording.events.append(Concluded(2, "C1", "it opens", None))
    story.recording.events.append(Measured(2, "C1", "5 s later", None))
    story.recording.events.append(
        CheckMade(3, True, CheckKind.VALUE, "it", Place("", 1, ""), rows=(Row.of("value", 1, 1),))
    )
    shown = result(story.recording)
    texts = chinese(**{"it opens": "它打开", "{} s later": "{0} 秒之后", "A step": "一个步骤"})
    shown.scenario = dataclasses.replace(shown.scenario, translations=texts)
    report = next(each for each in claim_reports(Run([shown]), catalogue(), "zh") if each.claim.id == "C1")
    assert (report.conclusion, report.measured, report.evidence[0].step) == ("它打开", "5 秒之后", "一个步骤")
    english = next(each for each in claim_reports(Run([shown]), catalogue()) if each.claim.id == "C1")
    assert (english.conclusion, english.measured) == ("it opens", "5 s later")


def test_the_page_has_the_texts_of_a_scenario_in_both_languages() -> None:
    shown = result(conversation(), title="What it shows")
    texts = chinese(**{"What it shows": "它说明什么", "First: the handshake": "首先：握手"})
    shown.scenario = dataclasses.replace(shown.scenario, translations=texts)
    run = Run([shown], environment={"kernel": ""}, version="0", began="2026-01-02T03:04:05+00:00")
    details = Details(run)
    assert details.index["texts"]["First: the handshake"] == "首先：握手"
    assert details.index["texts"]["What it shows"] == "它说明什么"
    text = page(run, catalogue())
    assert '<span lang="en">What it shows</span><span lang="zh">它说明什么</span>' in text


def test_a_drawing_for_a_page_has_the_titles_of_steps_in_each_language() -> None:
    texts = chinese(**{"First: the handshake": "首先：握手"})
    _, drawn = figure(ladder_of(conversation()), translator("en"), WIDE, translator("zh", texts))
    found = re.findall(r'lang="(..)">([^<]*handshake|首先：握手)<', drawn)
    assert found == [
        ("en", "First: the handshake"),
        ("zh", "首先：握手"),
    ]
    assert drawn.count("a word, and its acknowledgement") == 1, "a text without a translation is drawn once"
