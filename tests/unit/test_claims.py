"""Verdicts on claims, with values and packets, from recordings written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from lab.claims.catalogue import Catalogue, Claim, Erratum, Kind, Since, Text, catalogue
from lab.claims.verdict import Verdict
from lab.record.events import CheckKind, CheckMade, Concluded, Measured
from lab.record.expectation import Expected, Row
from lab.record.results import Outcome, Result, Run, Scenario
from lab.report.claims import ClaimReport, as_json, claim_lines, claim_reports, total_lines
from lab.report.evidence import Evidence
from lab.report.screen import labelled, side_by_side, wrapped
from lab.tcp import flags
from tests.unit.stories import Story

SA = Expected(flags.bits("SA"))


def claim(name: str, **more: object) -> Claim:
    texts = {field: Text(f"{name} {field}.", f"{name} {field}。") for field in ("article", "document")}
    return Claim(name, "opening", Kind.HOLDS, "RFC 9293 3.5", **texts, **more)  # type: ignore[arg-type]


SMALL = Catalogue(
    {"opening": Text("Opening", "打开"), "closing": Text("Closing", "关闭")},
    {name: claim(name) for name in ("C1", "C2", "C3")},
    (Erratum("teh", "the", Text("Letters.", "字母。")),),
)


def result(story: Story, name: str = "file.one", family: int = 4, outcome: Outcome = Outcome.PASS) -> Result:
    scenario = Scenario(name, "A title", "RFC 9293", (4, 6), {}, {}, False, False, Path("file.py"), 1)
    return Result(scenario, family, outcome, 0.1, story.recording)


def reports(*results: Result) -> dict[str, ClaimReport]:
    return {each.claim.id: each for each in claim_reports(Run(list(results)), SMALL)}


def state(story: Story, name: str) -> None:
    story.agrees("state", None, None, Row("state", name, name, True), kind=CheckKind.STATE)


def opened(*claims: str) -> Story:
    """Frames 1 and 2: a SYN and its answer, checked in a step that names these claims."""
    story = Story()
    story.step("The answer", *claims)
    story.peer("S")
    at = story.kernel("SA", ack=1)
    story.agrees("SA", at, SA)
    state(story, "SYN-RECEIVED")
    return story


def test_a_completed_step_with_passed_checks_confirms_its_claims() -> None:
    shown = reports(result(opened("C1", "C3")))
    assert [(name, each.verdict) for name, each in shown.items()] == [
        ("C1", Verdict.CONFIRMED),
        ("C2", Verdict.NOT_RUN),
        ("C3", Verdict.CONFIRMED),
    ]
    text = "kernel > peer  SA 0:0(0) ack 1 win 64240"
    assert shown["C1"].evidence == (Evidence("file.one", 4, "The answer", 2, text),)
    assert shown["C1"].measured == "SA 0:0(0) ack 1 win 64240; SYN-RECEIVED"
    assert (shown["C2"].measured, shown["C2"].evidence) == ("", ())


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.SKIP])
def test_only_the_last_step_of_a_scenario_that_did_not_pass_confirms_nothing(outcome: Outcome) -> None:
    story = opened("C1")
    story.step("Not finished", "C2")
    story.agrees("silence", kind=CheckKind.SILENCE)
    verdicts = reports(result(story, outcome=outcome))
    assert verdicts["C1"].verdict is Verdict.CONFIRMED
    assert verdicts["C2"].verdict is Verdict.NOT_RUN


def test_a_step_without_a_check_confirms_nothing() -> None:
    story = Story()
    story.step("Nothing is verified here", "C1")
    story.peer("S")
    story.step("Nor here")
    assert reports(result(story))["C1"].verdict is Verdict.NOT_RUN


def test_a_failed_check_makes_its_claims_differ_and_no_others() -> None:
    story = opened("C1")
    story.step("Another", "C2", "C3")
    at = story.kernel("SA", ack=1)
    story.differs(at, Expected(flags.bits("SA"), ack=2))
    failed = reports(result(story, outcome=Outcome.FAIL))
    assert [each.verdict for each in failed.values()] == [Verdict.CONFIRMED, Verdict.DIFFERS, Verdict.DIFFERS]
    (seen,) = failed["C2"].evidence
    assert (seen.step, seen.packet) == ("Another", 3)
    assert seen.text == failed["C2"].measured
    assert "ack 1 (absolute 4294967295) instead of 2 (absolute 0)" in seen.text


def test_one_step_that_differs_outweighs_those_that_confirm() -> None:
    story = opened("C1")
    story.step("Again", "C1")
    story.differs(story.kernel("SA", ack=1), Expected(flags.bits("SA"), ack=2))
    failed = reports(result(opened("C1")), result(story, "file.two", 6, Outcome.FAIL))["C1"]
    assert failed.verdict is Verdict.DIFFERS
    assert [(each.scenario, each.family) for each in failed.evidence] == [("file.two", 6)]


def test_a_failure_outside_of_steps_concerns_no_claim() -> None:
    story = Story()
    story.differs(story.kernel("SA", ack=1), Expected(flags.bits("SA"), ack=2))
    assert reports(result(story, outcome=Outcome.FAIL))["C1"].verdict is Verdict.NOT_RUN


def test_the_step_about_the_fewest_claims_is_the_best_evidence() -> None:
    story = opened("C1", "C2", "C3")
    story.step("About one", "C1")
    story.peer("A", seq=1, ack=1)
    state(story, "ESTABLISHED")
    shown = reports(result(story))["C1"]
    assert [each.step for each in shown.evidence] == ["About one", "The answer"]
    assert shown.measured == "ESTABLISHED"
    assert shown.evidence[0] == Evidence("file.one", 4, "About one", 3, "peer > kernel  A 1:1(0) ack 1 win 64240")


def test_among_those_a_step_with_a_segment_of_the_kernel_is_the_best() -> None:
    story = Story()
    story.step("A state", "C1")
    state(story, "LISTEN")
    story.step("A segment", "C1")
    story.agrees("SA", story.kernel("SA", ack=1), SA)
    assert [each.step for each in reports(result(story))["C1"].evidence] == ["A segment", "A state"]


def test_the_last_segment_of_a_step_is_its_evidence() -> None:
    story = Story()
    story.step("Opened, closed, and then", "C1")
    story.agrees("SA", story.kernel("SA", ack=1), SA)
    story.agrees("FA", story.kernel("FA", seq=1, ack=1), Expected(flags.bits("FA")))
    state(story, "FIN-WAIT-1")
    story.agrees("R", story.kernel("R", seq=2, window=0), Expected(flags.bits("R")))
    state(story, "CLOSED")
    shown = reports(result(story))["C1"]
    assert shown.evidence[0].packet == 3
    assert shown.measured == "FA 1:1(0) ack 1 win 64240; R 2:2(0) win 0; CLOSED"


def test_evidence_without_a_segment_is_the_value_found() -> None:
    story = Story()
    story.step("A call", "C1")
    story.agrees("send(b'?')", None, None, Row("result", "EPIPE", "EPIPE", True), kind=CheckKind.CALL)
    shown = reports(result(story))["C1"]
    assert shown.evidence == (Evidence("file.one", 4, "A call", None, "send(b'?') = EPIPE"),)


def test_long_values_are_cut() -> None:
    story = Story()
    story.step("Reading", "C1")
    data = repr(bytes(1000))
    story.agrees("data read", None, None, Row("data", data, data, True), kind=CheckKind.VALUE)
    assert reports(result(story))["C1"].measured == "data read: " + data[:40] + "..."


def test_measured_values_are_those_of_each_scenarios_first_family() -> None:
    def measuring(value: str) -> Story:
        story = opened("C1")
        story.recording.events.append(Measured(1, "C1", value, None))
        return story

    six, four, other = measuring("1440"), measuring("1460"), measuring("after 7.2 s")
    runs = (result(six, family=6), result(four, family=4), result(other, "file.two", 6))
    assert reports(*runs)["C1"].measured == "1460; after 7.2 s"
    in_order = reports(result(six, family=6), result(other, "file.two", 4))
    assert in_order["C1"].measured == "1440; after 7.2 s"
    [in_chinese, *_] = claim_reports(Run(list(runs)), SMALL, "zh")
    assert in_chinese.measured == "1460；after 7.2 s"


def test_a_conclusion_is_a_row_of_its_own_and_what_was_measured_stays() -> None:
    story = opened("C1")
    story.recording.events.append(Concluded(1, "C1", "it opens", None))
    run = Run([result(story)])
    [first, *_] = claim_reports(run, SMALL)
    assert (first.conclusion, first.measured) == ("it opens", "SA 0:0(0) ack 1 win 64240; SYN-RECEIVED")
    for language, row in ("en", "  conclusion  it opens"), ("zh", "  结论        it opens"):
        lines = list(claim_lines([first], SMALL, 80, language))
        assert lines.index(row) + 1 == next(at for at, line in enumerate(lines) if "64240; SYN-RECEIVED" in line)


def test_values_are_segments_then_states_then_silence_without_final_checks() -> None:
    story = Story()
    story.step("All kinds", "C1")
    story.agrees("silence", None, None, Row("segment", "none", "none", True), kind=CheckKind.SILENCE)
    state(story, "ESTABLISHED")
    story.agrees("the timer", None, None, Row("value", "", "", True), kind=CheckKind.TIMER)
    story.agrees("SA", story.kernel("SA", ack=1), SA)
    story.recording.events.append(CheckMade(1, True, CheckKind.NOTHING_LEFT, "nothing else was sent", None))
    assert reports(result(story))["C1"].measured == "SA 0:0(0) ack 1 win 64240; the timer: none; ESTABLISHED"


def test_a_result_without_a_recording_confirms_nothing() -> None:
    skipped = result(opened("C1"), outcome=Outcome.SKIP)
    skipped.recording = None
    assert reports(skipped)["C1"].verdict is Verdict.NOT_RUN


def test_the_reports_as_json() -> None:
    written = as_json(list(reports(result(opened("C1"), family=6)).values()))
    assert [set(each) for each in written] == [
        {"id", "kind", "verdict", "measured", "conclusion", "since", "evidence"}
    ] * 3
    assert written[0]["verdict"] == "shown"
    assert written[0]["evidence"] == [
        {
            "scenario": "file.one",
            "family": "IPv6",
            "step": "The answer",
            "packet": 2,
            "text": "kernel > peer  SA 0:0(0) ack 1 win 64240",
        }
    ]
    assert written[1] == {
        "id": "C2",
        "kind": "holds",
        "verdict": "not run",
        "measured": "",
        "conclusion": "",
        "since": [],
        "evidence": [],
    }


def test_text_has_the_three_columns_and_the_evidence() -> None:
    more = claim(
        "C1",
        linux=Text("Linux does more.", "更多。"),
        depends=("net.ipv4.tcp_sack",),
        since=(Since("6.5", Text("Since then.", "此后。")),),
    )
    known = Catalogue(SMALL.topics, {**SMALL.claims, "C1": more}, SMALL.errata)
    found = claim_reports(Run([result(opened("C1")), result(opened("C1"), "file.two")]), known)
    lines = list(claim_lines(found, known, 80))
    assert lines[:12] == [
        "Opening",
        "",
        "C1  confirmed  the article is right",
        "  RFC 9293 3.5",
        "  The article               The RFC                   This kernel",
        "  C1 article.               C1 document.              Linux does more.",
        "  measured    SA 0:0(0) ack 1 win 64240; SYN-RECEIVED",
        '  packet      2 of file.one IPv4, "The answer": kernel > peer  SA 0:0(0) ack 1',
        "              win 64240",
        "  also in     file.two",
        "  depends on  net.ipv4.tcp_sack",
        "  since 6.5   Since then.",
    ]
    assert "C2  not run  the article is right" in lines
    assert "  teh                       the                       Letters." in lines
    assert next(total_lines(found, "6.1")) == "3 in all: 1 confirmed, 2 not run (Linux 6.1)"
    assert next(total_lines(found, "6.1", "zh")) == "共 3 条：1 已验证，2 未运行（Linux 6.1）"


def test_a_part_of_the_claims_has_no_misprints() -> None:
    lines = list(claim_lines(claim_reports(Run(), SMALL)[:1], SMALL, 80))
    assert lines[-2:] == ["  C1 article.               C1 document.              As the RFC says.", ""]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_line_is_wider_than_the_screen_and_no_text_is_missing(language: str, width: int) -> None:
    lines = list(claim_lines(claim_reports(Run([result(opened("C1"))]), catalogue()), catalogue(), width, language))
    assert max(map(cell_len, lines)) <= width
    assert not any(line.endswith(" ") for line in lines)
    words = " ".join(lines).split()
    assert all(name in words for name in catalogue().claims)
    settings = {each for found in catalogue().claims.values() for each in found.depends if each.startswith("net.")}
    assert not [name for name in settings if name not in "\n".join(lines)], "no name is broken"


def test_columns_are_as_wide_as_chinese_characters_need() -> None:
    lines = list(side_by_side(["握手握手", "ab", "x"], 20, indent=2))
    assert lines == ["  握手  ab    x", "  握手"]
    assert cell_len(lines[0].partition("x")[0]) == 2 + 4 + 2 + 4 + 2


def test_no_line_begins_with_a_full_stop_or_ends_with_an_opening_bracket() -> None:
    text = "服务器应答（旧的）SYN，ACK=1，FIN=1。客户端用 RST 否认，服务器随即回到监听。"
    for width in range(8, 40):
        lines = list(wrapped(text, width))
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert max(map(cell_len, lines)) <= width
        assert not any(line[0] in "，。）" or line[-1] in "（“" for line in lines)


def test_text_after_a_label_is_indented() -> None:
    assert list(labelled("实测", "one two three", 20, indent=2, label_width=8)) == [
        "  实测    one two",
        "          three",
    ]
    assert list(labelled("a long label", "x", 20, label_width=4)) == ["a long label x"]
