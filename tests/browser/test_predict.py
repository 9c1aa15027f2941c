"""Predict mode of the page: the next segment is hidden, typed, revealed and compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from lab.record.events import Recording
from lab.record.expectation import Expected
from lab.record.results import Outcome
from lab.report.i18n import table
from lab.report.misconceptions import misconceptions
from lab.tcp.state import State
from tests.browser.conftest import Browser
from tests.browser.pages import conversation, result, written
from tests.browser.test_report import SEEN_IN_ENGLISH
from tests.unit.stories import Story
from tests.unit.test_exercise_notation import SYN_ACK, THREE_TIMES

S = State
SCRIPT = Path(__file__).parents[2] / "lab" / "report" / "html" / "predict.js"
FIELDS = ("flags", "seq", "ack", "length")
SHOWN_PACKETS = "return [...document.querySelectorAll('#scenario .ladder .number')].map((each) => each.textContent)"


def told(story: Callable[[Story], None]) -> Recording:
    written_down = Story()
    written_down.handshake()
    story(written_down)
    return written_down.recording


def closing(story: Story) -> None:
    """The kernel closes first; packet 4 is its FIN, packet 8 the last ACK."""
    story.call("close")
    story.kernel("FA", S.CLOSE_WAIT, seq=1, ack=1)
    story.state(S.FIN_WAIT_1)
    story.peer("A", S.CLOSE_WAIT, seq=1, ack=2)
    story.state(S.FIN_WAIT_2)
    story.peer("PA", S.CLOSE_WAIT, seq=1, ack=2, payload=b"abc")
    story.peer("FA", S.LAST_ACK, seq=4, ack=2)
    story.state(S.TIME_WAIT)
    story.kernel("A", S.CLOSED, seq=2, ack=5)


def three_to_close(story: Story) -> None:
    """Data both ways; packet 7 is the peer's FIN, and the kernel's FIN, packet 8, acknowledges it."""
    story.peer("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"hello")
    story.kernel("A", S.ESTABLISHED, seq=1, ack=6)
    story.kernel("PA", S.ESTABLISHED, seq=1, ack=6, payload=b"good morning")
    story.peer("FA", S.FIN_WAIT_1, seq=6, ack=13)
    story.kernel("FA", S.CLOSED, seq=13, ack=7)
    story.peer("A", S.CLOSED, seq=7, ack=14)


def refused() -> Recording:
    story = Story()
    story.peer("S", S.SYN_SENT)
    story.kernel("RA", S.CLOSED, ack=1)
    return story.recording


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(
        tmp_path_factory.mktemp("report"),
        result(conversation(4)),
        result(conversation(6)),
        result(told(closing), "made.closing"),
        result(told(three_to_close), "made.three"),
        result(refused(), "made.refused"),
    )


def ask(browser: Browser, place: str) -> None:
    """Go to a prediction, also to one whose segment has just been revealed."""
    browser.go(place)
    browser.until("return document.querySelector('#scenario form') && location.hash === arguments[0]", place)


def type_in(browser: Browser, **typed: str) -> None:
    for field, text in typed.items():
        browser.one(f"#predict-{field}").send_keys(text)


def reveal(browser: Browser, **typed: str) -> dict[str, str]:
    """Type a prediction and reveal the segment: the class of each field's row, "" for no answer."""
    type_in(browser, **typed)
    browser.one("#predict-flags").send_keys(Keys.ENTER)
    browser.until("return document.querySelector('.compared')")
    rows = browser.all(".compared tbody tr:not(.because)")
    return dict(zip(FIELDS, (each.get_attribute("class") or "" for each in rows), strict=True))


