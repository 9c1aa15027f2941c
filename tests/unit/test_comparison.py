"""Comparison of two runs: differences are listed, random ones are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.record.events import (
    CallMade,
    CheckKind,
    CheckMade,
    Concluded,
    Connection,
    Difference,
    Event,
    FrameSeen,
    Measured,
    Recording,
    StateSeen,
    StepBegun,
)
from lab.record.expectation import Bases
from lab.record.results import Outcome, Result, Run, Scenario
from lab.report.comparison import Change, Comparison, Line, ScenarioChange, as_json, compare_runs, comparison_lines
from lab.report.screen import Screen
from lab.tcp import flags
from lab.tcp.options import Options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from tests.unit import sample_run

SETTINGS = {"net.ipv4.tcp_sack": "1"}


def syn(time_ns: int, iss: int = 100) -> FrameSeen:
    segment = Segment(Seq(iss), Seq(0), flags.SYN, 512)
    return FrameSeen(time_ns, True, b"", segment, 0, State.SYN_SENT, bases=Bases(Seq(0), Seq(iss)))


def answer(time_ns: int, iss: int = 900, window: int = 64240, options: Options = (), **more: Any) -> FrameSeen:
    segment = Segment(Seq(iss), Seq(101), flags.SYN | flags.ACK, window, options)
    bases = Bases(Seq(iss), Seq(100))
    return FrameSeen(time_ns, False, b"", segment, 0, State.ESTABLISHED, bases=bases, **more)


def recording(*events: Event, **settings: str) -> Recording:
    made = Recording(4, 0, list(events), [Connection(4, 80, 40001)], sysctls={**SETTINGS, **settings})
    made.witnesses = ("inet_diag", "tracepoint")
    return made


def result(made: Recording | None, family: int = 4, name: str = "one.one", **more: Any) -> Result:
    scenario = Scenario(name, "", "", (4, 6), {}, {}, False, False, sample_run.run().results[0].scenario.file, 1)
    return Result(scenario, family, Outcome.PASS, 1.0, made, **more)


def run(*results: Result, **environment: Any) -> Run:
    return Run(list(results), environment={"kernel": "6.1", "sysctls": SETTINGS, **environment}, began="today")


def changes(first: Recording, second: Recording) -> list[ScenarioChange]:
    return compare_runs(run(result(first)), run(result(second))).scenarios


def test_a_run_equals_itself() -> None:
    assert not compare_runs(sample_run.run(), sample_run.run())


def test_random_differences_are_ignored() -> None:
    state = StateSeen(3, 0, State.SYN_RECEIVED, "tracepoint")
    first = recording(syn(1), answer(2, 900, options=(("Timestamp", (5, 6)), ("TFO", b"12345678"))), state)
    other = answer(777, 4_000_000_000, options=(("Timestamp", (7, 8)), ("TFO", b"abcdefgh")))
    second = recording(syn(500, 100), other, state._replace(time_ns=900))
    second.started_ns = 400
    assert changes(first, second) == []


def test_environment_and_settings_of_the_whole_run() -> None:
    first = run(result(recording()), witnesses=["inet_diag", "tracepoint"])
    second = run(result(recording(**{"net.ipv4.tcp_sack": "0"})), kernel="6.18", witnesses=["inet_diag"])
    second.environment["sysctls"] = {"net.ipv4.tcp_sack": "0", "net.ipv4.tcp_rto_max_ms": "5"}
    second.full = True
    found = compare_runs(first, second)
    assert found.environment == [
        Change("kernel", "6.1", "6.18"),
        Change("witnesses", "inet_diag, tracepoint", "inet_diag"),
        Change("timers", "short", "full length"),
    ]
    assert found.sysctls == [Change("net.ipv4.tcp_sack", "1", "0"), Change("net.ipv4.tcp_rto_max_ms", "-", "5")]
    assert found.scenarios == [], "what the whole run has is not repeated"


def test_scenarios_that_only_one_run_has() -> None:
    found = compare_runs(run(result(None), result(None, 6)), run(result(None), result(None, name="two.two")))
    assert (found.only_first, found.only_second) == (["one.one IPv6"], ["two.two IPv4"])


def test_outcomes_of_a_scenario() -> None:
    failed = recording()
    check = CheckMade(
        1, False, CheckKind.SEGMENT, "SA", None, difference=Difference("the kernel sent no such segment", "", None)
    )
    failed.events.append(check)
    second = result(failed, difference=check)
    second.outcome = Outcome.FAIL
    [change] = compare_runs(run(result(recording())), run(second)).scenarios
    assert change.changes == [
        Change("outcome", "pass", "fail"), Change("because", "-", "SA: the kernel sent no such segment"),
    ]  # fmt: skip


def test_settings_of_one_scenario() -> None:
    [change] = changes(recording(), recording(**{"net.ipv4.tcp_fin_timeout": "5"}))
    assert change.changes == [Change("net.ipv4.tcp_fin_timeout", "-", "5")]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("1.0, 3.0 s, gave up after 7.2 s", "1.02, 3.1 s, gave up after 7.4 s", False),
        ("1.0, 3.0 s, gave up after 7.2 s", "1.0, 3.0 s, gave up after 17.2 s", True),
        ("1.0, 3.0 s, gave up after 7.2 s", "1.0 s, gave up after 7.2 s", True),
        ("5 retransmissions", "6 retransmissions", True),
        ("after 45 ms", "after 42 ms", False),
        ("after 0.4 ms", "after 3 ms", False),
        ("after 45 ms", "after 45 s", True),
        ("after 45 ms", "after 200 ms", True),
        ("4% of the circle", "5% of the circle", False),
        ("cookies", "a reset", True),
        ("win 64240", "win 65535", True),
        ("0.0 s", "0.0 s", False),
    ],
)
def test_measured_values_may_vary(one: str, other: str, told: bool) -> None:
    found = changes(recording(Measured(1, "C1", one, None)), recording(Measured(9, "C1", other, None)))
    assert [change.changes for change in found] == ([[Change("C1", one, other)]] if told else [])


def test_a_value_that_only_one_run_has() -> None:
    [change] = changes(recording(Measured(1, "C1", "a", None), Concluded(1, "C1", "b", None)), recording())
    assert change.changes == [Change("C1", "a; b", "-")]


def test_a_state_alone_can_differ() -> None:
    seen = StateSeen(2, 0, State.SYN_RECEIVED, "tracepoint")
    [change] = changes(recording(syn(1), seen), recording(syn(1), seen._replace(state=State.ESTABLISHED)))
    text = "peer > kernel  S    0:0(0) win 512"
    assert change.first == [Line(text, "peer SYN-SENT, kernel SYN-RECEIVED")]
    assert change.second == [Line(text, "peer SYN-SENT, kernel ESTABLISHED")]


def test_a_differing_segment_is_shown_with_its_step_and_what_follows() -> None:
    step = StepBegun(0, "The answer", (), None)
    close = CallMade(5, "close", (), None, "", 0, None)
    [change] = changes(
        recording(syn(1), step, answer(2), close),
        recording(syn(1), step, answer(2, window=1000), close, answer(9), answer(10)),
    )
    open_states = "peer ESTABLISHED"
    assert change.step == "The answer"
    assert change.first == [
        Line("kernel > peer  SA   0:0(0) ack 1 win 64240", open_states), Line("close() = 0", open_states),
    ]  # fmt: skip
    assert [line.text for line in change.second] == [
        "kernel > peer  SA   0:0(0) ack 1 win 1000", "close() = 0", "kernel > peer  SA   0:0(0) ack 1 win 64240",
    ]  # fmt: skip


def test_an_exchange_that_ends_earlier() -> None:
    [change] = changes(recording(syn(1), answer(2)), recording(syn(1)))
    assert (len(change.first), change.second) == (1, [])


def test_an_unexpected_retransmission_is_ignored() -> None:
    again = answer(3, retransmission=True)
    assert changes(recording(syn(1), answer(2)), recording(syn(1), answer(2), again)) == []
    expected = CheckMade(4, True, CheckKind.SEGMENT, "SA", None, 0, 2)
    assert len(changes(recording(syn(1), answer(2)), recording(syn(1), answer(2), again, expected))) == 1


def test_a_reset_without_a_connection_has_an_absolute_number() -> None:
    def reset(iss: int) -> FrameSeen:
        segment = Segment(Seq(0), Seq(101), flags.RST | flags.ACK)
        return FrameSeen(2, False, b"", segment, 0, State.CLOSED, bases=Bases(Seq(iss), Seq(100)))

    assert changes(recording(reset(5_000_000)), recording(reset(77_000_000))) == []
    [change] = changes(recording(reset(5_000_000)), recording())
    assert change.first == [Line("kernel > peer  RA   absolute 0 ack 1 win 0", "peer CLOSED")]


@pytest.mark.parametrize("lacking", ["a witness", "transitions"])
def test_states_are_not_compared_if_one_run_may_lack_some(lacking: str) -> None:
    seen = recording(syn(1), StateSeen(2, 0, State.SYN_RECEIVED, "tracepoint"))
    blind = recording(syn(1))
    assert len(changes(seen, blind)) == 1
    if lacking == "a witness":
        blind.witnesses = ("inet_diag",)
    else:
        blind.transitions_lost = 1
    assert changes(seen, blind) == []


def both_families() -> tuple[Run, Run]:
    first = run(*(result(recording(syn(1), answer(2)), family) for family in (4, 6)), result(None, name="two.two"))
    second = run(*(result(recording(syn(1)), family) for family in (4, 6)), result(None, name="two.two"), kernel="6.18")
    return first, second


def test_a_difference_in_both_families_is_listed_once() -> None:
    [change] = compare_runs(*both_families()).scenarios
    assert change.families == ["IPv4", "IPv6"]


def text(comparison: Comparison, runs: tuple[Run, Run]) -> list[str]:
    return list(comparison_lines(comparison, runs, ("out/a", "out/b"), Screen(80)))


def test_the_text_has_the_signs_of_diff() -> None:
    runs = both_families()
    assert text(compare_runs(*runs), runs) == [
        "< out/a   3 results on Linux 6.1, today",
        "> out/b   3 results on Linux 6.18, today",
        "",
        "environment",
        "  kernel < 6.1",
        "         > 6.18",
        "",
        "one.one  IPv4 and IPv6",
        "  < kernel > peer  SA   0:0(0) ack 1 win 64240   peer ESTABLISHED",
        "  > (nothing more)",
        "",
        "2 of 3 results differ",
    ]


def test_equal_values_are_not_listed() -> None:
    runs = run(result(None)), run(result(None))
    assert text(compare_runs(*runs), runs)[2:] == [
        "nothing differs except times, timestamps and ports, which always differ"
    ]


def test_scenarios_missing_in_one_are_named_in_the_text() -> None:
    runs = run(result(None), result(None, 6)), run(result(None))
    assert "only in <: one.one IPv6" in text(compare_runs(*runs), runs)
    assert text(compare_runs(*runs), runs)[-1] == "0 of 1 results differ"


def test_control_characters_are_escaped() -> None:
    evil = replace(run(result(None)), environment={"kernel": "\033[2J", "sysctls": {}})
    runs = run(result(None)), evil
    assert not any("\033" in line for line in text(compare_runs(*runs), runs))


def test_the_comparison_as_json() -> None:
    told = as_json(compare_runs(*both_families()))
    assert told["environment"] == [{"name": "kernel", "first": "6.1", "second": "6.18"}]
    [scenario] = told["scenarios"]
    assert (scenario["id"], scenario["families"], scenario["second"]) == ("one.one", ["IPv4", "IPv6"], [])
    assert scenario["first"] == [
        {"text": "kernel > peer  SA   0:0(0) ack 1 win 64240", "states": "peer ESTABLISHED"},
    ]  # fmt: skip
