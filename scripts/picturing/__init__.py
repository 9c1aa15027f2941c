"""Pictures of the README, made from one saved run: `scripts/pictures`."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from lab.claims.catalogue import catalogue
from lab.record.results import Run
from lab.report import svg
from lab.report.html.page import page
from lab.report.i18n import translator
from lab.report.ladder import ladder_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "pictures"
RUN = FOLDER / "run.json"
"""The saved run that the pictures show."""
LADDER, PAGE, STAMP = FOLDER / "handshake.svg", FOLDER / "page.png", FOLDER / "page.sha256"
PATTERNS = ("handshake", "closing.kernel_closes_first", "refusing.nobody_listens")
"""Scenarios of the run. The first one is drawn."""


def browser() -> str | None:
    """The program of a Chromium or Chrome; None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def ladder(run: Run) -> str:
    """The drawing of the first scenario."""
    recording = run.results[0].recording
    assert recording is not None  # all of them have run
    return svg.svg(ladder_of(recording, svg.MOST_RUNGS), translator("en"))


def whole_page(run: Run) -> str:
    """The page about the run."""
    return page(run, catalogue())


def stamp(html: str) -> str:
    """Digest of the part of the page that its picture shows: style, heading, first ladder and diagram."""
    shown, found, _ = html.partition('id="scenarios"')
    assert found  # else the picture and its digest would be of different things
    return hashlib.sha256(shown.encode()).hexdigest()
