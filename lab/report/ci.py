"""Reports for CI systems: JUnit XML; annotations and the table of a job's summary for GitHub Actions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from lab.record.results import Outcome, Result, Run
from lab.report.screen import Screen, printable, printable_lines
from lab.report.verdicts import QUIET, check_text, difference_in_a_line, result_lines, summary_lines

_KINDS = {
    Outcome.FAIL: ("failure", "an expectation did not hold"),
    Outcome.ERROR: ("error", "the scenario is broken"),
    Outcome.INCONCLUSIVE: ("error", "inconclusive"),
    Outcome.SKIP: ("skipped", "not applicable"),
}
"""JUnit's element for an outcome, and the type in it."""
_LEVELS = {Outcome.CHANGED: "notice", Outcome.INCONCLUSIVE: "warning"}
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(run: Run) -> bytes:
    """The run as JUnit XML: a suite for each scenario file, a case for each scenario and address family."""
    suites: dict[Path, list[ET.Element]] = {}
    for result in run.results:
        suites.setdefault(result.scenario.file, []).append(_case_of(result))
    for file, line, why in run.broken:
        kind = _KINDS[Outcome.ERROR]
        case = junit_case(file, line, "the file can be loaded", 0.0, kind, why, f"{file}:{line}: {why}")
        suites.setdefault(file, []).append(case)
    properties = {"lab": run.version, **run.environment}
    named = [(file.stem, cases) for file, cases in suites.items()]
    return junit_document("lab run", named, properties, began=run.began[:19], seconds=run.seconds)


def junit_document(
    name: str,
    suites: Iterable[tuple[str, list[ET.Element]]],
    properties: Mapping[str, object] | None = None,
    began: str = "",
    seconds: float | None = None,
) -> bytes:
    """JUnit XML of suites with their names; `seconds` is the time of all, if it is not the sum of the cases."""
    root = ET.Element("testsuites", {"name": name})
    for each, cases in suites:
        suite = ET.SubElement(root, "testsuite", {"name": _clean(each), **({"timestamp": began} if began else {})})
        if properties is not None:
            listed = ET.SubElement(suite, "properties")
            for key, value in properties.items():
                if isinstance(value, str):
                    ET.SubElement(listed, "property", {"name": key, "value": _clean(value)})
        suite.extend(cases)
        _count(suite)
    _count(root)
    if seconds is not None:
        root.set("time", f"{seconds:.3f}")
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _case_of(result: Result) -> ET.Element:
    scenario = result.scenario
    name = f"{scenario.id.rpartition('.')[2]} IPv{result.family}"
    text = "\n".join(result_lines(result, Screen(), brief=True)) if result.outcome not in QUIET else ""
    return junit_case(
        scenario.file, scenario.line, name, result.seconds, _KINDS.get(result.outcome), result.summary, text
    )


def junit_case(
    file: Path, line: int, name: str, seconds: float, kind: tuple[str, str] | None, message: str, text: str
) -> ET.Element:
    """A `testcase` element; `kind` is the element inside it and its type, None if it passed."""
    attributes = {"classname": file.stem, "name": name, "file": str(file), "line": str(line), "time": f"{seconds:.3f}"}
    case = ET.Element("testcase", {key: _clean(value) for key, value in attributes.items()})
    if kind is not None:
        inside = ET.SubElement(case, kind[0], {"message": _clean(message), "type": kind[1]})
        inside.text = _clean(text) or None
    return case


def _count(element: ET.Element) -> None:
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for name, kind in ("failures", "failure"), ("errors", "error"), ("skipped", "skipped"):
        element.set(name, str(sum(case.find(kind) is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _clean(text: str) -> str:
    """The text with a replacement character for each character that XML does not allow."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


_MESSAGE_ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY_ESCAPES = _MESSAGE_ESCAPES | str.maketrans({":": "%3A", ",": "%2C"})


def error_lines(run: Run, root: Path) -> Iterator[str]:
    """Yield a GitHub Actions annotation for each broken file and each result that did not pass and is no skip.

    An inconclusive result is a warning, a changed one a notice. Paths are relative to `root`.
    """
    for result in run.results:
        if result.outcome not in QUIET:
            at, title = result.at or result.scenario, f"{result.scenario.id} IPv{result.family}"
            level = _LEVELS.get(result.outcome, "error")
            yield _annotation(level, root, str(at.file), at.line, title, _message(result))
    for broken in run.broken:
        yield _annotation("error", root, str(broken.file), broken.line, "this file cannot be loaded", broken.why)


def _message(result: Result) -> str:
    lines, check = [result.summary], result.difference
    if check is not None and result.recording is not None:
        lines += [check_text(result.recording, check), check.difference.why if check.difference else ""]
    return "\n".join(filter(None, lines))


def _annotation(level: str, root: Path, file: str, line: int, title: str, message: str) -> str:
    relative = os.path.relpath(file, root)
    named = file if relative.startswith(os.pardir) else relative
    properties = {"file": named, "line": str(line), "title": title}
    listed = ",".join(f"{name}={printable(value).translate(_PROPERTY_ESCAPES)}" for name, value in properties.items())
    shown = "\n".join(printable_lines(message))
    return f"::{level} {listed}::{shown.translate(_MESSAGE_ESCAPES)}"


_NOT_IN_CELLS = str.maketrans({"|": "\\|", "<": "&lt;", ">": "&gt;", "&": "&amp;", "`": "'"})


def step_summary(run: Run) -> str:
    """Markdown for the summary of a GitHub Actions job: the totals, and a table of what did not pass."""
    rows = [
        (f"{each.scenario.id} IPv{each.family}", each.outcome.value, difference_in_a_line(each))
        for each in run.results
        if each.outcome not in QUIET
    ]
    rows += [(str(file), Outcome.ERROR.value, f"line {line}: {why}") for file, line, why in run.broken]
    text = f"### TCP packet lab: {summary_lines(run)[0]}\n"
    if rows:
        text += "\n| scenario | outcome | what differs |\n|---|---|---|\n"
        text += "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in rows)
    return text + "\n"


def _cell(text: str) -> str:
    return " ".join(printable_lines(text)).translate(_NOT_IN_CELLS)
