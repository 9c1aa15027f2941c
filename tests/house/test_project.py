"""The files around the code agree with it: versions and dates, the citation, the forms for issues."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

import lab

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
RELEASE = re.compile(r"^## (?P<version>\d+\.\d+\.\d+) \((?P<date>\d{4}-\d\d-\d\d)\)$", re.MULTILINE)
# What GitHub takes: the kinds of field, and what each may say of itself.
ATTRIBUTES = {
    "markdown": {"value"},
    "input": {"label", "description", "placeholder", "value"},
    "textarea": {"label", "description", "placeholder", "value", "render"},
    "dropdown": {"label", "description", "multiple", "options", "default"},
    "checkboxes": {"label", "description", "options"},
}


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def form(path: Path) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = read_yaml(path)["body"]
    return fields


def releases() -> list[tuple[str, date]]:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return [(found["version"], date.fromisoformat(found["date"])) for found in RELEASE.finditer(changes)]


def test_the_changelog_has_every_version_with_its_date_newest_first() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["Unreleased", *(f"{version} ({day})" for version, day in releases())]
    assert releases() == sorted(releases(), key=lambda each: [int(part) for part in each[0].split(".")], reverse=True)
    assert [day for _, day in releases()] == sorted((day for _, day in releases()), reverse=True)


def test_the_citation_is_of_the_newest_version() -> None:
    citation = read_yaml(ROOT / "CITATION.cff")
    assert releases()[0] == (lab.__version__, citation["date-released"])
    assert citation["version"] == lab.__version__
    assert citation["license"] == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")


def test_the_three_forms_are_there() -> None:
    names = {path.stem: read_yaml(path).get("name") for path in FORMS}
    assert names == {"bug": "A bug", "config": None, "idea": "An idea", "wrong_verdict": "A wrong verdict"}


@pytest.mark.parametrize("path", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem)
def test_github_takes_the_form(path: Path) -> None:
    whole = read_yaml(path)
    assert set(whole) <= {"name", "description", "title", "labels", "body"}
    assert whole["name"]
    assert whole["description"]
    fields = form(path)
    ids = [field["id"] for field in fields if field["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    for field in fields:
        assert set(field) <= {"type", "id", "attributes", "validations"}
        assert set(field["attributes"]) <= ATTRIBUTES[field["type"]]
        assert field["attributes"].get("value" if field["type"] == "markdown" else "label")
        assert set(field.get("validations", ())) <= {"required"}


def test_a_wrong_verdict_comes_with_what_is_needed_to_repeat_it() -> None:
    fields = form(ROOT / ".github/ISSUE_TEMPLATE/wrong_verdict.yml")
    required = {field["id"] for field in fields if field.get("validations", {}).get("required")}
    assert {"command", "kernel", "version", "recording"} <= required
