"""A run as the text of one JSON document, and back; FORMAT.md describes it.

The document is laid out so that a part of it can be read without the rest: each recording stands on a line of its own,
and is looked at when somebody asks for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lab.record.events import CheckMade, Place, Recording
from lab.record.results import Outcome, Result, Run, Scenario
from lab.record.saved.codec import PLACE, Damaged, Fields, Json, recording_from_json, recording_to_json
from lab.tcp.state import State

FORMAT = "tcp-packet-lab run"
CURRENT = 1
"""The version of the format that is written. A change that an older reader would stumble over, or that changes what
something means, raises it and adds the way from the version before to `UPGRADES`; a new field with a default does not.
"""
_FIRST_LINE = re.compile(rb'\{"format": "([^"\n]*)", "version": (\d{1,9}),\n')
_RECORDINGS = b'\n"recordings": [\n'
_END = b"]}\n"
_RUN = Fields(Run, leaving_out=("results",))
_SCENARIO = Fields(Scenario)
_OF_WRONG_JSON = (Damaged, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What is raised where JSON that is damaged is taken for a part of a run."""


class Upgrade(NamedTuple):
    """From one version to the next. Both functions may change what they are given, and return it."""

    head: Callable[[dict[str, Any]], dict[str, Any]]
    """The document without its recordings."""
    recording: Callable[[dict[str, Any]], dict[str, Any]]


UPGRADES: dict[int, Upgrade] = {}
"""By the version that they start from."""


class Unreadable(Exception):
    """This file cannot be read as a saved run; the message names it and says why in one line."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file}: {why}")


class SavedResult(Result):
    """A result whose recording is read when somebody asks for it."""

    __slots__ = ("_checks", "_differing", "_failed", "_file", "_line", "_states", "_upgrades")

    def __init__(
        self, json_value: Json, scenarios: list[Scenario], file: Path, lines: list[bytes], upgrades: list[Upgrade]
    ) -> None:
        """`lines` are the recordings of that file."""
        self._file, self._upgrades = file, upgrades
        self._checks, self._failed = int(json_value["checks"]), int(json_value["failed"])
        self._states = {State(each) for each in json_value["states"]}
        self.scenario = scenarios[json_value["scenario"]]
        self.family = int(json_value["family"])
        self.outcome = Outcome(json_value["outcome"])
        self.seconds = float(json_value["seconds"])
        self.message = str(json_value.get("message", ""))
        self.where = Place(**PLACE.from_object(json_value["where"])) if "where" in json_value else None
        self._differing: int | None = json_value.get("difference")
        if self._differing is None:
            self.difference = None
        if "recording" in json_value:
            self._line = lines[json_value["recording"]]
        else:
            self.recording = None

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there yet. Unreadable when that part of the file is damaged."""
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
        """Things verified."""
        return self._checks

    @property
    def failed(self) -> int:
        """Checks that did not hold."""
        return self._failed

    @property
    def states(self) -> set[State]:
        """The states that the kernel was seen in."""
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
    yield f'"run": {json.dumps(_RUN.to_object(run))},\n"scenarios": [\n'
    yield from _listed(json.dumps(_SCENARIO.to_object(each)) for each in scenarios)
    yield '],\n"results": [\n'
    yield from _listed(json.dumps(each) for each in results)
    yield f"],{_RECORDINGS.decode()}"
    yield from _listed(json.dumps(recording_to_json(each), separators=(",", ":")) for each in recordings)
    yield _END.decode()


def load(file: Path) -> Run:
    """The run in a file; Unreadable when there is none in it."""
    try:
        data = file.read_bytes()
    except OSError as refused:
        raise Unreadable(file, refused.strerror or str(refused)) from None
    return parse(data, file)


def parse(data: bytes, file: Path) -> Run:
    """The run in a document; `file` is where it comes from, for Unreadable."""
    first = _FIRST_LINE.match(data)
    if first is None or first[1].decode(errors="replace") != FORMAT:
        raise Unreadable(file, "it is empty" if not data else "it is not a run that the lab has saved")
    version = int(first[2])
    if not 1 <= version <= CURRENT:
        raise Unreadable(file, f"its format has version {version}, and this lab knows none but 1 to {CURRENT}")
    upgrades = [UPGRADES[each] for each in range(version, CURRENT)]
    at = data.find(_RECORDINGS)
    if not data.endswith(_END) or at < 0:
        raise Unreadable(file, "its end is missing")
    body = data[at + len(_RECORDINGS) : -len(_END)].removesuffix(b"\n")
    try:
        head = json.loads(data[:at] + _RECORDINGS + _END)
        for upgrade in upgrades:
            head = upgrade.head(head)
        return _run(head, file, body.split(b",\n"), upgrades)
    except _OF_WRONG_JSON as why:
        raise Unreadable(file, f"it is damaged ({_reason(why)})") from None


def _run(head: Json, file: Path, lines: list[bytes], upgrades: list[Upgrade]) -> Run:
    run = Run(**_RUN.from_object(head["run"]))
    scenarios = [Scenario(**_SCENARIO.from_object(each)) for each in head["scenarios"]]
    run.results = [SavedResult(each, scenarios, file, lines, upgrades) for each in head["results"]]
    return run


def _recording(line: bytes, upgrades: list[Upgrade]) -> Recording:
    json_value = json.loads(line)
    for upgrade in upgrades:
        json_value = upgrade.recording(json_value)
    return recording_from_json(json_value)


def _check(recording: Recording, number: int) -> CheckMade:
    check = recording.events[number]
    if not isinstance(check, CheckMade):
        raise Damaged(f"event {number} is no check")
    return check


def _result_to_json(result: Result, scenario: int, recording: int) -> dict[str, Json]:
    json_value: dict[str, Json] = {
        "scenario": scenario,
        "family": result.family,
        "outcome": result.outcome.value,
        "seconds": result.seconds,
        "checks": result.checks,
        "failed": result.failed,
        "states": [state.value for state in State if state in result.states],
    }
    if result.message:
        json_value["message"] = result.message
    if result.where is not None:
        json_value["where"] = {name: getattr(result.where, name) for name in Place._fields}
    if result.recording is not None:
        json_value["recording"] = recording
    if result.recording is not None and result.difference is not None:
        json_value["difference"] = next(
            at for at, each in enumerate(result.recording.events) if each is result.difference
        )
    return json_value


def _listed(texts: Iterator[str]) -> Iterator[str]:
    """A line each, with commas between them."""
    before = ""
    for text in texts:
        yield before + text
        before = ",\n"
    if before:
        yield "\n"


def _reason(why: Exception) -> str:
    text = " ".join(str(why).split())
    return text if isinstance(why, Damaged) else f"{type(why).__name__}: {text}"