def test_a_right_prediction(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p2/predict")
    assert browser.text(".task h2") == "Next: kernel to peer"
    assert set(reveal(browser, flags="SYN+ACK", seq="0", ack="1", length="0").values()) == {"right"}
    assert browser.text(".task h2") == "SA kernel to peer"
    assert "Right predictions: 4 of 4." in browser.text(".task")
    shown = [each.text.split("\n") for each in browser.all(".compared td:nth-of-type(2)")]
    assert shown == [["SA"], ["0", "y = 5000"], ["1", "x+1 = 4294967295"], ["0"]]
    assert [each.text for each in browser.all(".compared td:last-child")] == ["✓ right"] * 4
    assert browser.all(".compared .because") == []
    assert browser.run(SHOWN_PACKETS) == ["1", "2"]


def test_the_ring_around_a_field_covers_no_text(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p2/predict")
    browser.one("#predict-flags").click()
    ring, room = browser.run("""
        const field = document.getElementById('predict-flags');
        const style = getComputedStyle(field);
        const below = field.closest('.predicted').querySelector('.how').getBoundingClientRect().top;
        return [parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset),
                below - field.getBoundingClientRect().bottom];""")
    assert 0 < ring <= room


def test_no_prediction_is_not_a_wrong_one(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p2/predict")
    browser.one("#scenario form button").click()
    assert [each.text for each in browser.all(".compared td:last-child")] == ["no answer"] * 4
    assert "Right predictions" not in browser.text(".task")
    ask(browser, "#/made.up/4/p2/predict")
    assert reveal(browser, ack="2") == {"flags": "", "seq": "", "ack": "wrong", "length": ""}
    assert "Right predictions: 0 of 1." in browser.text(".task")


MISCONCEPTIONS = [
    ("up", 1, {"flags": "SA"}, "syn-with-ack"),
    ("up", 1, {"flags": "A"}, "ack-alone-opens-nothing"),
    ("up", 1, {"ack": "1"}, "field-without-ack"),
    ("up", 2, {"flags": "A"}, "syn-is-answered-by-ack-only"),
    ("up", 2, {"flags": "S"}, "answer-without-ack"),
    ("up", 2, {"ack": "x"}, "syn-not-counted"),
    ("up", 2, {"ack": "0"}, "syn-not-counted"),
    ("up", 2, {"ack": "4294967294"}, "syn-not-counted"),
    ("up", 2, {"ack": "2"}, "counted-twice"),
    ("up", 2, {"seq": "y+1"}, "counted-twice"),
    ("up", 2, {"seq": "x+1"}, "sides-swapped"),
    ("up", 2, {"seq": "4294967295"}, "sides-swapped"),
    ("up", 2, {"absolute": " ", "ack": "1"}, "relative-for-absolute"),
    ("up", 3, {"flags": "SA"}, "ack-with-syn"),
    ("up", 3, {"flags": "S"}, "syn-again"),
    ("up", 3, {"seq": "0"}, "syn-not-counted"),
    ("up", 5, {"seq": "2"}, "ack-takes-a-number"),
    ("up", 6, {"ack": "1"}, "own-number"),
    ("up", 6, {"ack": "5"}, "syn-not-counted"),
    ("up", 6, {"ack": "4294967300"}, "not-wrapped"),
    ("up", 6, {"seq": "6"}, "sides-swapped"),
    ("closing", 4, {"flags": "F"}, "fin-without-ack"),
    ("closing", 4, {"flags": "RST"}, "close-is-reset"),
    ("closing", 5, {"ack": "1"}, "fin-not-counted"),
    ("closing", 5, {"ack": "0"}, "syn-and-fin-not-counted"),
    ("closing", 7, {"seq": "1"}, "data-not-counted"),
    ("three", 6, {"seq": "y+6"}, "other-direction-counted"),
    ("three", 8, {"flags": "A"}, "four-is-no-law"),
    ("refused", 2, {"flags": "none"}, "reset-is-silence"),
]


@pytest.mark.parametrize(("story", "packet", "typed", "id_"), MISCONCEPTIONS)
def test_a_typical_wrong_prediction_is_explained(
    browser: Browser, report: Path, story: str, packet: int, typed: dict[str, str], id_: str
) -> None:
    browser.open(report, f"#/made.{story}/4/p{packet}/predict")
    *_, field = typed
    assert reveal(browser, **typed)[field] == "wrong"
    known = misconceptions()[id_]
    [why] = browser.all(".compared .wrong + .because")
    assert why.text == f"{known.text.en} {known.section}"
    browser.one("[data-language=zh]").click()
    assert why.text == f"{known.text.zh} {known.section}"


def test_each_misconception_that_the_page_names_is_tested() -> None:
    named = set(re.findall(r"'([a-z]+(?:-[a-z]+)+)'(?: *[\],:)]|;)", SCRIPT.read_text(encoding="utf-8")))
    assert named & misconceptions().keys() == {id_ for *_, id_ in MISCONCEPTIONS}


@pytest.mark.parametrize(
    "typed", [{"flags": "R"}, {"seq": "100"}, {"ack": "100"}, {"length": "5"}, {"ack": "none"}, {"flags": "none"}]
)
def test_another_wrong_prediction_is_only_compared(browser: Browser, report: Path, typed: dict[str, str]) -> None:
    browser.open(report, "#/made.up/4/p2/predict")
    assert [kind for kind in reveal(browser, **typed).values() if kind] == ["wrong"]
    assert browser.all(".compared .because") == []


@pytest.mark.parametrize(
    ("packet", "field", "notations"),
    [
        (2, "flags", SYN_ACK),
        (2, "ack", ("1", "+1", "x+1", "X + 1", "ack=x+1", "ack: 1", "ｘ＋１", "x+2-1", "4294967295", "4,294,967,295",
                    "4 294 967 295", "0xFFFFFFFF", "0x1", "4294967294+1")),
        (2, "seq", ("0", "y", "seq 0", "y+0", "0x0")),
        (1, "ack", ("0", "none", "-", "无", "没有")),
        (5, "flags", ("A", "PA", "ACK", ".", "P.", "PSH+ACK", "push, ack")),
        (1, "length", ("0", "none", "zero", "零", "0 bytes", "0 字节")),
    ],
)  # fmt: skip
def test_each_notation_is_understood(
    browser: Browser, report: Path, packet: int, field: str, notations: tuple[str, ...]
) -> None:
    browser.open(report)
    for typed in notations:
        ask(browser, f"#/made.up/4/p{packet}/predict")
        assert reveal(browser, **{field: typed})[field] == "right", typed


def test_small_numbers_may_be_words(browser: Browser, report: Path) -> None:
    browser.open(report)
    for typed in THREE_TIMES:
        ask(browser, "#/made.closing/4/p6/predict")
        assert reveal(browser, length=typed)["length"] == "right", typed


def test_absolute_numbers_only(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p6/predict")
    assert reveal(browser, absolute=" ", seq="5001", ack="4") == {
        "flags": "", "seq": "right", "ack": "right", "length": ""
    }  # fmt: skip
    ask(browser, "#/made.up/4/p6/predict")
    assert reveal(browser, seq="5001", ack="4")["ack"] == "wrong", "a small number is relative otherwise"


@pytest.mark.parametrize(
    ("field", "typed", "key"),
    [
        ("flags", "hello", "not_flags"),
        ("flags", "3", "not_flags"),
        ("flags", ",", "not_flags"),
        ("seq", "none", "not_a_number"),
        ("seq", "z+1", "not_a_number"),
        ("seq", "x+y", "not_a_number"),
        ("ack", "x+", "not_a_number"),
        ("ack", "1 2", "not_a_number"),
        ("ack", "0xfg", "not_a_number"),
        ("ack", "1" * 30, "not_a_number"),
        ("length", "many", "not_a_count"),
        ("length", "3 or 4", "not_a_count"),
        ("length", "-3", "not_a_count"),
    ],
)
def test_what_is_not_understood_reveals_nothing(
    browser: Browser, report: Path, field: str, typed: str, key: str
) -> None:
    browser.open(report, "#/made.up/4/p2/predict")
    type_in(browser, flags="" if field == "flags" else "SA")
    type_in(browser, **{field: typed})
    browser.press(Keys.ENTER)
    assert browser.text(f"#predict-{field}-error") == f"✗ {table()[key]['en']}"
    assert browser.run("return document.activeElement.id") == f"predict-{field}"
    assert browser.one(f"#predict-{field}").get_attribute("aria-invalid") == "true"
    assert browser.all(".compared") == []
    assert browser.run(SHOWN_PACKETS) == ["1"]


def test_it_works_by_keyboard_alone_to_the_end(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.refused/4/predict")
    browser.press("SYN", Keys.TAB, "0", Keys.TAB, Keys.TAB, "0", Keys.ENTER)
    assert "Right predictions: 3 of 3." in browser.text(".task")
    spoken = browser.run("return document.getElementById('announcer').textContent")
    assert spoken.startswith("Right predictions: 3 of 3. At 0.0 ms the peer sends SYN, sequence 0")
    browser.press(Keys.ENTER)
    browser.press("RA", Keys.ENTER)
    assert "That was the last segment." in browser.text(".task")
    assert browser.text(".count") == "Step 2 of 2"
    assert browser.text(".scenario-title") == "A title"
    browser.press(Keys.ENTER)
    browser.until("return !document.querySelector('.task') && location.hash === '#/made.refused/4/p1'")
    assert browser.run(SHOWN_PACKETS) == ["1", "2"]


def test_a_reader_steps_back_while_predicting(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p3/predict")
    type_in(browser, seq="1")
    browser.one(".task h2").click()
    browser.press(Keys.ARROW_UP)
    assert browser.text(".inspector h2 small") == "Packet 1"
    assert browser.one("#predict-seq").get_property("value") == "1"
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert browser.text(".inspector h2 small") == "Packet 2"
    assert browser.text(".count") == "Step 4"


def test_links_lead_into_the_mode_and_out(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/6/p3")
    browser.one("#scenario .meta a[href='#/made.up/6/predict']").click()
    browser.until("return document.querySelector('#scenario form')")
    assert browser.run(SHOWN_PACKETS) == []
    reveal(browser)
    assert browser.run("return location.hash") == "#/made.up/6/p2/predict"
    browser.reload()
    assert browser.one("#scenario form").is_displayed()
    assert browser.run(SHOWN_PACKETS) == ["1"]
    assert browser.run("return document.activeElement.id") == "predict-flags"
    assert browser.run("return document.querySelector('.family:not([aria-current])').hash") == "#/made.up/4/predict"
    browser.one("#scenario .meta a[href='#/made.up/6']").click()
    browser.until("return !document.querySelector('#scenario form')")
    assert browser.run(SHOWN_PACKETS) == ["1", "2", "3", "5", "6"]
    ask(browser, "#/made.up/4/p5/predict")
    assert browser.run(SHOWN_PACKETS) == ["1", "2", "3"]
    browser.go("#/made.up/4/p99/predict")
    browser.until("return document.querySelector('#scenario .note')")
    assert browser.run(SHOWN_PACKETS) == []


def secretive() -> Recording:
    """Each event has something that no other has; the kernel's state goes on with what it sends."""
    story = Story()
    story.call("listen", 16)
    story.step("title1", "C31")
    story.peer("S", S.SYN_SENT, window=61001)
    story.state(S.SYN_RECEIVED)
    story.frame(b"\x02" * 12 + b"\x08\x00" + bytes(40), connection=None)
    story.step("title2", "C33")
    at = story.kernel("SA", S.ESTABLISHED, ack=1, window=61002)
    story.agrees("check2", at, Expected(0x12, seq=0, ack=1))
    story.step("title3")
    story.peer("A", S.ESTABLISHED, seq=1, ack=1, window=61003)
    story.state(S.ESTABLISHED)
    story.call("send", "call4", value=9)
    story.kernel("PA", S.ESTABLISHED, seq=1, ack=1, window=61004, payload=b"data4")
    story.state(S.ESTABLISHED, timer=1)
    story.wait(400)
    story.kernel("PA", S.ESTABLISHED, seq=1, ack=1, window=61005, payload=b"data4", retransmission=True)
    story.step("title6")
    story.peer("R", S.CLOSED, seq=1, window=61006)
    story.state(S.CLOSED)
    story.call("recv", "call7", error="ECONNRESET")
    return story.recording


KNOWN = {1: set[str](), 3: {"61001", "title1"}}
"""What the view shows of EVERYTHING before the packet with this number is revealed.

A title comes when its step is over, and what the kernel makes of a segment with the kernel's next segment.
"""
KNOWN[4] = KNOWN[3] | {"61002", "title2", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "acknowledged by packet 3"}
KNOWN[5] = KNOWN[4] | {"61003", "call4", "acknowledged by packet 4"}
KNOWN[6] = KNOWN[5] | {"61004"}
KNOWN[7] = KNOWN[6] | {"title3", "61005", "retransmission timer"}
EVERYTHING = {
    *KNOWN[7], "61006", "title6", "call7", "The title", "check2", "C31", "C33", "A message", "never acknowledged",
    "Not drawn", "of 10",
}  # fmt: skip
"""What the view shows once the last packet is revealed, too."""


def looked_through(browser: Browser) -> str:
    """All that the page has besides the packed recording, at each step that can be selected."""
    view = (
        "return [document.title, document.getElementById('announcer').textContent,"
        " document.getElementById('scenario').outerHTML].join()"
    )
    seen = [browser.run(view)]
    for _ in range(12):
        browser.run("document.querySelector('[data-go=previous]').click()")
        seen.append(browser.run(view))
    return "".join(seen)


@pytest.mark.parametrize("shape", ["desktop", "phone"])
@pytest.mark.parametrize("packet", KNOWN)
def test_nothing_is_given_away(browser: Browser, tmp_path: Path, packet: int, shape: str) -> None:
    hidden = result(secretive(), "made.secret", Outcome.FAIL, "The title")
    hidden.message = "A message"
    file = written(tmp_path, hidden, result(conversation()))
    if shape == "phone":
        browser.phone()
    browser.open(file, f"#/made.secret/4/p{packet}/predict")
    seen = looked_through(browser)
    assert {each for each in EVERYTHING if each in seen} == KNOWN[packet]
    if packet == max(KNOWN):
        reveal(browser)
        seen = looked_through(browser)
        assert {each for each in EVERYTHING if each not in seen} == set(), "this test looks where it is shown"


def test_the_search_leaves_out_what_is_still_to_be_predicted(browser: Browser, tmp_path: Path) -> None:
    file = written(tmp_path, result(secretive(), "made.secret"), result(conversation()))
    browser.open(file, "#/made.secret/4/p4/predict")
    browser.go("#?win")
    found = "return [...document.querySelectorAll('#results .found .mono')].map((each) => each.textContent).join()"
    browser.until("return document.querySelector('#results .found')")
    shown = browser.run(found)
    assert "win 61002" in shown
    assert "win 61003" not in shown
    assert "Packets of made.secret that are still to be predicted are left out here." in browser.text("#results .note")
    browser.go("#/made.secret/4")
    browser.until("return document.querySelector('#scenario .selected')")
    browser.go("#?win")
    browser.until("return !document.getElementById('results').hidden && document.querySelector('#results .found')")
    assert "win 61003" in browser.run(found)
    assert browser.all("#results .note") == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_has_no_objection(browser: Browser, report: Path, language: str) -> None:
    browser.open(report, "#/made.up/4/p2/predict", language)
    browser.press("hello", Keys.ENTER)
    assert browser.one(".not-understood").is_displayed()
    assert browser.violations() == []
    described = [
        (each.get_attribute("aria-describedby") or "").split() for each in browser.all(".task input[type=text]")
    ]
    assert [len(each) for each in described] == [2] * 4
    assert all(browser.all(f"#{each}") for ids in described for each in ids)
    browser.one("#predict-flags").clear()
    reveal(browser, flags="A", ack="1")
    assert browser.violations() == []
    browser.prefers(scheme="dark")
    assert browser.violations() == []


def test_all_of_it_speaks_chinese(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p2/predict", "zh-CN")
    type_in(browser, flags="你好")
    browser.press(Keys.ENTER)
    assert browser.run(SEEN_IN_ENGLISH) == []
    assert browser.text("#predict-flags-error") == f"✗ {table()['not_flags']['zh']}"
    browser.one("#predict-flags").clear()
    assert reveal(browser, flags="SYN 和 ACK", length="零") == {
        "flags": "right", "seq": "", "ack": "", "length": "right"
    }  # fmt: skip
    assert [each.text for each in browser.all(".compared td:last-child")] == [
        "✓ 正确",
        "没有答案",
        "没有答案",
        "✓ 正确",
    ]
    assert browser.run(SEEN_IN_ENGLISH) == []
    assert table()["of_rounds"]["zh"].format(right=2, count=2) in browser.text(".task")


def test_it_fits_a_phone(browser: Browser, report: Path) -> None:
    browser.phone()
    browser.open(report, "#/made.up/4/p2/predict")
    assert browser.run("return document.scrollingElement.scrollWidth") <= 360
    reveal(browser, flags="A", seq="4294967294+1", ack="0")
    assert browser.run("return document.scrollingElement.scrollWidth") <= 360
