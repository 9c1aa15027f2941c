"""The README's pictures show what the lab shows today."""

from __future__ import annotations

from lab.record.saved.document import load
from scripts.picturing import FOLDER, LADDER, PAGE, ROOT, RUN, STAMP, ladder, stamp, whole_page

MAKE = "make the pictures again: sudo scripts/pictures"


def test_the_drawing_of_the_handshake_is_current() -> None:
    assert LADDER.read_text(encoding="utf-8") == ladder(load(RUN)), MAKE


def test_the_photograph_of_the_page_is_current() -> None:
    assert STAMP.read_text(encoding="ascii").strip() == stamp(whole_page(load(RUN))), MAKE


def test_another_style_or_ladder_makes_the_photograph_old() -> None:
    html = whole_page(load(RUN))
    for shown in ("<style", "SYN-RECEIVED", "figure5"):
        assert stamp(html.replace(shown, f"{shown}x", 1)) != stamp(html)


def test_the_readme_shows_each_picture_and_no_other_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for picture in (LADDER, PAGE):
        assert f"({picture.relative_to(ROOT)})" in readme
    assert set(FOLDER.iterdir()) == {LADDER, PAGE, RUN, STAMP}


def test_nothing_of_the_machine_that_made_them_is_in_the_run() -> None:
    assert {str(each.scenario.file).partition("/")[0] for each in load(RUN).results} == {"scenarios"}
