"""What the README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

from tests.kernel.helpers import ROOT, run_lab

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first code block of that language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def without_figures(text: str) -> str:
    """Without times, windows and the kernel's version, which are another machine's."""
    text = re.sub(r"^ *-?\d+\.\d{3}(?=  )", "T", text, flags=re.MULTILINE)
    return re.sub(r"win \d+|in [\d.]+ s on Linux \S+", "N", text)


def test_the_scenario_in_the_readme_passes(tmp_path: Path) -> None:
    file = tmp_path / "readme.py"
    file.write_text(block("python"), encoding="utf-8")
    done = run_lab("run", "-q", file)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("2 passed; ")


def test_the_ladder_in_the_readme_is_what_is_printed() -> None:
    done = run_lab("run", "kernel_closes_first", "-4")
    assert done.returncode == 0
    assert without_figures(done.stdout) == without_figures(block("text"))
