"""Saved runs can be viewed without Linux: the views import nothing that needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = "tests/unit/version_1.json"
ELSEWHERE = """
import select, socket, sys

class Absent:
    "What there is only on Linux, and what is heavy."
    NAMES = {"scapy", "pyroute2", "fcntl", "mmap", "pwd", "grp", "resource", "lab.host.syscalls"}

    def find_spec(self, name, path=None, target=None):
        if name in self.NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in Absent.NAMES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
for name in ("AF_PACKET", "AF_NETLINK", "CMSG_SPACE", "SO_RCVBUF"):
    delattr(socket, name)
del select.poll
"""


def elsewhere(source: str) -> subprocess.CompletedProcess[str]:
    """Run Python code as on another system."""
    call = [sys.executable, "-c", ELSEWHERE + source]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def modules_of(folder: str) -> list[str]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]


def test_another_system_lacks_what_the_lab_needs() -> None:
    done = elsewhere("import lab.author.lab")
    assert done.returncode == 1
    assert "No module named" in done.stderr


@pytest.mark.parametrize("module", ["lab.record.results", *modules_of("lab/record"), *modules_of("lab/report")])
def test_views_can_be_imported_elsewhere(module: str) -> None:
    done = elsewhere(f"import {module}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", RUN, "nobody"], "SYN-SENT     S────►"),
        (["show", RUN, "--plain", "nobody"], "s now in CLOSED."),
        (["show", RUN], "1 passed; 2 checks in 0.50 s on Linux 6.18.0"),
        (["show", RUN, "--json"], '"id": "refusing.nobody_listens"'),
        (["show", RUN, "nobody", "--format", "mermaid"], "sequenceDiagram"),
        (["claims", "C1", "--from", RUN], "(Linux 6.18.0)"),
        (["coverage", "--from", RUN], "CLOSED"),
        (["diff", RUN, RUN], "nothing differs"),
    ],
    ids=str,
)
def test_a_saved_run_can_be_viewed_elsewhere(arguments: list[str], told: str) -> None:
    done = elsewhere(f"sys.argv = {['lab', *arguments]}\nfrom lab.cli import main\nmain()")
    assert (done.returncode, done.stderr) == (0, "")
    assert told in done.stdout


def test_the_report_of_a_saved_run_can_be_written_elsewhere(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    command = f"sys.argv = ['lab', 'report', 'tests/unit/version_1.json', '-o', {str(page)!r}]\n"
    done = elsewhere(command + "from lab.cli import main\nmain()")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{page}\n")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
