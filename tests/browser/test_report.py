"""The report in a browser: what a reader sees, does and hears."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from lab.record.results import Outcome
from lab.record.translations import Phrases, Translations
from lab.report.i18n import table
from tests.browser.conftest import Browser
from tests.browser.pages import conversation, failing, result, written
from tests.unit.stories import Story, a_long_one

SEEN_IN_ENGLISH = """
const english = [...document.querySelectorAll('[lang=en]:not(button)')];
return english.filter((each) => each.checkVisibility()).map((each) => each.textContent);
"""
CONTROLS = {"button", "link", "textbox", "searchbox", "combobox", "listbox", "option", "DisclosureTriangle", "checkbox"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(
        tmp_path_factory.mktemp("report"),
        result(conversation(4)),
        result(conversation(6)),
        failing(),
        result(None, "made.elsewhere", Outcome.SKIP, "It needs another kernel"),
    )


def selected(browser: Browser) -> str:
    """What the selected rung of the ladder says."""
    return browser.text(".ladder .selected .numbers, .ladder .selected .call, .ladder .selected .note")


def test_the_overview_says_what_the_run_comes_to(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert "An expectation did not hold in 1 of 4 scenario runs." in browser.text("#verdict")
    assert [each.text.split()[0] for each in browser.all(".tiles li")] == ["2", "1", "1"]
    assert "6.18.0-test" in browser.text(".hero")
    assert "Not drawn, but in the capture file: packets 4." in browser.text("#basic"), "numbers jump there"
    assert "6.18.0-test" in browser.text(".facts")
    assert "ack" in browser.text("#different table")
    assert "peer.expect('SA', ack=2)" in browser.text("#different pre")


def test_the_landing_view_shows_a_ladder_and_the_states_before_all_else(browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, result(conversation(), "handshake.a"), result(conversation(), "closing.b")))
    tops = "return [...document.querySelectorAll(arguments[0])].map((each) => each.getBoundingClientRect().top)"
    places = ("#basic .wide", "[lang=en] > .figure5", "#scenarios")
    [ladder], [states], [scenarios] = (browser.run(tops, each) for each in places)
    assert max(ladder, states) < 700
    assert scenarios > ladder
    button = browser.run("return document.querySelector('#basic .button').getBoundingClientRect().bottom")
    assert button < ladder, "no scrolling is needed to begin"
    browser.phone()
    assert browser.one("#basic .narrow").is_displayed()
    assert not browser.one("#basic .wide").is_displayed()
    assert browser.run("return document.querySelector('[lang=en] > .figure5').getBoundingClientRect().width") > 280
    browser.one("#basic .button").click()
    browser.until("return document.querySelector('.selected')")


def test_arrow_keys_and_buttons_step_through_a_scenario(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4")
    assert (browser.text(".count"), selected(browser)) == ("Step 3 of 10", "S 0:0(0)+1 win 64240"), "the first packet"
    browser.one("#scenario .ladder").click()
    browser.press(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert (browser.text(".count"), selected(browser)) == ("Step 3 of 10", "S 0:0(0)+1 win 64240")
    assert browser.text(".step-title") == "First: the handshake"
    states = [each.text.split() for each in browser.all(".states tbody tr")]
    assert states == [["peer", "CLOSED", "→", "SYN-SENT"], ["kernel", "LISTEN", "→", "SYN-RECEIVED"]]
    browser.one("[data-go=next]").click()
    assert selected(browser) == "SA 0:0(0)+1 ack 1 win 64240"
    browser.one("[data-go=last]").click()
    assert (browser.text(".count"), selected(browser)) == ("Step 10 of 10", "recv(5) = b'hello'")
    browser.one("[data-go=next]").click()
    assert browser.text(".count") == "Step 10 of 10"
    browser.press(Keys.HOME)
    assert browser.text(".count") == "Step 10 of 10", "Home belongs to the ladder, not to a button"
    browser.one("[data-go=first]").click()
    assert browser.text(".count") == "Step 1 of 10"


@pytest.mark.parametrize("clicked", ["", ".inspector h2", ".copy button", ".checks summary", "[data-go=previous]"])
def test_arrow_keys_work_wherever_the_focus_is(browser: Browser, report: Path, clicked: str) -> None:
    browser.open(report, "#/made.up/4/p2")
    assert browser.one(".keys").is_displayed()
    if clicked:
        browser.one(clicked).click()
    browser.press(Keys.ARROW_DOWN)
    assert browser.text(".count") == ("Step 4 of 10" if "previous" in clicked else "Step 5 of 10")
    browser.one("#search").click()
    browser.press(Keys.ARROW_DOWN)
    assert browser.text(".count") != "Step 6 of 10", "a text field keeps its keys"


def test_arrow_keys_work_after_the_back_button(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.one('.runs a[href="#/made.up/4"]').click()
    browser.until("return document.querySelector('.selected')")
    browser.one("#scenario .evidence a").click()
    browser.until("return document.getElementById('scenario').hidden")
    browser.run("history.back()")
    browser.until("return !document.getElementById('scenario').hidden")
    browser.until("return document.querySelector('.count').innerText === 'Step 3 of 10'")
    browser.press(Keys.ARROW_RIGHT)
    assert selected(browser) == "SA 0:0(0)+1 ack 1 win 64240"


def test_a_header_field_keeps_the_focus_from_packet_to_packet(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p1")
    browser.one("[data-field='tcp seq']").click()
    browser.press(Keys.ARROW_RIGHT)
    assert browser.run("return document.activeElement.dataset.field") == "tcp ack", "left and right move between fields"
    browser.press(Keys.ARROW_DOWN)
    assert browser.text(".inspector h2 small") == "Packet 2"
    assert browser.run("return document.activeElement.dataset.field") == "tcp ack"


def test_back_keeps_the_scroll_position(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.run("history.scrollRestoration = 'manual'")  # the browser's own comes too early for some views
    browser.run(
        "document.querySelector('.runs a[href=\"#/made.up/6\"]').focus({ preventScroll: true }); scrollTo(0, 900)"
    )
    browser.until("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    browser.run("document.activeElement.click()")
    browser.until("return document.querySelector('.selected') && scrollY < 400")
    left = browser.run("return history.length")
    browser.run("history.back()")
    browser.until("return !document.getElementById('overview').hidden && scrollY > 0")
    assert browser.run("return scrollY") == 900
    assert browser.run("return document.activeElement.getAttribute('href')") == "#/made.up/6"
    assert browser.run("return history.length") == left


def test_a_link_needs_no_address_family_and_an_unknown_one_says_so(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up")
    assert "IPv4" in browser.text(".family[aria-current]")
    assert browser.run("return document.title") == "made.up IPv4 · TCP packet lab"
    for place in ("#/no.such", "#/made.up/5", "#/made.to_fail/6", "#C999", "#/%E0%A4%A/4"):
        browser.go(place)
        browser.until("return !document.getElementById('results').hidden && location.hash === arguments[0]", place)
        browser.until("return document.querySelector('#results h1').innerText.startsWith('This page has nothing at')")
        browser.go("#")
        browser.until("return !document.getElementById('overview').hidden")
    assert browser.run("return document.title") == "TCP packet lab: report: 6.18.0-test"
    browser.go("#/made.up/4/p4")
    browser.until("return document.querySelector('.selected')")
    assert "The ladder has no packet 4." in browser.text("#scenario .note")
    assert "Not drawn, but in the capture file: packets 4." in browser.text("#scenario .legend-text")


def test_each_packet_leads_to_the_claims_of_its_step(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p2")
    assert [each.text for each in browser.all("#scenario .evidence a")] == ["C31"]
    browser.one("#scenario .meta a[href='#C31']").click()
    browser.until("return document.getElementById('C31').open && !document.getElementById('overview').hidden")


def test_a_page_of_one_scenario_opens_with_it_and_holds_its_capture(browser: Browser, tmp_path: Path) -> None:
    file = written(tmp_path, result(conversation()), excerpt=True)
    browser.open(file)
    assert browser.text(".scenario-head h1") == "made.up"
    [link] = browser.all("#scenario a[download]")
    assert link.get_attribute("download") == "made.up-IPv4.pcapng"
    assert (link.get_attribute("href") or "").startswith("data:application/octet-stream;base64,")
    assert {each.get_attribute("id") for each in browser.all(".claim")} == {"C31"}
    browser.go("#scenarios")
    browser.until("return !document.getElementById('overview').hidden")


def test_each_step_is_announced_and_is_the_active_option(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p1")
    browser.one("[data-go=next]").click()
    assert browser.run("return document.getElementById('announcer').textContent").startswith(
        "At 0.5 ms the kernel sends SYN+ACK, sequence 0, acknowledging 1, "
    )
    active = browser.one("#scenario .ladder").get_attribute("aria-activedescendant")
    assert browser.one(f"#{active}").get_attribute("aria-selected") == "true"
    options = [each for each in browser.accessible() if each["role"] == "option" and each.get("selected")]
    assert [each["name"][:26] for each in options if each["name"][0] == "A"] == ["At 0.5 ms the kernel sends"]


def test_a_wait_is_a_step_that_says_how_long(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p5")
    browser.one("[data-go=previous]").click()
    assert "0.250 s" in selected(browser)
    assert browser.text(".inspector h2") == "Wait"


def test_numbers_that_belong_together_are_marked_and_lead_to_each_other(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p5")
    numbers = browser.text(".inspector .numbers")
    assert "seq 1 + 5 of data = 6: the next number after this segment" in numbers
    assert "ack 1 acknowledges packet 2" not in numbers, "packet 3 did that already"
    assert browser.text(".ladder .acker .ack") == "ack 6"
    assert len(browser.all(".ladder .link.seq")) == 1
    browser.one(".jump").click()
    assert selected(browser) == "A 1:1(0) ack 6 win 64240"
    assert browser.text(".ladder .acked .seq") == "1:6(5)"
    assert "ack 6 acknowledges packet 5: 6 is the next number after it" in browser.text(".inspector .numbers")


def test_a_link_leads_to_a_packet_and_back(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.go("#/made.up/6/p2")
    browser.until("return document.querySelector('.selected .numbers')")
    assert selected(browser) == "SA 0:0(0)+1 ack 1 win 64240"
    assert "IPv6" in browser.text(".family[aria-current]")
    browser.run("history.back()")
    browser.until("return !document.getElementById('overview').hidden")


def test_every_link_of_the_overview_leads_somewhere(browser: Browser, report: Path) -> None:
    browser.open(report)
    links = "return [...document.querySelectorAll('#overview a[href]')].map((each) => each.getAttribute('href'))"
    places = sorted(set(browser.run(links)))
    assert len(places) > 6
    for place in places:
        browser.go(place)
        browser.until(
            "return document.querySelector('.scenario-head .family[aria-current]').hash.startsWith(arguments[0])",
            "/".join(place.split("/")[:3]),
        )


def test_a_field_shows_its_bytes_and_a_byte_its_field(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p5")
    browser.one(".cell[data-field='tcp window']").click()
    assert "".join(each.text for each in browser.all(".hex .lit")) == "faf0"
    assert "bits 112–127 · 1111101011110000" in browser.text(".field-detail")
    data = browser.all(".hex .byte")[-1]
    assert data.text == "6f", "the last letter of hello"
    data.click()
    assert "".join(each.text for each in browser.all(".hex .lit")) == b"hello".hex()
    named = {each["name"] for each in browser.accessible() if each["role"] == "button"}
    assert {"PSH 1", "ACK 1", "SYN 0", "data offset 5", "source port 40001", "window 64240"} <= named


@pytest.mark.parametrize(("family", "told"), [(4, "198.18.1.2"), (6, "2001:db8:7::2")])
def test_the_headers_are_read_right_in_each_family(browser: Browser, report: Path, family: int, told: str) -> None:
    browser.open(report, f"#/made.up/{family}/p2")
    browser.one(".all-fields summary").click()
    rows = [each.text for each in browser.all(".all-fields tbody tr")]
    assert any(row.startswith("source ") and told not in row for row in rows), "the kernel's"
    assert any(row.startswith("destination ") and told in row for row in rows)
    assert [row.split()[0] for row in rows if row.startswith(("MSS", "NOP", "WScale"))] == ["MSS", "NOP", "WScale"]
    assert any(re.match(r"WScale \S+ 7 03 03 07$", row) for row in rows)


def test_checks_come_with_the_sentence_behind_them(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p2")
    check, rules = browser.all(".checks > ul > li")
    assert check.text.startswith("✓ ") or "SA" in check.text
    browser.run("document.querySelectorAll('.checks details').forEach((each) => { each.open = true; })")
    assert "A SYN,ACK acknowledges our SYN. RFC 9293 3.5" in rules.text


def test_a_scenario_opens_at_what_was_different(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.to_fail/4")
    assert "not as expected" in browser.text(".ladder .broke")
    assert "selected" in (browser.one(".ladder .broke").get_attribute("class") or "")
    wrong = browser.one(".checks .wrong")
    assert "✗" in wrong.text
    assert "peer.expect('SA', ack=2)" in wrong.text, "it is open already"


def test_search_finds_scenarios_claims_and_packets(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.press("/")
    browser.press("SYN+ACK")
    browser.until("return document.querySelectorAll('.found a').length > 2")
    packets = [each.text for each in browser.all("#results .found li") if "→" in each.text or "←" in each.text]
    assert len(packets) == 4
    assert all(" SA 0:0(0) ack 1" in each for each in packets)
    assert browser.text("#results h2") == "Packets", "what is asked for comes first"
    field = browser.one("#search")
    field.clear()
    field.send_keys("C85")
    browser.until("return document.querySelector('.found a[href=\"#C85\"]')")
    browser.one('.found a[href="#C85"]').click()
    browser.until("return document.getElementById('C85').open")
    field.clear()
    field.send_keys("qwertz")
    assert "Nothing found." in browser.text("#results")
    assert browser.run("return document.getElementById('announcer').textContent") == "Nothing found."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_hint_of_the_search_fits_a_phone(browser: Browser, report: Path, language: str) -> None:
    browser.phone()
    browser.open(report, language=language)
    fits = "const field = document.getElementById('search'); field.value = field.placeholder;"
    assert browser.run(f"{fits} return field.scrollWidth <= field.clientWidth")


def test_filters_leave_what_fits(browser: Browser, report: Path) -> None:
    browser.open(report)

    def names() -> list[str]:
        return [each.text for each in browser.all(".scenario .name") if each.is_displayed()]

    assert names() == ["up", "to_fail", "elsewhere"]
    browser.one("[data-filter=outcome] [data-value=fail]").click()
    assert names() == ["to_fail"]
    browser.one("[data-filter=text]").send_keys("kernel")
    assert names() == []
    assert browser.one("#scenarios [data-none]").is_displayed()
    browser.one("[data-filter=outcome] [data-value='']").click()
    assert names() == ["elsewhere"]
    shown = "return [...document.querySelectorAll('.claim')].filter((each) => !each.hidden).length"
    count = browser.run(shown)
    browser.one("[data-filter=kind] [data-value=DIFFERS]").click()
    assert 0 < browser.run(shown) < count


def test_the_whole_page_speaks_chinese_and_remembers_it(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p2")
    assert browser.one("html").get_attribute("lang") == "en"
    browser.one("[data-language=zh]").click()
    for place in ("#/made.up/4/p2", "#", "#?SYN"):
        browser.go(place)
        browser.until("return !document.querySelector('main > div:not([hidden]) [aria-busy]')")
        assert browser.one("html").get_attribute("lang") == "zh-Hans"
        assert browser.run(SEEN_IN_ENGLISH) == []
    browser.go("#/made.up/4/p2")
    browser.until("return document.querySelector('.selected .numbers')")
    assert browser.text("#scenario .head") == table()["peer_head_client"]["zh"]
    assert browser.one("[data-go=next]").get_attribute("aria-label") == table()["next"]["zh"]
    assert "对端" in browser.text(".told") or "内核" in browser.text(".told")
    english = {each["en"].lower() for key, each in table().items() if each["en"] != each["zh"] and len(each["en"]) > 5}
    named = {each["name"].lower() for each in browser.accessible() if each["role"] in CONTROLS}
    assert named & english == set()
    browser.reload()
    assert browser.one("html").get_attribute("lang") == "zh-Hans"
    browser.one("[data-language=en]").click()


def test_who_reads_chinese_gets_chinese_at_once(browser: Browser, report: Path) -> None:
    browser.open(report, language="zh-CN")
    assert browser.one("html").get_attribute("lang") == "zh-Hans"
    browser.one("[data-language=en]").click()


def test_colours_follow_the_system_until_somebody_chooses(browser: Browser, report: Path) -> None:
    browser.open(report)

    def is_dark() -> bool:
        colour = browser.run("return getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) < 300

    assert not is_dark()
    browser.prefers(scheme="dark")
    assert is_dark()
    browser.one("#theme option[value=light]").click()
    assert not is_dark()
    browser.prefers(scheme="light")
    browser.one("#theme option[value=dark]").click()
    assert is_dark()
    browser.reload()
    assert is_dark(), "it is remembered"
    browser.one("#theme option[value=auto]").click()
    assert not is_dark()


@pytest.mark.parametrize("place", ["", "#/made.up/4/p5", "#/made.to_fail/4", "#?SYN", "#/made.elsewhere/4"])
def test_a_screen_reader_finds_its_way(browser: Browser, report: Path, place: str) -> None:
    browser.open(report, place)
    nodes = browser.accessible()
    roles = [each["role"] for each in nodes]
    assert {"banner", "main", "navigation", "search", "contentinfo"} <= set(roles)
    nameless = [each for each in nodes if (each["role"] in CONTROLS or each.get("focusable")) and not each["name"]]
    # The page itself and its main part have no name of their own.
    assert [each for each in nameless if each["role"] not in {"RootWebArea", "main", "generic"}] == []
    assert roles.count("heading") > 0
    levels = [each["level"] for each in nodes if each["role"] == "heading"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels)), "no level is left out"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("place", ["", "#/made.up/4/p5", "#/made.to_fail/4", "#?SYN"])
def test_axe_has_no_objection(browser: Browser, report: Path, place: str, language: str, theme: str) -> None:
    browser.prefers(scheme=theme)
    browser.open(report, place, language)
    assert browser.one("html").get_attribute("data-lang") == language
    assert browser.violations() == []


def test_everything_can_be_reached_with_the_keyboard(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p5")
    browser.run("document.querySelector('.to-content').focus()")
    met = []
    for _ in range(60):
        browser.press(Keys.TAB)
        met.append(
            browser.run(
                "const e = document.activeElement; return e.dataset.label || e.dataset.go || e.id || e.classList[0]"
            )
        )
    order = [met.index(each) for each in ("search", "theme", "first", "next", "ladder", "cell")]
    assert order == sorted(order), "in the order in which it stands on the page"


@pytest.mark.parametrize("place", ["", "#/made.up/4/p5", "#/made.to_fail/4", "#?SYN"])
def test_nothing_hangs_over_the_edge_of_a_phone(browser: Browser, report: Path, place: str) -> None:
    browser.phone()
    browser.open(report, place)
    assert browser.run("return document.scrollingElement.scrollWidth") <= 360
    assert browser.run("return document.querySelectorAll('.ladder .selected').length") == (1 if "made" in place else 0)


def test_a_window_that_changes_its_width_keeps_the_step(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p5")
    wide = browser.one("#scenario .ladder").get_attribute("viewBox")
    browser.phone()
    browser.until("return document.querySelector('#scenario .ladder').getAttribute('viewBox') !== arguments[0]", wide)
    assert selected(browser) == "PA 1:6(5) ack 1 win 64240"


def test_it_prints_without_its_controls(browser: Browser, report: Path) -> None:
    browser.open(report, "#/made.up/4/p5")
    browser.prefers(media="print", scheme="dark")
    assert [each for each in browser.all(".bar, .controls button, .crumbs") if each.is_displayed()] == []
    assert browser.one("#scenario .ladder").is_displayed()
    browser.size(700, 1000)
    assert not browser.one(".controls").is_displayed(), "no bar lies over the ladder"
    assert browser.run("return document.querySelector('#scenario .ladder').getBoundingClientRect().bottom") < 1000
    browser.desktop()
    assert browser.run("return getComputedStyle(document.documentElement).colorScheme") == "light"


def test_without_script_the_verdicts_are_there(browser: Browser, report: Path) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.visit(report.as_uri())
        assert "An expectation did not hold" in browser.text("#verdict")
        assert "need it" in browser.text("noscript")
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


def test_hostile_names_and_payloads_are_nothing_but_text(browser: Browser, tmp_path: Path) -> None:
    story = Story()
    attacks = [
        "</script><script>hacked=1</script>",
        '"><img src=x onerror=hacked=1>',
        "a\0b\x1b[2J",
        "\u202egnp.exe",
        "{{7*7}}",
        "\ud800",
    ]
    for attack in attacks:
        story.step(attack)
        story.call("send", attack, attack.encode("utf-8", "replace"), value=3)
        story.peer("PA", payload=attack.encode("utf-8", "replace") * 3, ack=1)
    file = written(
        tmp_path, result(story.recording, attacks[0], title=attacks[1]), result(None, attacks[3], title=attacks[4])
    )
    text = file.read_text(encoding="utf-8")
    assert "\0" not in text
    assert "\u202e" not in text
    browser.open(file)
    assert browser.run("return document.querySelectorAll('script:not([data-scenario]):not(#index)').length") == 1
    assert browser.run("return document.images.length") == 0
    browser.one(".runs a").click()
    browser.until("return document.querySelector('.selected')")
    assert browser.text(".scenario-head h1") == attacks[0]
    assert browser.text(".scenario-title") == attacks[1]
    for _ in range(12):
        browser.one("[data-go=next]").click()
    titles = [each.text for each in browser.all("#scenario .ladder .title")]
    assert titles[0] == attacks[0]
    assert "{{7*7}}" in titles
    assert browser.run("return typeof hacked") == "undefined"


def test_a_recording_that_is_too_long_for_a_page_is_shortened(browser: Browser, tmp_path: Path) -> None:
    file = written(tmp_path, result(a_long_one(10_000)))
    assert file.stat().st_size < 1_000_000
    browser.open(file, "#/made.up/4")
    assert "lines in its middle are not in this page" in browser.text("#scenario")
    assert "lines are left out here" in browser.run("return document.querySelector('#scenario .ladder').textContent")
    browser.one("[data-go=last]").click()
    assert selected(browser).startswith("A 1:1(0) ack ")


def test_a_chinese_reader_sees_the_texts_of_the_author_in_chinese(browser: Browser, tmp_path: Path) -> None:
    texts = {"A title": "标题", "First: the handshake": "首先：握手", "the end": "结束"}
    shown = result(conversation())
    translations = Translations(lambda: {"zh": Phrases(texts)})
    shown.scenario = dataclasses.replace(shown.scenario, translations=translations)
    page = written(tmp_path, shown)
    browser.open(page, language="zh-CN")
    assert browser.run("return document.querySelector('.scenario .title [lang=zh]').textContent") == "标题"
    browser.go("#/made.up/4/p1")
    browser.until("return document.querySelector('.step-title')?.innerText === '首先：握手'")
    assert browser.text(".scenario-title") == "标题"
    titles = "[...document.querySelectorAll('.ladder .title')]"
    drawn = f"return {titles}.filter((each) => getComputedStyle(each).display !== 'none')"
    assert browser.run(f"{drawn}.map((each) => each.textContent)")[0] == "首先：握手"
    browser.run("document.querySelector('[data-language=en]').click()")
    assert browser.text(".step-title") == "First: the handshake"
    assert browser.run(f"{drawn}.map((each) => each.textContent)")[0] == "First: the handshake"
