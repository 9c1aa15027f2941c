"""Report as a file: it refers to no other file, has all texts in both languages, and legible colours."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lab.record.events import CheckKind, CheckMade, Concluded, Place, StepBegun
from lab.record.expectation import Row
from lab.record.explanations import EXPLANATIONS
from lab.record.results import Outcome, Run
from lab.report.colours import COLOURS, PHASE_OF, PHASES, file_style, ladder_style
from lab.report.coverage import EdgeReport
from lab.report.edge_coverage import FIGURE_5
from lab.report.evidence import Evidence
from lab.report.html.data import Details, packed
from lab.report.html.diagram import ROUTES, diagram, label, status
from lab.report.i18n import LANGUAGES, table, translator
from lab.report.ladder_model import Kind
from lab.tcp.diagram import EDGES
from lab.tcp.rules import RULES
from lab.tcp.state import State
from tests.browser.pages import conversation, failing, result, written
from tests.unit.stories import Story

FOLDER = Path(__file__).resolve().parents[2] / "lab/report/html"
SOURCES = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir() if file.is_file()}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    skipped = result(None, "made.elsewhere", Outcome.SKIP)
    results = result(conversation()), result(conversation(6)), failing(), skipped
    return written(tmp_path_factory.mktemp("page"), *results).read_text(encoding="utf-8")


class Elements(HTMLParser):
    """All elements of a page: name, attributes, and the content of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in {"script", "style"}:
            self.texts.append((self.found[-1][0], data))


def unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(text: str) -> None:
    elements = Elements(text)
    [policy] = [each["content"] for tag, each in elements.found if each.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(each.strip().split(" ", 1) for each in (policy or "").split(";"))
    assert rules.keys() == {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    assert rules["default-src"] == "'none'"
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        held = "".join(data for of, data in elements.texts if of == tag and "\n" in data.strip())
        digest = base64.b64encode(hashlib.sha256(held.encode()).digest()).decode()
        assert rules[directive] == f"'sha256-{digest}'"


def test_nothing_is_fetched_and_no_markup_is_a_script(text: str) -> None:
    for tag, attributes in Elements(text).found:
        assert tag not in {"img", "iframe", "link", "object", "embed", "base"}
        assert not any(name.startswith("on") or name in {"src", "style", "action"} for name in attributes), (
            tag,
            attributes,
        )
        assert (attributes.get("href") or "#").startswith("#")
    assert set(re.findall(r"\bhttps?://[^\s'\"]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert "url(" not in text
    assert "innerHTML" not in text


def test_scenarios_with_all_their_families_are_packed_once(text: str) -> None:
    elements = Elements(text)
    names = [each["data-scenario"] for tag, each in elements.found if "data-scenario" in each]
    assert names == ["made.up", "made.to_fail", "made.elsewhere"]
    packs = [data for tag, data in elements.texts if tag == "script" and "\n" not in data]
    index, first, *_ = map(unpacked, packs)
    assert [each["id"] for each in index["scenarios"]] == names
    assert set(first) == {"4", "6"}
    assert [rung["k"] for rung in first["4"]["rungs"]][:4] == ["call", "call", "step", "segment"]


def test_the_bytes_of_each_packet_are_there() -> None:
    recording = conversation()
    details = Details(Run([result(recording)]))
    rungs = unpacked(details.packed[0][1])["4"]["rungs"]
    events = [getattr(event, "data", b"") for event in recording.events]
    frames = [base64.b64decode(rung["d"]) for rung in rungs if "d" in rung]
    assert len(frames) == 5
    assert all(frame in events for frame in frames)
    assert details.packets == 5
    assert [rung["n"] for rung in rungs if "n" in rung] == [1, 2, 3, 5, 6], "numbered as in the capture file"


def test_any_value_can_be_packed() -> None:
    value = {"text": "</script>\0\u202e\"'&\ud800"}
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed(value))
    assert unpacked(packed(value))["text"].startswith("</script>\0\u202e\"'&")


def test_every_arrow_of_the_figure_is_drawn_and_named() -> None:
    assert set(ROUTES) == {(edge.source, edge.event) for edge in FIGURE_5}
    assert all(label(edge)[0] for edge in FIGURE_5)
    shown = Evidence("made.up", 4, "", 1, "S 0:0(0)")
    reports = [EdgeReport(edge, (), (shown,) if edge is FIGURE_5[0] else ()) for edge in FIGURE_5]
    drawn = diagram(reports, set(), translator("en"), lambda evidence: f"#/{evidence.scenario}")
    assert drawn.count('class="line"') == len(FIGURE_5)
    assert drawn.count("<a ") == 1
    assert drawn.count('href="#/made.up"') == 1
    assert {status(each) for each in reports} == {"peer", "open", "absent"}


def test_every_sentence_of_the_documents_has_a_translation() -> None:
    english = {rule.sentence for rule in RULES} | {each[2].rpartition("   ")[0] for each in EXPLANATIONS}
    english |= {edge.event.value for edge in EDGES}
    spoken_elsewhere = {
        "the data offset counts 32-bit words up to the data, options included",
        "after the last byte before a FIN the application learns that the other side closed",
    }
    assert {each for each in english | spoken_elsewhere if translator("zh").text(each) == each} == set()


def test_a_sentence_is_kept_once_and_its_section_apart() -> None:
    index = Details(Run([result(conversation()), result(conversation(6))])).index
    listed = index["sentences"]
    assert listed[0] == ("", "", "")
    assert ("The reserved bits are zero.", "保留位为零。", "RFC 9293 3.1") in listed
    assert [listed[number][0] for _, number in index["rules"]] == [rule.sentence for rule in RULES]
    assert len(set(listed)) == len(listed)


def used_texts() -> set[str]:
    """Keys of texts used in the template, scripts and drawings."""
    source = "\n".join(text for name, text in SOURCES.items() if name.endswith((".js", ".jinja", ".py")))
    source += (FOLDER.parent / "svg.py").read_text(encoding="utf-8")
    found = set(re.findall(r"""\b(?:t|say|translate|named|filled|text|button)\(\s*["'](\w+)["']""", source))
    found |= set(re.findall(r"""data-(?:label|w|placeholder)="(\w+)\"""", source)) | set(
        re.findall(r"""key="(\w+)\"""", source)
    )
    return found | set(re.findall(r"words(?:\.en)?\.(\w+)\[", source))


def test_every_used_text_exists() -> None:
    missing = {key for key in used_texts() if key not in table()}
    assert missing <= {"theme_", "outcome_", "edge_", "verdict_", "kind_"}


def test_no_text_of_the_page_is_unused() -> None:
    import tomllib

    own = set(tomllib.loads(SOURCES["words.toml"]))
    source = "\n".join(text for name, text in SOURCES.items() if name.endswith((".js", ".jinja", ".py")))
    families = ("f_", "h_", "outcome_", "theme_", "edge_", "layer_")
    kinds = {kind.value for kind in Kind}  # of rungs: t(rung.k)
    left = {key for key in own - kinds if not key.startswith(families) and not re.search(rf"\b{key}\b", source)}
    assert left == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_fields_and_their_help_are_texts(language: str) -> None:
    names = set(re.findall(r"\['(\w+)', \d+, \d+", SOURCES["fields.js"]))
    assert len(names) > 40
    assert all(table()[f"f_{name}"][language] for name in names)


def luminance(colour: str) -> float:
    """Relative luminance as defined in WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "page", "band", "pick"])
def test_texts_have_enough_contrast(theme: int, ground: str) -> None:
    """Contrast: 4.5 to 1 for texts, 3 to 1 for lines with a meaning (WCAG 2.2, 1.4.3 and 1.4.11)."""
    below = COLOURS[ground][theme]
    texts = ["ink", "soft", "accent", "good", "bad", "warn", "seq", "ack", "peer", "kernel"]
    assert {
        name: contrast(COLOURS[name][theme], below) for name in texts if contrast(COLOURS[name][theme], below) < 4.5
    } == {}
    if ground == "paper":
        assert {name for name in PHASES if contrast(COLOURS[name][theme], below) < 3} == set()


def test_each_state_has_a_phase_and_each_phase_is_drawn_in_its_colour() -> None:
    assert set(PHASE_OF) == set(State)
    assert set(PHASE_OF.values()) == set(PHASES)
    for phase in PHASES:
        assert f".ladder .{phase} {{ stroke: var(--{phase}); }}\n" in ladder_style()


def test_a_ladder_in_a_file_needs_no_variables() -> None:
    assert "var(" in ladder_style()
    assert "var(" not in file_style()
    assert file_style().count("#") > ladder_style().count("var(")


def test_a_conclusion_is_called_one_and_is_no_measurement(tmp_path: Path) -> None:
    story = Story()
    story.recording.events.append(StepBegun(1, "A step", ("C1",), None))
    story.recording.events.append(Concluded(2, "C1", "it <opens>", None))
    story.recording.events.append(
        CheckMade(3, True, CheckKind.VALUE, "it", Place("", 1, ""), rows=(Row.of("value", 1, 1),))
    )
    page = written(tmp_path, result(story.recording)).read_text(encoding="utf-8")
    rows = re.findall(r'<div><dt><span lang="en">(conclusion|measured)</span>.*?</dt><dd[^>]*>(.*?)</dd>', page)
    assert rows == [
        ("conclusion", "it &lt;opens&gt;"),
        ("measured", '<span lang="en">it: 1</span><span lang="zh">it：1</span>'),
    ]


def test_scenarios_stand_in_learning_order(tmp_path: Path) -> None:
    names = ["time_wait.a", "made.up", "handshake.b", "connections.c"]
    page = written(tmp_path, *(result(conversation(), each) for each in names)).read_text(encoding="utf-8")
    assert re.findall(r'data-scenario="(.*?)"', page) == ["connections.c", "handshake.b", "time_wait.a", "made.up"]
    assert re.search(r'id="basic".*?href="(.*?)"', page, re.DOTALL)[1] == "#/handshake.b/4"  # type: ignore[index]
    assert "Opening a connection: three segments" in page


def test_an_excerpt_has_only_its_claims_and_can_be_mailed(tmp_path: Path) -> None:
    text = written(tmp_path, result(conversation()), excerpt=True).read_text(encoding="utf-8")
    assert re.findall(r'class="claim" id="(.*?)"', text) == ["C31"]
    assert len(text) < 300_000


def test_an_empty_run_has_a_page(tmp_path: Path) -> None:
    page = written(tmp_path).read_text(encoding="utf-8")
    assert "Scenarios: 0. Packets: 0. Checks: 0." in page


def test_a_run_that_a_slow_machine_could_not_try_has_no_verdict(tmp_path: Path) -> None:
    slow = result(None, "made.slow", Outcome.INCONCLUSIVE)
    slow.message = "held up for 2 s"
    page = written(tmp_path, result(conversation()), slow).read_text(encoding="utf-8")
    assert '<p id="verdict" class="inconclusive">' in page
    assert "No verdict: this machine was too slow for 1 of 2 scenario runs." in page
    assert "2 次场景运行中有 1 次因本机太慢而没有结果。" in page
    assert '<li class="inconclusive"><strong>1</strong>' in page
    assert "<p>held up for 2 s</p>" in page


def test_a_recording_without_any_event_has_a_page(tmp_path: Path) -> None:
    assert "made.up" in written(tmp_path, result(Story().recording)).read_text(encoding="utf-8")
