"""The pins are exact, carry hashes, fit the declared ranges, and are the same for users and for testers."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)", re.MULTILINE)


def pins(file: str) -> dict[str, str]:
    return {found["name"]: found["version"] for found in PIN.finditer((ROOT / file).read_text(encoding="utf-8"))}


def test_every_pin_has_hashes() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        entries = re.split(r"\n(?=\S)", (ROOT / file).read_text(encoding="utf-8").strip())
        assert [entry for entry in entries if not (PIN.match(entry) and "--hash=sha256:" in entry)] == []


def test_testers_use_what_users_use() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def test_pins_lie_in_the_declared_ranges() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [Requirement(text) for text in project["project"]["dependencies"] + project["dependency-groups"]["dev"]]
    pinned = pins("requirements-dev.txt")
    assert [str(wanted) for wanted in declared if not wanted.specifier.contains(pinned[wanted.name])] == []
