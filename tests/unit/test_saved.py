"""A run is read back as it was saved; whatever else is in a file is refused in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.claims.catalogue import catalogue
from lab.record.events import CallMade, CheckMade, Event, Recording
from lab.record.results import Run
from lab.record.saved import document
from lab.record.saved.document import Unreadable, lines_of, parse
from lab.report import ci, claims, comparison, coverage, plain, svg, text
from lab.report.captures import captures
from lab.report.i18n import translator
from lab.report.ladder import ladder_of
from lab.report.screen import Screen
from lab.report.verdicts import as_json, result_lines
from tests.unit import sample_run

SCREEN = Screen(width=100)
FILE = Path("somewhere/run.json")
VERSION_1 = Path(__file__).with_name("version_1.json")


def text_of(run: Run) -> bytes:
    return "".join(lines_of(run)).encode()


SAVED = text_of(sample_run.run())


def read_everything(run: Run) -> list[str]:
    """All views that need nothing else."""
    as_json(run)
    return [line for result in run.results for line in result_lines(result, SCREEN, verbose=True)]


def with_change(old: str, new: str) -> bytes:
    assert SAVED.count(old.encode()) >= 1, old
    return SAVED.replace(old.encode(), new.encode())


def test_the_sample_has_every_field_of_every_event() -> None:
    seen = {(type(event), name) for event in sample_run.recording().events for name in _set_fields(event)}
    assert seen == {(kind, name) for kind in get_args(Event) for name in kind._fields}


def _set_fields(event: Any) -> list[str]:
    defaults = dict.fromkeys(event._fields) | event._field_defaults
    return [name for name in event._fields if getattr(event, name) != defaults[name]]


def test_a_recording_is_what_it_was() -> None:
    before, after = sample_run.recording(), parse(SAVED, FILE).results[0].recording
    assert after is not None
    for field in fields(Recording):
        if field.name != "events":
            assert getattr(after, field.name) == getattr(before, field.name)
    assert len(after.events) == len(before.events)
    for old, new in zip(before.events, after.events, strict=True):
        assert _comparable(new, after) == _comparable(old, before)


def _comparable(event: Any, recording: Recording) -> Any:
    """The event with what is kept in another form in the same form."""
    where = getattr(event, "where", None)
    if where is not None:
        event = event._replace(where=(where.file, where.line, where.source))
    if isinstance(event, CheckMade):
        return event._replace(expected=None, rows=recording.rows(event))
    return event._replace(arguments=(str(event),)) if isinstance(event, CallMade) else event


def test_a_call_looks_as_it_did() -> None:
    after = parse(SAVED, FILE).results[0].recording
    assert after is not None
    told = [f"{event} = {event.result}" for event in after.events if isinstance(event, CallMade)]
    assert told == ["accept() = a connection", r"send(b'\x00data', 'text', 5, None, 1.5) = EPIPE", r"recv(1) = b'\xff'"]


def test_views_are_the_same_of_the_live_and_of_the_saved_run() -> None:
    live, saved = sample_run.run(), parse(SAVED, FILE)
    assert read_everything(saved) == read_everything(live)
    assert as_json(saved) == as_json(live)
    for field in fields(Run):
        if field.name != "results":
            assert getattr(saved, field.name) == getattr(live, field.name)


def test_saving_what_was_loaded_changes_nothing() -> None:
    assert text_of(parse(SAVED, FILE)) == SAVED


def test_a_saved_run_is_one_json_document() -> None:
    told = json.loads(SAVED)
    assert (told["format"], told["version"]) == ("tcp-packet-lab run", 2)
    frame = told["recordings"][0]["events"][1]
    assert frame == {
        "event": "frame", "ns": 2, "from_peer": True, "data": sample_run.SYN.hex(), "connection": 0,
        "peer_state": "SYN-SENT", "retransmission": True, "bases": [7000, 2**32 - 2], "lost": True,
    }  # fmt: skip


def test_an_empty_run_can_be_read() -> None:
    assert parse(text_of(Run(environment={"kernel": "6.18"})), FILE).results == []


def test_a_recording_is_not_looked_at_before_it_is_asked_for() -> None:
    run = parse(with_change('"event":"frame"', '"event":"frume"'), FILE)
    assert [result.checks for result in run.results] == [6, 0, 0, 0]
    assert run.results[3].recording == Recording(4, sample_run.START)
    with pytest.raises(Unreadable, match=r"run\.json: the recording of sample\.one over IPv6 is damaged \(event 1: "):
        assert run.results[0].recording


# What cannot be read.


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "it is not a run that the lab has saved"),
        (b'{"results": []}\n', "it is not a run that the lab has saved"),
        (SAVED.replace(b"tcp-packet-lab run", b"another format"), "it is not a run that the lab has saved"),
        (
            SAVED.replace(b'"version": 2,', b'"version": 99,', 1),
            "its format has version 99, and this lab reads versions 1 to 2",
        ),
        (SAVED.replace(b'"version": 2,', b'"version": 0,', 1), "its format has version 0, and this"),
        (SAVED[:-1], "its end is missing"),
        (SAVED[: len(SAVED) // 2], "its end is missing"),
        (SAVED[:200], "its end is missing"),
        (SAVED[:20], "it is not a run that the lab has saved"),
        (with_change('"family": 6', '"family": {}'), "it is damaged (TypeError: "),
        (with_change('"outcome": "fail"', '"outcome": "odd"'), "it is damaged (ValueError: 'odd' is not a valid"),
        (with_change('"scenario": 0', '"scenario": 7'), "it is damaged (IndexError: "),
        (with_change('"recording": 2', '"recording": 7'), "it is damaged (IndexError: "),
        (with_change('"title": "Another", ', ""), "it is damaged ('title' is missing)"),
        (with_change('"full": true', '"full": 1'), "it is damaged ('full' cannot be 1)"),
    ],
)
def test_what_is_not_a_saved_run_is_refused_in_one_line(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable) as refused:
        parse(data, FILE)
    assert str(refused.value).startswith(f"{FILE}: {why}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"data":"02', '"data":"0x', "event 1: 'data' cannot be '0x"),
        ('"peer_state":"SYN-SENT"', '"peer_state":"SENT"', "event 1: 'peer_state' cannot be 'SENT'"),
        ('"event":"check"', '"event":"cheque"', "is not an event"),
        ('"frame":1', '"frame":99', "event 13: there is no frame 99"),
        ('"frames":[1]', '"frames":[-1]', "event 5: there is no frame -1"),
        ('"connection":-1', '"connection":1', "event 14: there is no connection 1"),
        ('"where":0', '"where":9', "event 0: 'where' cannot be 9"),
        ('"where":0', '"where":-1', "event 0: 'where' cannot be -1"),
        ('"places":[', '"places":7,"p":[', "'places' cannot be 7"),
        ('"ns":2', '"ns":"2"', "event 1: 'ns' cannot be '2'"),
        ('["more","a","b",false]', '["more","a","b"]', "event 15: 'rows' cannot be "),
        ('["SAck",[1,2]]', '["SAck",[1,"2"]]', "event 3: 'options' cannot be "),
        ('"subject":"state"', '"subjects":"state"', "event 14: 'subject' is missing"),
    ],
)
def test_a_damaged_recording_is_refused_in_one_line(old: str, new: str, why: str) -> None:
    run = parse(with_change(old, new), FILE)
    with pytest.raises(Unreadable) as refused:
        read_everything(run)
    assert str(refused.value).startswith(f"{FILE}: the recording of sample.one over IPv6 is damaged (")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@given(at=st.integers(0, len(SAVED) - 1), byte=st.integers(0, 255))
def test_any_wrong_byte_is_harmless_or_refused(at: int, byte: int) -> None:
    try:
        read_everything(parse(SAVED[:at] + bytes([byte]) + SAVED[at + 1 :], FILE))
    except Unreadable as refused:
        assert "\n" not in str(refused)  # noqa: PT017  # a byte in a text does no harm: nothing need be raised


@given(end=st.integers(0, len(SAVED) - 1))
def test_any_missing_end_is_refused(end: int) -> None:
    with pytest.raises(Unreadable):
        parse(SAVED[:end], FILE)


WILD: list[Any] = [
    float("nan"), float("inf"), -float("inf"), -1, 0, 65536, 2**70, 10**400, 1.5, True, None, "", "\ud800", "\x1b[2J",
    "long" * 300_000, [], {}, [[1, 2, 3]], [["MSS", None]], ["SAck", [1]],
]  # fmt: skip


def places_in(told: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value inside the parts of a document."""
    if len(at) > 1:
        yield at
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for name, value in items:
        yield from places_in(value, (*at, name))


