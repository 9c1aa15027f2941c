"""Run all scenarios under each setting of a table, and renew its counts: does one make the lab accuse the kernel?"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/SETTINGS.md"
_ROW = re.compile(r"\| `(?P<setting>[^`]+=[^`]+)` \|[^|]*\|[^|]*\|(?P<words>[^|]*)\|")
_MOST_FILES = 4


def main() -> int:
    """The command; its exit status: 0 no run failed, 1 one did, 3 the lab cannot run."""
    parser = argparse.ArgumentParser(prog="settings", description=__doc__)
    parser.add_argument("settings", nargs="*", metavar="TEXT", help="only settings that contain one of these texts")
    parser.add_argument("--table", type=Path, default=TABLE, metavar="FILE", help="default: tests/SETTINGS.md")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="run only these scenarios")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        print(f"the lab needs root; type: sudo {sys.argv[0]}", file=sys.stderr)
        return 3
    lines, failed = asked.table.read_text(encoding="utf-8").splitlines(), 0
    for at, line in enumerate(lines):
        row = _ROW.fullmatch(line)
        if row is None or not any(text in row["setting"] for text in asked.settings or [""]):
            continue
        status, said, counted = _run(row["setting"], asked.only)
        print(f"{row['setting']}: {counted}", flush=True)
        if status:
            failed += 1
            print(f"the run ended with exit status {status}\n{said}", flush=True)
        lines[at] = f"| `{row['setting']}` | {counted} |{row['words']}|"
        if not asked.only or asked.table != TABLE:
            asked.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{failed} runs failed")
    return int(failed > 0)


def _run(setting: str, patterns: list[str]) -> tuple[int, str, str]:
    """Run the lab; returns its exit status, its output, and two cells: how many results changed, and in which files."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        call: list[str | Path] = [ROOT / "scripts/lab", "run", "-q", "--no-out", "--json", results, "--sysctl", setting]
        done = subprocess.run([*call, *patterns], capture_output=True, text=True, check=False)
        scenarios = json.loads(results.read_text())["scenarios"] if results.exists() else []
    outcomes = Counter(each["outcome"] for each in scenarios)
    if outcomes["skip"] == len(scenarios) > 0:
        return done.returncode, done.stdout + done.stderr, "skipped | none"
    files = Counter(each["id"].partition(".")[0] for each in scenarios if each["outcome"] == "changed").most_common()
    named = [f"`{name}` {count}" for name, count in files[:_MOST_FILES]]
    more = [f"{len(files) - _MOST_FILES} more"] if len(files) > _MOST_FILES else []
    return done.returncode, done.stdout + done.stderr, f"{outcomes['changed']} | {', '.join([*named, *more]) or 'none'}"


if __name__ == "__main__":
    sys.exit(main())
