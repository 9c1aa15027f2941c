"""Conversion of a run to a JSON document, and back; FORMAT.md describes the document.

Each recording is on a line of its own, and is parsed only when it is accessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lab.record.events import CheckMade, Place, Recording
from lab.record.results import Outcome, Result, Run, Scenario
from lab.record.saved.codec import (
    PLACE,
    Damaged,
    Fields,
    Json,
    number_from_json,
    parsed,
    recording_from_json,
    recording_to_json,
    text_from_json,
    text_to_json,
    texts_from_json,
)
from lab.record.translations import NONE, Translations, WrongTranslation, phrases
from lab.tcp.state import State

FORMAT = "tcp-packet-lab run"
CURRENT = 2
"""Version of the format that is written. A change that an older reader cannot read, or that changes a meaning, raises
it and adds a conversion from the previous version to `UPGRADES`; a new field with a default does not.
"""
_FIRST_LINE = re.compile(rb'\{"format": "([^"\n]*)", "version": (\d{1,9}),\n')
_RECORDINGS = b'\n"recordings": [\n'
_END = b"]}\n"
_RUN = Fields(Run, leaving_out=("results",))
_SCENARIO = Fields(Scenario, leaving_out=("translations",))
_OF_WRONG_JSON = (
    Damaged, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, WrongTranslation,
)  # fmt: skip
"""Exceptions that reading damaged JSON can raise."""


class Upgrade(NamedTuple):
    """Conversion from one version to the next. Both functions can modify their argument, and return it."""

    head: Callable[[dict[str, Any]], dict[str, Any]]
    """The document without its recordings."""
    recording: Callable[[dict[str, Any]], dict[str, Any]]


def _unchanged(values: dict[str, Any]) -> dict[str, Any]:
    return values


UPGRADES: dict[int, Upgrade] = {1: Upgrade(_unchanged, _unchanged)}
"""The key is the version to convert from. Version 2 only adds an event and outcomes, which a reader of 1 refuses."""


class Unreadable(Exception):
    """The file cannot be read as a saved run; the message names it and the reason in one line."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file}: {why}")


class SavedResult(Result):
    """A result whose recording is read on first access."""

    __slots__ = ("_checks", "_differing", "_failed", "_file", "_line", "_states", "_upgrades")

    def __init__(
        self, raw: Json, scenarios: list[Scenario], file: Path, lines: list[bytes], upgrades: list[Upgrade]
    ) -> None:
        """`lines` are the recordings in the file."""
        self._file, self._upgrades = file, upgrades
        self._checks, self._failed = int(number_from_json(raw["checks"])), int(number_from_json(raw["failed"]))
        self._states = {State(each) for each in raw["states"]}
        self.scenario = scenarios[raw["scenario"]]
        self.family = int(number_from_json(raw["family"]))
        self.outcome = Outcome(raw["outcome"])
        self.seconds = float(number_from_json(raw["seconds"]))
        self.message = text_from_json(raw.get("message", ""))
        self.where = Place(**PLACE.from_object(raw["where"])) if "where" in raw else None
        self._differing: int | None = raw.get("difference")
        if self._differing is None:
            self.difference = None
        if "recording" in raw:
            self._line = lines[raw["recording"]]
        else:
            self.recording = None

    def __getattr__(self, name: str) -> Any:
        """Read the recording on first access. Raises Unreadable when that part of the file is damaged."""
        if name not in {"recording", "difference"}:
            raise AttributeError(name)
        try:
            self.recording = _recording(self._line, self._upgrades)
            if self._differing is not None:
                self.difference = _check(self.recording, self._differing)
        except _OF_WRONG_JSON as why:
            whose = f"{self.scenario.id} over IPv{self.family}"
            raise Unreadable(self._file, f"the recording of {whose} is damaged ({_reason(why)})") from None
        return getattr(self, name)

    @property
    def checks(self) -> int:
        """Number of checks."""
        return self._checks

    @property
    def failed(self) -> int:
        """Number of failed checks."""
        return self._failed

    @property
    def states(self) -> set[State]:
        """States of the kernel that were seen."""
        return self._states


def lines_of(run: Run) -> Iterator[str]:
    """The document, in pieces."""
    scenarios = list({result.scenario.id: result.scenario for result in run.results}.values())
    numbers = {scenario.id: number for number, scenario in enumerate(scenarios)}
    recordings: list[Recording] = []
    results = []
    for result in run.results:
        results.append(_result_to_json(result, numbers[result.scenario.id], len(recordings)))
        recordings += [result.recording] if result.recording is not None else []
    yield f'{{"format": "{FORMAT}", "version": {CURRENT},\n'
    tables = _Tables()
    listed = [tables.scenario_to_json(each) for each in scenarios]
    yield f'"run": {json.dumps(_RUN.to_object(run))},\n"translations": [\n'
    yield from _listed(json.dumps(each, ensure_ascii=False) for each in tables.listed)
    yield '],\n"scenarios": [\n'
    yield from _listed(map(json.dumps, listed))
    yield '],\n"results": [\n'
    yield from _listed(json.dumps(each) for each in results)
    yield f"],{_RECORDINGS.decode()}"
    yield from _listed(json.dumps(recording_to_json(each), separators=(",", ":")) for each in recordings)
    yield _END.decode()


