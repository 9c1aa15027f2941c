"""Reports for CI systems: JUnit XML, and annotations for GitHub Actions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from lab.record.results import BrokenFile, Outcome, Result, Run
from lab.report.ci import error_lines, junit, step_summary
from tests.unit import sample_run


def tree(run: Run) -> ET.Element:
    return ET.fromstring(junit(run))


def counted(element: ET.Element) -> dict[str, str | None]:
    return {name: element.get(name) for name in ("tests", "failures", "errors", "skipped")}


def test_a_suite_for_each_file_and_a_case_for_each_result() -> None:
    root = tree(sample_run.run())
    assert (root.tag, root.get("time")) == ("testsuites", "2.500")
    assert counted(root) == {"tests": "5", "failures": "1", "errors": "2", "skipped": "1"}
    sample, broken = root
    assert (sample.tag, sample.get("name"), sample.get("time")) == ("testsuite", "sample", "2.000")
    assert counted(sample) == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    assert (broken.get("name"), counted(broken)["errors"]) == ("broken", "1")
    assert sample.get("timestamp") == "2026-11-22T22:19:33"
    properties = {each.get("name"): each.get("value") for each in sample.iter("property")}
    assert properties == {"lab": "0.1.0", "kernel": "6.18.0"}


def test_a_case_has_its_location_and_outcome() -> None:
    failed, error, skipped, passed = tree(sample_run.run())[0].iter("testcase")
    assert failed.attrib == {
        "classname": "sample", "name": "one IPv6", "file": "scenarios/sample.py", "line": "10", "time": "1.250",
    }  # fmt: skip
    assert [each.get("name") for each in (error, skipped, passed)] == ["two IPv4", "two IPv6", "one IPv4"]
    assert [[child.tag for child in case] for case in (failed, error, skipped, passed)] == [
        ["failure"], ["error"], ["skipped"], [],
    ]  # fmt: skip
    assert failed[0].get("message") == "it is different"
    assert failed[0].text is not None
    assert failed[0].text.startswith("FAIL sample.one  IPv6  RFC 9293 3.5\n")
    assert "more" in failed[0].text
    assert (error[0].get("message"), skipped[0].get("message")) == (
        "RuntimeError: no",
        "the scenario is for the other address family",
    )


def test_a_broken_file_is_an_error() -> None:
    [case] = tree(sample_run.run())[1].iter("testcase")
    assert (case.get("name"), case.get("line")) == ("the file can be loaded", "3")
    [error] = case
    assert (error.get("message"), error.text) == ("SyntaxError: no", "scenarios/broken.py:3: SyntaxError: no")


def evil(result: Result) -> Result:
    result.scenario = replace(result.scenario, id="a.<b>&\x00\ud800", title='"]]>\x1b[2J')
    result.outcome, result.message, result.difference = Outcome.ERROR, "\x00<evil>&'\"\ufffe", None
    return result


def test_any_text_becomes_valid_xml() -> None:
    run = sample_run.run()
    run.results = [evil(run.results[0])]
    run.broken = [BrokenFile(Path("\udcff.py"), 1, "\x0b")]
    [first, second] = tree(run).iter("testcase")
    assert first.get("name") == "<b>&\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} IPv6"
    assert first[0].get("message") == "\N{REPLACEMENT CHARACTER}<evil>&'\"\N{REPLACEMENT CHARACTER}"
    assert second.get("file") == "\N{REPLACEMENT CHARACTER}.py"


def test_an_empty_run_is_valid_xml() -> None:
    assert counted(tree(Run())) == {"tests": "0", "failures": "0", "errors": "0", "skipped": "0"}


# GitHub Actions.


def test_annotations_name_the_failed_line() -> None:
    failed, error, broken = error_lines(sample_run.run(), Path.cwd())
    assert failed == (
        "::error file=scenarios/sample.py,line=12,title=sample.one IPv6::it is different%0A"
        "S: seq -7002 (absolute 4294967294) instead of 0 (absolute 7000), options none instead of TS, "
        "more b instead of a%0Abecause"
    )
    assert error == "::error file=scenarios/sample.py,line=12,title=sample.two IPv4::RuntimeError: no"
    assert broken == ("::error file=scenarios/broken.py,line=3,title=this file cannot be loaded::SyntaxError: no")


def test_paths_are_relative_to_the_checkout_or_absolute() -> None:
    run = sample_run.run()
    run.results, run.broken = (
        [],
        [BrokenFile(Path("/somewhere/a.py"), 1, "x"), BrokenFile(Path("/somewhere/else/b.py"), 1, "x")],
    )
    named = [line.split(",")[0] for line in error_lines(run, Path("/somewhere/else"))]
    assert named == ["::error file=/somewhere/a.py", "::error file=b.py"]


def test_nothing_can_break_out_of_an_annotation() -> None:
    run = sample_run.run()
    run.results = []
    run.broken = [BrokenFile(Path("a,line=1::b.py"), 2, "100%\r\n::error ::mine")]
    [line] = error_lines(run, Path.cwd())
    assert line == (
        "::error file=a%2Cline=1%3A%3Ab.py,line=2,title=this file cannot be loaded::100%25\\r%0A::error ::mine"
    )


def test_no_control_character_reaches_the_log() -> None:
    run = sample_run.run()
    run.results = []
    run.broken = [BrokenFile(Path("a\x1b[2J.py"), 2, "red\x1b[31m\x07\r\x9b\u202e\ud800\nnext")]
    [line] = error_lines(run, Path.cwd())
    assert line.endswith(r"::red\x1b[31m\x07\r\x9b\u202e\ud800%0Anext")
    assert line.startswith(r"::error file=a\x1b[2J.py,")


def test_what_passed_or_was_skipped_is_not_annotated() -> None:
    run = sample_run.run()
    run.results, run.broken = run.results[2:], []
    assert list(error_lines(run, Path.cwd())) == []


# The summary of a job.


def test_the_summary_of_a_job_has_the_totals_and_a_row_for_each_that_did_not_pass() -> None:
    run = sample_run.run()
    title, empty, *table = step_summary(run).splitlines()
    assert title.startswith("### TCP packet lab: 1 passed, 1 failed, 2 errors, 1 skipped; ")
    assert title.endswith(" on Linux 6.18.0")
    assert (empty, table[0], table[1]) == ("", "| scenario | outcome | what differs |", "|---|---|---|")
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table[2:-1]]
    assert [row[:2] for row in rows] == [
        ["sample.one IPv6", "fail"],
        ["sample.two IPv4", "error"],
        ["scenarios/broken.py", "error"],
    ]
    assert rows[1][2] == "RuntimeError: no"
    assert rows[2][2] == "line 3: SyntaxError: no"


def test_the_summary_of_a_job_in_which_all_passed_has_no_table() -> None:
    run = sample_run.run()
    run.results, run.broken = [each for each in run.results if each.outcome is Outcome.PASS], []
    assert step_summary(run).count("\n") == 2


def test_a_cell_of_the_summary_cannot_end_its_row_or_its_table() -> None:
    run = sample_run.run()
    run.broken = [BrokenFile(Path("x|y.py"), 1, "no\n| <b> & `x`\x1b[31m")]
    assert "| x\\|y.py | error | line 1: no \\| &lt;b&gt; &amp; 'x'\\x1b[31m |\n" in step_summary(run)
