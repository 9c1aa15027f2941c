"""Texts in both languages: each is there, with the same placeholders, and one Chinese term for each thing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Formatter

import pytest

from lab.claims.catalogue import catalogue, scenarios_folder
from lab.claims.groups import groups
from lab.exercise import catalogue as exercises
from lab.exercise import view
from lab.exercise.make import view as make
from lab.exercise.verifying import texts_of
from lab.grading import words
from lab.record.translations import beside
from lab.report.i18n import LANGUAGES, sentences, table
from lab.report.misconceptions import misconceptions
from lab.tcp import options

CHINESE, LATIN = re.compile(r"[\u4e00-\u9fff]"), re.compile("[A-Za-z]")

REJECTED = {
    "(?<!列)序号|号码": "序列号",
    "窗口扩大|扩大因子": "窗口缩放、窗口缩放因子",
    "(?<!差错)报文(?!段)": "报文段 (a segment), 数据包 (a packet of a capture); ICMP 差错报文 alone has no other name",
    "(?<!数据)包(?![含括])": "数据包",
    "标志位|标志": "控制位",
    "重发|副本都": "重传",
    "确认序列号": "确认号",
    "计时器": "定时器",
    "时延": "往返时间",
    "头部|报头": "首部",
    "回答|响应|回应|回以|回复": "应答",
    "监听者": "监听方",
    "应用(?!程序)": "应用程序",
    "论断": "说法",
    "见证": "状态来源",
    "校验过|演示": "已验证",
    "悄": "静默丢弃, 直接删除",
    "停在": "停留在",
    "2 MSL": "2MSL",
    "SYN,ACK": "SYN+ACK",
    "流的末尾": "流末尾",
}
"""Terms that no Chinese text uses, and the one to use."""


def texts() -> Iterator[tuple[str, str, str]]:
    """Where it stands, in English and in Chinese: each text that can be read in both."""
    for key, each in table().items():
        yield key, each["en"], each["zh"]
    for english, chinese in chinese_sentences().items():
        yield english, english, chinese
    read = catalogue()
    for topic, text in read.topics.items():
        yield f"topics.{topic}", text.en, text.zh
    for group, title in groups().items():
        yield f"groups.{group}", title.en, title.zh
    for file in sorted(scenarios_folder().glob("*.py")):
        for english, chinese in beside(file).by_language["zh"].texts.items():
            yield f"{file.stem}: {english}", english, chinese
    for claim in read.claims.values():
        for text in filter(None, [claim.article, claim.document, claim.linux, *(each.text for each in claim.since)]):
            yield claim.id, text.en, text.zh
    for erratum in read.errata:
        yield erratum.meant, erratum.text.en, erratum.text.zh
    yield from texts_of_exercises()


def texts_of_exercises() -> Iterator[tuple[str, str, str]]:
    """The same for exercises, their misconceptions and the command."""
    found = exercises.load()
    for track in found.tracks:
        yield f"track {track.id}", *track.title
    for exercise in found.exercises.values():
        for where, text, _ in texts_of(exercise):
            yield f"{exercise.id} {where}", *text
    for id_, known in misconceptions().items():
        yield f"misconception {id_}", *known.text
    for key, each in (*view.table().items(), *words.table().items(), *make.words().items()):
        if not key.startswith("command_"):
            yield f"words {key}", each["en"], each["zh"]
    for rung, each in make.texts().items():
        for key, text in each.items():
            yield f"{rung} {key}", text["en"], text["zh"]


def chinese_sentences() -> Mapping[str, str]:
    found = sentences("zh")
    assert found is not None
    return found.texts


@pytest.mark.parametrize("rejected", REJECTED)
def test_a_thing_has_one_chinese_term(rejected: str) -> None:
    wrong = {where: chinese for where, _, chinese in texts() if re.search(rejected, chinese)}
    assert wrong == {}, f"write {REJECTED[rejected]}"


def test_each_text_is_there_in_each_language() -> None:
    assert {key for key, each in table().items() if set(each) != set(LANGUAGES)} == set()
    for where, english, chinese in texts():
        assert LATIN.search(english) or not english.strip(" ,:;"), where
        assert CHINESE.search(chinese) or chinese == english or chinese in {"", "，", "：", "；"}, where


def test_placeholders_are_the_same_in_both_languages() -> None:
    for where, english, chinese in texts():
        names = placeholders(english)
        if not any(names):  # of a sentence: {} in English, {0}, {1} and so on in Chinese
            names = [str(number) for number in range(len(names))]
        assert names == placeholders(chinese), where


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def prose(text: str) -> list[str]:
    """The lines of a text up to two spaces, which stand before code, and without the arguments of calls."""
    return [re.sub(r"\([^()]*\)", "()", line.partition("  ")[0]) for line in text.split("\n")]


def test_chinese_has_chinese_punctuation() -> None:
    """Between a Chinese character and anything else no ASCII comma, full stop, colon, semicolon or bracket."""
    mixed = re.compile(r"[\u4e00-\u9fff][,.;:?!]|[\u4e00-\u9fff]\s*\(|\)[\u4e00-\u9fff]|[\"']")
    assert {where: chinese for where, _, chinese in texts() if any(map(mixed.search, prose(chinese)))} == {}


def test_chinese_has_a_space_on_both_sides_of_other_letters_and_none_at_its_punctuation() -> None:
    close = re.compile(
        r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]|\s[，。：；、（）“”]|[，。：；、（）“”]\s"
    )
    assert {where: chinese for where, _, chinese in texts() if any(map(close.search, prose(chinese)))} == {}


def test_a_chinese_sentence_ends_as_the_english_one_does() -> None:
    unlike = {where: (en, zh) for where, en, zh in texts() if zh and en.endswith(".") != zh.endswith("。")}
    assert unlike == {}


@pytest.mark.parametrize("name", [known.name for known in options.KNOWN])
def test_each_known_option_has_a_name_and_a_help_text(name: str) -> None:
    assert set(table()[f"h_o_{name}"]) == set(LANGUAGES)
    if name not in ("EOL", "NOP"):  # padding
        assert set(table()[f"option_{name}"]) == set(LANGUAGES)
