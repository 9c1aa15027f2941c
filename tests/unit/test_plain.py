"""Ladder as sentences, in each language."""

from __future__ import annotations

import pytest

from lab.report.i18n import LANGUAGES, translator
from lab.report.ladder import ladder_of
from lab.report.plain import sentences
from lab.tcp.state import State
from tests.unit.stories import Story
from tests.unit.test_text import eventful

S = State
OFFER = "window 64240, maximum segment size 1460"


def sentences_of(story: Story, language: str = "en") -> list[str]:
    return list(sentences(ladder_of(story.recording), translator(language)))


def test_a_handshake_in_english() -> None:
    story = Story()
    story.handshake()
    assert sentences_of(story) == [
        "At 0.0 ms the kernel's application calls bind(80), which gives 0.",
        "At 0.1 ms the kernel's application calls listen(16), which gives 0. The kernel is now in LISTEN.",
        f"At 0.2 ms the peer sends SYN, sequence 0, {OFFER}. The peer is now in SYN-SENT, the kernel in SYN-RECEIVED.",
        f"At 0.4 ms the kernel sends SYN+ACK, sequence 0, acknowledging 1, {OFFER}. The peer is now in ESTABLISHED.",
        "At 0.5 ms the peer sends ACK, sequence 1, acknowledging 1, window 64240. The kernel is now in ESTABLISHED.",
    ]


def test_a_handshake_in_chinese() -> None:
    story = Story()
    story.handshake()
    assert sentences_of(story, "zh")[2] == (
        "0.2 毫秒时，对端发送 SYN，序列号 0，窗口 64240，最大报文段长度 1460。"
        "对端进入 SYN-SENT，内核进入 SYN-RECEIVED。"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_kind_of_rung_has_a_sentence(language: str) -> None:
    lines = sentences_of(eventful(), language)
    assert len(lines) == len(ladder_of(eventful().recording).rungs)
    assert all(line[-1] in ".。" and "{" not in line for line in lines)


def test_marks_have_sentences() -> None:
    text = "\n".join(sentences_of(eventful()))
    for words_of_it in ("a retransmission", "lost on its way", "expectation did not hold", "retransmission timer runs"):
        assert words_of_it in text
