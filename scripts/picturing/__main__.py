"""Make the pictures again: a new run, the drawing of a scenario, and a photograph of the page in Chromium."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.record.saved.document import load
from scripts.picturing import FOLDER, LADDER, PAGE, PATTERNS, ROOT, RUN, STAMP, browser, ladder, stamp, whole_page

_WIDTH, _HEIGHT = 1280, 1060
_SETTLING_MS = 3000
"""Virtual time for the script of the page; Chromium does not wait for it in reality."""


def main() -> int:
    """Exit status 0, or that of the command that failed."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "run")
        call = [sys.executable, "-P", "-m", "lab", "run", "-4", "-q", "--out", str(saved), *PATTERNS]
        if code := subprocess.run(call, cwd=ROOT, check=False).returncode:
            return code
        text = (saved / "run.json").read_text(encoding="utf-8")
        # Of this machine nothing stays: neither the place of the checkout nor the suffix of its kernel's name.
        text = text.replace(f"{ROOT}/", "")
        RUN.write_text(re.sub(r'("kernel": "\d+\.\d+\.\d+)[^"]*"', r'\1"', text), encoding="utf-8")
        run = load(RUN)
        LADDER.write_text(ladder(run), encoding="utf-8")
        html = whole_page(run)
        file = Path(folder, "page.html")
        file.write_text(html, encoding="utf-8")
        program = browser()
        assert program is not None  # scripts/pictures has installed it
        switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        switches += [f"--user-data-dir={folder}/profile", f"--virtual-time-budget={_SETTLING_MS}"]
        switches += [f"--window-size={_WIDTH},{_HEIGHT}", f"--screenshot={PAGE}", file.as_uri()]
        if code := subprocess.run([program, *switches], stderr=subprocess.DEVNULL, check=False).returncode:
            return code
        STAMP.write_text(f"{stamp(html)}\n", encoding="ascii")
    print(f"look at them: {LADDER.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")
    return 0


sys.exit(main())
