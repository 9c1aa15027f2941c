"""A run as JUnit's XML, which CI systems read: a suite for each scenario file, a case for each scenario and family."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from lab.record.results import Broken, Outcome, Result, Run
from lab.report.screen import Screen
from lab.report.verdicts import result_lines

_ELEMENTS = {Outcome.FAIL: "failure", Outcome.ERROR: "error", Outcome.SKIP: "skipped"}
_TYPES = {"failure": "the kernel differs", "error": "the scenario is broken", "skipped": "not applicable"}
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(run: Run) -> bytes:
    """The whole run."""
    suites: dict[Path, ET.Element] = {}

    def suite_of(file: Path) -> ET.Element:
        if file not in suites:
            suites[file] = ET.Element("testsuite", {"name": _clean(file.stem), "timestamp": run.began[:19]})
            _add_properties(suites[file], run)
        return suites[file]

    for result in run.results:
        suite_of(result.scenario.file).append(_case(result))
    for broken in run.broken:
        suite_of(broken.file).append(_broken_case(broken))
    for suite in suites.values():
        _count(suite, [suite])
    root = ET.Element("testsuites", {"name": "lab run"})
    root.extend(suites.values())
    _count(root, suites.values())
    root.set("time", f"{run.seconds:.3f}")
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _add_properties(suite: ET.Element, run: Run) -> None:
    properties = ET.SubElement(suite, "properties")
    told = {"lab": run.version, **{name: value for name, value in run.environment.items() if isinstance(value, str)}}
    for name, value in told.items():
        ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})


def _case(result: Result) -> ET.Element:
    scenario = result.scenario
    name = f"{scenario.id.rpartition('.')[2]} IPv{result.family}"
    case = _new_case(scenario.file, scenario.line, name, result.seconds)
    if result.outcome in _ELEMENTS:
        more = result.difference.difference if result.difference is not None else None
        text = "\n".join(result_lines(result, Screen(), brief=True)) if result.outcome is not Outcome.SKIP else ""
        _tell(case, _ELEMENTS[result.outcome], more.summary if more is not None else result.message, text)
    return case


def _broken_case(broken: Broken) -> ET.Element:
    case = _new_case(broken.file, broken.line, "the file can be loaded", 0.0)
    _tell(case, "error", broken.why, f"{broken.file}:{broken.line}: {broken.why}")
    return case


def _new_case(file: Path, line: int, name: str, seconds: float) -> ET.Element:
    told = {"classname": file.stem, "name": name, "file": str(file), "line": str(line), "time": f"{seconds:.3f}"}
    return ET.Element("testcase", {key: _clean(value) for key, value in told.items()})


def _tell(case: ET.Element, kind: str, message: str, text: str) -> None:
    told = ET.SubElement(case, kind, {"message": _clean(message), "type": _TYPES[kind]})
    told.text = _clean(text) or None


def _count(element: ET.Element, suites: Iterable[ET.Element]) -> None:
    cases = [case for suite in suites for case in suite.iter("testcase")]
    element.set("tests", str(len(cases)))
    for name, kind in ("failures", "failure"), ("errors", "error"), ("skipped", "skipped"):
        element.set(name, str(sum(case.find(kind) is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _clean(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