PLACES = list(places_in(json.loads(SAVED)))


def with_value(place: tuple[Any, ...], value: Any) -> bytes:
    """The sample with another value at a place, on the same lines."""
    document: Any = json.loads(SAVED)
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    head = {name: json.dumps(document[name]) for name in ("format", "version", "run", "scenarios", "results")}
    recordings = ",\n".join(json.dumps(each) for each in document["recordings"])
    return (
        f'{{"format": {head["format"]}, "version": {head["version"]},\n"run": {head["run"]},\n'
        f'"scenarios": {head["scenarios"]},\n"results": {head["results"]},\n"recordings": [\n{recordings}\n]}}\n'
    ).encode()


def draw_everything(run: Run) -> None:
    """All views but the page, which is made of the same values, as bytes."""
    translate = translator("zh")
    lines = read_everything(run)
    json.dumps(as_json(run), allow_nan=False)
    for recording in filter(None, (result.recording for result in run.results)):
        ladder = ladder_of(recording)
        lines += [svg.svg(ladder, translate), text.mermaid(ladder, translate), *plain.sentences(ladder, translate)]
    lines += comparison.comparison_lines(comparison.compare_runs(run, WHOLE), (run, WHOLE), ("a", "b"), SCREEN)
    lines += coverage.coverage_lines(coverage.coverage(run), 100)
    reports = list(claims.claim_reports(run, catalogue()))
    lines += [*claims.claim_lines(reports, catalogue(), 100, "zh"), *ci.error_lines(run, Path.cwd())]
    "\n".join(lines).encode()
    for _, blocks in captures(run):
        b"".join(blocks)


