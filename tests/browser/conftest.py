"""A real Chromium that opens pages from disk, and what it says about them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from scripts.picturing import browser as browser_program

PATIENCE_S = 60
_AXE = Path(__file__).with_name("axe-core") / "axe.min.js"
"""axe-core 4.14.1 as its npm package has it (Mozilla Public License 2.0). The tests need no npm."""
_DESKTOP, _PHONE = (1400, 1000), (360, 740)


def _programs() -> tuple[str, str]:
    """The browser and its driver; skips the test where there are none."""
    browser = browser_program()
    driver = shutil.which("chromedriver", path=f"{os.environ.get('CHROMEWEBDRIVER', '')}:{os.environ['PATH']}")
    if browser is None or driver is None:
        pytest.skip("needs Chromium and chromedriver: sudo apt-get install chromium chromium-driver")
    return browser, driver


class Browser:
    """One window. Every page that it opens is watched: what it logs, and what it asks the network for."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver
        self.size(*_DESKTOP)

    def open(self, file: Path, place: str = "", language: str = "en") -> None:
        """Open a page from disk as a reader who has never seen it, and wait until its script is done."""
        self.visit("about:blank")
        self.logs(), self.requests()
        agent = self.run("return navigator.userAgent")
        self.command("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        self.command("Storage.clearDataForOrigin", origin=file.as_uri(), storageTypes="local_storage")
        self.visit(file.as_uri() + place)
        self.run("try { localStorage.clear(); } catch {}")
        self.until("return document.documentElement.dataset.ready === 'true'")

    def visit(self, address: str) -> None:
        """Open a page without waiting for its script."""
        self._driver.get(address)

    def reload(self) -> None:
        self._driver.refresh()
        self.until("return document.documentElement.dataset.ready === 'true'")

    def go(self, place: str) -> None:
        """Follow a link within the page."""
        self.run("location.hash = arguments[0]", place)

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._driver.execute_cdp_cmd(name, parameters)

    def run(self, script: str, *arguments: Any) -> Any:
        return self._driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: Any) -> None:
        """Wait until a piece of script returns something true."""
        WebDriverWait(self._driver, PATIENCE_S, poll_frequency=0.02).until(
            lambda _: self.run(script, *arguments), script
        )

    def all(self, selector: str) -> list[WebElement]:
        return self._driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self._driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What a reader sees of it."""
        return self.one(selector).text

    def press(self, *keys: str) -> None:
        """Keys for whatever has the focus."""
        for key in keys:
            self._driver.switch_to.active_element.send_keys(key)

    def size(self, width: int, height: int, phone: bool = False) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )

    def phone(self) -> None:
        self.size(*_PHONE, phone=True)

    def desktop(self) -> None:
        self.size(*_DESKTOP)

    def prefers(self, media: str = "", scheme: str = "light") -> None:
        """What the system of the reader says about colours, and whether it prints. Nothing moves by itself."""
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)

    def logs(self) -> list[str]:
        """What the page has logged since the last time: errors, and what its policy refused."""
        return [each["message"] for each in self._log("browser")]

    def requests(self) -> list[str]:
        """What has been asked for since the last time."""
        told = [json.loads(each["message"])["message"] for each in self._log("performance")]
        return [each["params"]["request"]["url"] for each in told if each["method"] == "Network.requestWillBeSent"]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = self._driver.get_log(kind)  # type: ignore[no-untyped-call]  # Selenium's
        return taken

    def violations(self) -> list[str]:
        """What axe-core objects to in the page as it stands: the rule and the element."""
        self.run(_AXE.read_text(encoding="utf-8"))
        found = self._driver.execute_async_script(
            "const [options, done] = arguments; axe.run(options).then((results) => done(results.violations));",
            {"resultTypes": ["violations"]},
        )
        return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]

    def accessible(self) -> list[dict[str, Any]]:
        """The tree that a screen reader gets: role, name and properties of everything in it."""
        nodes = self.command("Accessibility.getFullAXTree")["nodes"]
        return [
            {
                "role": each["role"]["value"],
                "name": each.get("name", {}).get("value", ""),
                **{every["name"]: every["value"].get("value") for every in each.get("properties", [])},
            }
            for each in nodes
            if not each["ignored"]
        ]


@pytest.fixture(scope="session")
def _driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    browser, driver = _programs()
    options = ChromeOptions()
    options.binary_location = browser
    profile = tmp_path_factory.mktemp("profile")
    for switch in (
        "--headless=new",
        "--disable-ipc-flooding-protection",  # it stops a page that goes to 200 places in ten seconds, as a test may
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(switch)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # which root cannot have
    if not os.access("/dev/shm", os.W_OK):
        options.add_argument("--disable-dev-shm-usage")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = Chrome(options=options, service=ChromeService(driver))
    opened.set_script_timeout(PATIENCE_S)
    yield opened
    opened.quit()


@pytest.fixture
def browser(_driver: Chrome) -> Iterator[Browser]:
    ready = Browser(_driver)
    ready.prefers()
    yield ready
    assert ready.logs() == [], "the page logs nothing, whatever a test does with it"
    assert {each.partition(":")[0] for each in ready.requests()} <= {"file", "about"}, "and asks nobody for anything"
