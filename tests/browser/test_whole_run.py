"""The report of everything that the lab can run here: small, quick to open, every scenario of it can be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.host.user_namespace import may_make_namespaces
from tests.browser.conftest import Browser
from tests.kernel.helpers import WholeRun, run_lab

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not may_make_namespaces(), reason="needs root: sudo scripts/test"),
]


@pytest.fixture(scope="module")
def report(whole: WholeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    assert run_lab("report", whole.folder, "-o", file).returncode == 0
    return file


def test_it_is_small(report: Path) -> None:
    assert report.stat().st_size < 3_000_000


def test_it_opens_in_two_seconds_of_work(browser: Browser, report: Path) -> None:
    """Work, not time: what else runs on the machine does not count."""
    browser.command("Performance.enable", timeDomain="threadTicks")
    browser.open(report)
    told = {each["name"]: each["value"] for each in browser.command("Performance.getMetrics")["metrics"]}
    browser.command("Performance.disable")
    assert 0 < told["TaskDuration"] < 2


def test_every_scenario_can_be_stepped_through(browser: Browser, report: Path) -> None:
    browser.open(report)
    places = browser.run("return [...document.querySelectorAll('.runs a')].map((each) => each.getAttribute('href'))")
    assert len(places) > 20
    for place in places:
        browser.go(place)
        browser.until(
            "const here = document.querySelector('.scenario-head .family[aria-current]');"
            "return here && here.getAttribute('href') === arguments[0]",
            place,
        )
        steps = browser.run("return document.querySelectorAll('.ladder [role=option]').length")
        if steps < 2:
            continue
        # A scenario that failed opens at what was different, which may be its last step.
        met = browser.run(
            "return ['first', 'next', 'last'].map((way) => {"
            " document.querySelector(`[data-go=${way}]`).click();"
            " return document.querySelector('.ladder .selected').id; })"
        )
        assert met[0] != met[1], place
        assert (met[1] == met[2]) == (steps == 2), place


def test_every_packet_that_is_named_as_evidence_is_there(browser: Browser, report: Path) -> None:
    browser.open(report)
    links = "return [...document.querySelectorAll('.evidence a, .edge[href]')].map((each) => each.getAttribute('href'))"
    places = sorted({each for each in browser.run(links) if "/p" in each})
    assert len(places) > 10
    for place in places[:: max(1, len(places) // 40)]:
        browser.go(place)
        browser.until("return location.hash === arguments[0] && document.querySelector('.selected')", place)
        number = place.rpartition("/p")[2]
        browser.until("return document.querySelector('.inspector h2 small').textContent.includes(arguments[0])", number)


def test_every_scenario_can_be_predicted(browser: Browser, report: Path) -> None:
    browser.open(report)
    places = browser.run("return [...document.querySelectorAll('.runs a')].map((each) => `${each.hash}/predict`)")
    met = 0
    for place in places[::5]:
        browser.go(place)
        browser.until(
            "const here = document.querySelector('.scenario-head .family[aria-current]');"
            "return here && here.getAttribute('href') === arguments[0]",
            place,
        )
        met += browser.run(
            "let revealed = 0;"
            "for (let form; (form = document.querySelector('#scenario form')) && revealed < 5; revealed += 1) {"
            " form.querySelector('#predict-ack').value = '1';"
            " form.querySelector('button').click();"
            " const onward = document.querySelector('.compared ~ p button');"
            " if (onward) onward.click();"
            "}"
            "return revealed",
        )
    assert met > len(places) / 5