WHOLE = parse(SAVED, FILE)


def test_the_sample_can_be_drawn() -> None:
    draw_everything(parse(with_value(("run", "full"), True), FILE))


@settings(max_examples=100)
@given(place=st.sampled_from(PLACES), value=st.sampled_from(WILD))
def test_any_wild_value_is_harmless_or_refused(place: tuple[Any, ...], value: Any) -> None:
    try:
        data = with_value(place, value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return
    try:
        draw_everything(parse(data, FILE))
    except Unreadable as refused:
        assert len(str(refused)) < 300  # noqa: PT017  # many wild values do no harm: nothing need be raised
        assert "\n" not in str(refused)  # noqa: PT017


RESULT, FRAME = ("results", 0), ("recordings", 0, "events", 3)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*RESULT, "seconds"), float("inf")), ((*RESULT, "seconds"), float("nan")), ((*RESULT, "seconds"), 10**400),
        ((*RESULT, "checks"), -float("inf")), (("scenarios", 0, "title"), "\ud800"),
        (("scenarios", 0, "title"), "x" * 100_000_000), (("run", "environment", "kernel"), "\udcff"),
        (("run", "environment", "sysctls"), [1]), (("run", "environment", "kernel"), 2**70),
        (("run", "wall_clock_offset_ns"), 2**70), ((*FRAME, "segment", "flags"), 99999),
        ((*FRAME, "segment", "flags"), -1), ((*FRAME, "segment", "window"), 2**40),
        ((*FRAME, "segment", "options"), [["MSS", None]]), ((*FRAME, "segment", "options"), [["Wild", 1]]),
        ((*FRAME, "ns"), 2**70), ((*FRAME, "connection"), -1),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_these_wild_values_are_refused(place: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        draw_everything(parse(with_value(place, value), FILE))


def test_what_a_scenario_says_can_always_be_read_again() -> None:
    run = sample_run.run()
    run.results = run.results[:1]
    [result] = run.results
    result.scenario = replace(result.scenario, title="\ud800" + "x" * 2_000_000)
    result.message = "\udcff" * 3
    [saved] = parse(text_of(run), FILE).results
    assert (saved.scenario.title[:8], len(saved.scenario.title)) == (r"\ud800xx", 1_000_000)
    assert saved.message == r"\udcff" * 3


# Versions.


def test_the_first_version_can_be_read() -> None:
    run = parse(VERSION_1.read_bytes(), VERSION_1)
    [result] = run.results
    assert (result.scenario.id, result.family, result.outcome.value) == ("refusing.nobody_listens", 4, "pass")
    assert run.environment["kernel"] == "6.18.0"
    told = [line.split() for line in result_lines(result, SCREEN)]
    assert [line[1:] for line in told if "S────►" in line or "◄───RA" in line] == [
        ["SYN-SENT", "S────►", "0:0(0)", "win", "512"],
        ["CLOSED", "◄───RA", "0:0(0)", "ack", "1", "win", "0"],
    ]
    assert ["ok", ":9", "RA", "seq", "0,", "ack", "1"] in told


def test_an_older_version_is_upgraded_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_head(key: str, value: str) -> Any:
        def change(head: dict[str, Any]) -> dict[str, Any]:
            head["run"]["environment"]["kernel"] += value
            return head

        def keep(recording: dict[str, Any]) -> dict[str, Any]:
            recording["sysctls"][key] = value
            return recording

        return document.Upgrade(change, keep)

    monkeypatch.setattr(document, "CURRENT", 4)
    monkeypatch.setattr(document, "UPGRADES", {2: of_head("net.one", "a"), 3: of_head("net.two", "b")})
    run = parse(SAVED, FILE)
    assert run.environment["kernel"] == "6.18.0ab"
    recording = run.results[0].recording
    assert recording is not None
    assert recording.sysctls == {"net.ipv4.tcp_sack": "0", "net.one": "a", "net.two": "b"}
    later = parse(SAVED.replace(b'"version": 2,', b'"version": 3,', 1), FILE)
    assert later.environment["kernel"] == "6.18.0b"


def test_there_is_a_way_from_every_version() -> None:
    assert set(document.UPGRADES) == set(range(1, document.CURRENT))


def test_the_description_has_every_version() -> None:
    text = Path(document.__file__).with_name("FORMAT.md").read_text(encoding="utf-8")
    assert f'"version": {document.CURRENT},' in text
    listed = [int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    assert listed == list(range(1, document.CURRENT + 1))


def test_what_the_reader_of_version_1_refuses_is_in_no_document_of_version_1() -> None:
    """It had neither the event `conclusion` nor the outcomes `changed` and `inconclusive`."""
    assert b'"event":"conclusion"' in SAVED
    assert SAVED.startswith(b'{"format": "tcp-packet-lab run", "version": 2,')


def test_what_a_later_version_adds_is_passed_over() -> None:
    added = SAVED.replace(b'"event":"frame",', b'"event":"frame","colour":"red",').replace(
        b'"run": {', b'"run": {"x": 1, '
    )
    assert text_of(parse(added, FILE)) == SAVED


# The documentation.


def keys_in(told: Any) -> set[str]:
    """The names that the lab gives to things in a document; those of sysctls and the like are not its own."""
    if isinstance(told, list):
        return set().union(*map(keys_in, told))
    if not isinstance(told, dict):
        return set()
    found = set(told)
    for name, value in told.items():
        if name not in {"environment", "sysctls", "short"}:
            found |= keys_in(value)
    return found


def test_every_name_is_documented() -> None:
    text = (Path(document.__file__).with_name("FORMAT.md")).read_text(encoding="utf-8")
    told = json.loads(SAVED)
    events = {event["event"] for recording in told["recordings"] for event in recording["events"]}
    assert {name for name in keys_in(told) if f"`{name}`" not in text and f'"{name}":' not in text} == set()
    assert {name for name in events if f"\n### {name}\n" not in text} == set()