class _Tables:
    """The translations of the scenarios of a run, those of each file listed once."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Mapping[str, str]]] = []
        self._numbers: dict[Translations, int] = {}

    def scenario_to_json(self, scenario: Scenario) -> dict[str, Json]:
        """The JSON object for a scenario, with the number of its table if it has one."""
        raw, used = _SCENARIO.to_object(scenario), scenario.translations
        if used not in self._numbers and used.by_language:
            self._numbers[used] = len(self.listed)
            self.listed.append({language: each.texts for language, each in used.by_language.items()})
        return {**raw, "translations": self._numbers[used]} if used in self._numbers else raw


def _translations_from_json(raw: Json) -> Translations:
    by_language = {language: phrases(texts_from_json(texts)) for language, texts in raw.items()}
    return Translations(lambda: by_language)


def load(file: Path) -> Run:
    """Read the run in a file. Raises Unreadable when it has none."""
    try:
        data = file.read_bytes()
    except OSError as refused:
        raise Unreadable(file, refused.strerror or str(refused)) from None
    return parse(data, file)


def parse(data: bytes, file: Path) -> Run:
    """Read the run in a document. Raises Unreadable, which names `file`, when it has none."""
    first = _FIRST_LINE.match(data)
    if first is None or first[1].decode(errors="replace") != FORMAT:
        raise Unreadable(file, "it is empty" if not data else "it is not a run that the lab has saved")
    version = int(first[2])
    if not 1 <= version <= CURRENT:
        raise Unreadable(file, f"its format has version {version}, and this lab reads versions 1 to {CURRENT}")
    upgrades = [UPGRADES[each] for each in range(version, CURRENT)]
    at = data.find(_RECORDINGS)
    if not data.endswith(_END) or at < 0:
        raise Unreadable(file, "its end is missing")
    body = data[at + len(_RECORDINGS) : -len(_END)].removesuffix(b"\n")
    try:
        head = parsed(data[:at] + _RECORDINGS + _END)
        for upgrade in upgrades:
            head = upgrade.head(head)
        return _run(head, file, body.split(b",\n"), upgrades)
    except _OF_WRONG_JSON as why:
        raise Unreadable(file, f"it is damaged ({_reason(why)})") from None


def _run(head: Json, file: Path, lines: list[bytes], upgrades: list[Upgrade]) -> Run:
    run = Run(**_RUN.from_object(head["run"]))
    tables = [_translations_from_json(each) for each in head.get("translations", [])]
    scenarios = [
        Scenario(
            **_SCENARIO.from_object(each), translations=tables[each["translations"]] if "translations" in each else NONE
        )
        for each in head["scenarios"]
    ]
    run.results = [SavedResult(each, scenarios, file, lines, upgrades) for each in head["results"]]
    return run


def _recording(line: bytes, upgrades: list[Upgrade]) -> Recording:
    raw = parsed(line)
    for upgrade in upgrades:
        raw = upgrade.recording(raw)
    return recording_from_json(raw)


def _check(recording: Recording, number: int) -> CheckMade:
    check = recording.events[number]
    if not isinstance(check, CheckMade):
        raise Damaged(f"event {number} is not a check")
    return check


def _result_to_json(result: Result, scenario: int, recording: int) -> dict[str, Json]:
    raw: dict[str, Json] = {
        "scenario": scenario,
        "family": result.family,
        "outcome": result.outcome.value,
        "seconds": result.seconds,
        "checks": result.checks,
        "failed": result.failed,
        "states": [state.value for state in State if state in result.states],
    }
    if result.message:
        raw["message"] = text_to_json(result.message)
    if result.where is not None:
        raw["where"] = PLACE.to_object(Place(result.where.file, result.where.line, result.where.source))
    if result.recording is not None:
        raw["recording"] = recording
    if result.recording is not None and result.difference is not None:
        raw["difference"] = next(at for at, each in enumerate(result.recording.events) if each is result.difference)
    return raw


def _listed(texts: Iterator[str]) -> Iterator[str]:
    """One line each, separated by commas."""
    before = ""
    for text in texts:
        yield before + text
        before = ",\n"
    if before:
        yield "\n"


def _reason(why: Exception) -> str:
    text = " ".join(str(why).split())
    return text if isinstance(why, Damaged) else f"{type(why).__name__}: {text}"
