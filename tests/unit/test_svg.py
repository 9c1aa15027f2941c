"""Ladder as SVG and as mermaid: well-formed for any text, complete, in each language."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree as ET

import pytest

from lab.record.events import Connection
from lab.report.colours import ladder_style
from lab.report.i18n import LANGUAGES, table, translator
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Kind
from lab.report.svg import NARROW, WIDE, Sheet, figure, svg
from lab.report.text import mermaid
from lab.tcp.state import State
from tests.unit.stories import Story, a_long_one
from tests.unit.test_text import eventful

S = State
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "\" onload='x'",
    "a\0b\x1b[2Jc",
    "\u202eright to left",
    "]]>&lt;",
    "\ud800",
]
SHEETS = pytest.mark.parametrize("sheet", [WIDE, NARROW], ids=["wide", "narrow"])


def drawn(story: Story, sheet: Sheet = WIDE, language: str = "en") -> ET.Element:
    return ET.fromstring(svg(ladder_of(story.recording), translator(language), sheet))


def texts(root: ET.Element, name: str) -> list[str]:
    return [
        "".join(each.itertext()) for each in root.iter(f"{SVG}text") if name in each.attrib.get("class", "").split()
    ]


@SHEETS
def test_each_rung_is_a_group_that_names_its_kind(sheet: Sheet) -> None:
    story = eventful()
    rungs = ladder_of(story.recording).rungs
    groups = [each for each in drawn(story, sheet).iter(f"{SVG}g") if "rung" in each.attrib["class"].split()]
    assert [Kind(each.attrib["data-kind"]) for each in groups] == [rung.kind for rung in rungs]
    assert [int(each.attrib["data-at"]) for each in groups] == list(range(len(rungs)))
    marks = ("retransmission", "lost", "broke")
    assert [[name in each.attrib["class"].split() for name in marks] for each in groups] == [
        [rung.retransmission, rung.lost, rung.broke] for rung in rungs
    ]


def test_a_handshake_shows_numbers_and_states() -> None:
    story = Story()
    story.handshake()
    root = drawn(story)
    assert texts(root, "numbers") == [
        "S 0:0(0)+1 win 64240",
        "SA 0:0(0)+1 ack 1 win 64240",
        "A 1:1(0) ack 1 win 64240",
    ]
    assert texts(root, "state") == [
        *("CLOSED", "CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "ESTABLISHED"),
    ]
    assert texts(root, "call") == ["bind(80) = 0", "listen(16) = 0"]
    assert texts(root, "options") == ["<mss 1460>", "<mss 1460>"]


def test_syn_and_fin_visibly_take_a_number() -> None:
    story = Story()
    story.peer("S", S.SYN_SENT)
    story.peer("FPA", seq=1, ack=1, payload=b"hello")
    story.peer("A", seq=7, ack=1)
    assert [each.split()[1] for each in texts(drawn(story), "numbers")] == ["0:0(0)+1", "1:6(5)+1", "7:7(0)"]


@pytest.mark.parametrize(
    ("senders", "heads"),
    [
        ("pk", ["peer (client)", "kernel (server)"]),
        ("kp", ["peer (server)", "kernel (client)"]),
        ("PK", ["peer", "kernel"]),
        ("", ["peer", "kernel"]),
    ],
    ids=["the peer opens", "the kernel opens", "both open at the same time", "nobody opens"],
)
def test_the_sides_are_called_client_and_server_if_the_segments_tell(senders: str, heads: list[str]) -> None:
    story = Story()
    for at, sender in enumerate(senders):
        send = story.peer if sender in "pP" else story.kernel
        send("SA" if at and sender.islower() else "S")
    story.peer("A", ack=1)
    assert texts(drawn(story), "head") == heads


def test_the_directions_differ_in_colour_and_shape() -> None:
    story = Story()
    story.handshake()
    kinds = [each.attrib["class"] for each in drawn(story).iter(f"{SVG}g") if each.attrib["data-kind"] == "segment"]
    assert kinds == ["rung from-peer", "rung from-kernel", "rung from-peer"]
    rules = ladder_style()
    assert ".from-peer .tip { fill: var(--peer); }" in rules
    assert ".from-kernel .tip { fill: var(--paper); stroke: var(--kernel);" in rules


@SHEETS
def test_all_elements_are_inside_the_drawing(sheet: Sheet) -> None:
    root = drawn(eventful(), sheet)
    height = float(root.attrib["height"])
    for each in root.iter(f"{SVG}text"):
        assert 0 <= float(each.attrib["x"]) <= sheet.width
        assert 0 < float(each.attrib["y"]) < height
    for each in root.iter(f"{SVG}rect"):
        if "x" in each.attrib:
            assert float(each.attrib["x"]) >= 0
            assert float(each.attrib["x"]) + float(each.attrib["width"]) <= sheet.width
            assert float(each.attrib["y"]) + float(each.attrib["height"]) <= height


@SHEETS
def test_rungs_follow_each_other_without_overlap(sheet: Sheet) -> None:
    hits = [each for each in drawn(eventful(), sheet).iter(f"{SVG}rect") if each.attrib.get("class") == "hit"]
    edges = [(float(each.attrib["y"]), float(each.attrib["y"]) + float(each.attrib["height"])) for each in hits]
    assert all(above[1] <= below[0] and above[0] < above[1] for above, below in itertools.pairwise(edges))


@SHEETS
@pytest.mark.parametrize("text", HOSTILE, ids=["script", "quote", "control", "bidi", "cdata", "surrogate"])
def test_hostile_text_stays_text(text: str, sheet: Sheet) -> None:
    story = Story()
    story.step(text)
    story.call("send", text, text.encode(errors="replace"))
    raw = svg(ladder_of(story.recording), translator("en"), sheet)
    root = ET.fromstring(raw)
    assert "<script" not in raw
    assert not re.search(r"[\0-\x08\x0b-\x1f\u202e\ud800]", raw)
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "g", "text", "tspan", "path", "circle"),
    }


def test_screen_readers_get_sentences() -> None:
    root = drawn(eventful(), language="zh")
    assert (root.attrib["role"], root.attrib["aria-labelledby"]) == ("img", "t d")
    described = root.find(f"{SVG}desc")
    assert described is not None
    assert "对端发送 SYN" in (described.text or "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_translatable_texts_are_marked(language: str) -> None:
    marked = [each for each in drawn(eventful(), language=language).iter() if "data-w" in each.attrib]
    assert {each.attrib["data-w"] for each in marked} >= {"peer_head_client", "lost", "retransmission", "here"}
    assert all("".join(each.itertext()) == table()[each.attrib["data-w"]][language] for each in marked)


def test_a_crossing_segment_is_one_long_arrow() -> None:
    story = Story()
    syn = story.peer("S", S.SYN_SENT)
    story.kernel("S", S.SYN_RECEIVED)
    story.crossing_over(syn)
    root = drawn(story)
    slopes = []
    for each in root.iter(f"{SVG}path"):
        if each.attrib["class"] == "arrow":
            _, y1, _, y2 = map(float, re.findall(r"-?[\d.]+", each.attrib["d"]))
            slopes.append(y2 - y1)
    assert len(slopes) == 2
    assert max(slopes) > 4 * min(slopes)


def test_a_long_ladder_says_what_it_leaves_out() -> None:
    ladder = ladder_of(a_long_one(3000), 100)
    height, body = figure(ladder, translator("en"), WIDE)
    assert f"{ladder.omitted} lines are left out here" in body
    assert body.count('class="rung') == 100
    assert height < 10_000


def test_mermaid_has_a_line_for_each_rung() -> None:
    story = eventful()
    story.recording.connections.append(Connection(4, 80, 40002))
    lines = mermaid(ladder_of(story.recording), translator("en")).splitlines()
    assert lines[:3] == ["sequenceDiagram", "    participant P as peer", "    participant K as kernel"]
    arrows = [line.split(":")[0].strip() for line in lines if re.match(r" +[PK]-", line)]
    assert arrows == ["P->>K", "K-xP", "K-->>P", "P-xK"]
    assert "    Note left of P: SYN-SENT" in lines
    assert any("[40001] S 0:0(0) win 64240<br/>#60;mss 1460" in line for line in lines)
    assert any("31 s retransmission timer" in line for line in lines)


@pytest.mark.parametrize("text", [*HOSTILE, "wrap: x", "end; loop", "%%{init: {}}%%"])
def test_mermaid_reads_hostile_text_as_text(text: str) -> None:
    story = Story()
    story.step(text)
    *_, line = mermaid(ladder_of(story.recording), translator("en")).splitlines()
    told = line.removeprefix("    Note over P,K: ")
    assert not re.search(r"[<>%\"'\0\u202e\ud800]|;(?<!#\d;)(?<!#\d\d;)(?<!#\d\d\d;)|#(?!\d+;)|wrap:", told)
