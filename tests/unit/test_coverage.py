"""Arrows of figure 5 that recordings written by hand walk: each rule, and cases that must not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.record.events import CallMade, FrameSeen, StateSeen
from lab.record.expectation import Bases
from lab.record.results import Outcome, Result, Run, Scenario
from lab.report.coverage import Coverage, EdgeReport, as_json, coverage, coverage_lines
from lab.report.edge_coverage import FIGURE_5, kernel_edges, peer_edges
from lab.tcp.state import State
from tests.unit.stories import ISS, Story

S = State
MINUTE_MS = 60_000.0


def observe(story: Story, state: State, connection: int | None = 0) -> None:
    story.add(StateSeen(story.tick(), connection, state, "inet_diag"))


def walked(story: Story) -> list[tuple[str, str]]:
    return [(str(each.edge.source), str(each.edge.target)) for each in kernel_edges(story.recording)]


def causes(story: Story) -> list[int | None]:
    return [each.cause for each in kernel_edges(story.recording)]


def connecting() -> Story:
    story = Story()
    story.call("connect", 40001, error="EINPROGRESS")
    story.state(S.SYN_SENT)
    story.kernel("S")
    return story


def established() -> Story:
    story = Story()
    story.handshake()
    return story


def closed_first() -> Story:
    """An open connection that the kernel has closed: its FIN is sent."""
    story = established()
    story.call("close")
    story.state(S.FIN_WAIT_1)
    story.kernel("FA", seq=1, ack=1)
    return story


OPENED = [("LISTEN", "SYN-RECEIVED"), ("SYN-RECEIVED", "ESTABLISHED")]


def test_a_listener_and_its_connection_walk_separate_arrows() -> None:
    story = Story()
    story.call("listen", 16)
    story.state(S.LISTEN, None)
    syn = story.peer("S")
    story.state(S.SYN_RECEIVED)
    story.kernel("SA", ack=1)
    ack = story.peer("A", seq=1, ack=1)
    story.state(S.ESTABLISHED)
    story.call("close", error="")
    story.state(S.CLOSED, None)
    assert walked(story) == [("CLOSED", "LISTEN"), *OPENED]
    assert causes(story)[1:] == [syn, ack]


def test_a_listener_closes() -> None:
    story = Story()
    story.call("listen", 16)
    story.state(S.LISTEN, None)
    at = len(story.recording.events)
    story.add(CallMade(story.tick(), "close", (), None, "", None, None))
    story.state(S.CLOSED, None)
    assert walked(story) == [("CLOSED", "LISTEN"), ("LISTEN", "CLOSED")]
    assert causes(story)[-1] == at


def test_the_kernel_connects() -> None:
    story = connecting()
    answer = story.peer("SA", ack=1)
    story.state(S.ESTABLISHED)
    assert walked(story) == [("CLOSED", "SYN-SENT"), ("SYN-SENT", "ESTABLISHED")]
    assert causes(story)[-1] == answer


def test_a_connect_to_another_port_does_not_count() -> None:
    story = Story()
    story.call("connect", 90, error="EINPROGRESS")
    story.state(S.SYN_SENT)
    assert walked(story) == []


def test_a_request_that_a_reset_ends_goes_back_to_listen() -> None:
    story = Story()
    story.peer("S")
    observe(story, S.SYN_RECEIVED)
    story.peer("R", seq=1)
    observe(story, S.CLOSED)
    assert walked(story) == [("LISTEN", "SYN-RECEIVED"), ("SYN-RECEIVED", "LISTEN")]


def test_a_request_that_times_out_does_not() -> None:
    story = Story()
    story.peer("S")
    observe(story, S.SYN_RECEIVED)
    story.wait(MINUTE_MS)
    observe(story, S.CLOSED)
    assert walked(story) == [("LISTEN", "SYN-RECEIVED")]


def test_nor_does_a_reset_after_an_active_open() -> None:
    story = connecting()
    story.peer("S")
    story.state(S.SYN_RECEIVED)
    story.peer("R", seq=1)
    story.state(S.CLOSED)
    assert walked(story) == [("CLOSED", "SYN-SENT"), ("SYN-SENT", "SYN-RECEIVED")]


def test_a_socket_that_is_closed_before_any_answer() -> None:
    story = connecting()
    story.call("close")
    story.state(S.CLOSED)
    assert walked(story)[-1] == ("SYN-SENT", "CLOSED")


def test_a_refused_connect_that_is_closed_later_is_no_such_arrow() -> None:
    story = connecting()
    story.peer("RA", ack=1)
    story.state(S.CLOSED)
    story.call("close")
    assert walked(story) == [("CLOSED", "SYN-SENT")]


def test_only_the_acknowledgment_of_the_fin_leads_on() -> None:
    story = closed_first()
    story.peer("A", seq=1, ack=1)
    whole = story.peer("A", seq=1, ack=2)
    story.state(S.FIN_WAIT_2)
    assert walked(story)[-2:] == [("ESTABLISHED", "FIN-WAIT-1"), ("FIN-WAIT-1", "FIN-WAIT-2")]
    assert causes(story)[-1] == whole
    short = closed_first()
    short.peer("A", seq=1, ack=1)
    short.state(S.FIN_WAIT_2)  # which a kernel would not say
    assert walked(short)[-1] == ("ESTABLISHED", "FIN-WAIT-1")


def test_a_later_query_is_attributed_to_the_first_cause() -> None:
    story = closed_first()
    story.peer("A", seq=1, ack=2)
    story.state(S.FIN_WAIT_2)
    fin = story.peer("FA", seq=1, ack=2)
    story.peer("FA", seq=1, ack=2, retransmission=True)
    observe(story, S.TIME_WAIT)
    assert (walked(story)[-1], causes(story)[-1]) == (("FIN-WAIT-2", "TIME-WAIT"), fin)


def test_a_tracepoint_event_is_attributed_to_the_last_cause_before_it() -> None:
    story = established()
    story.call("close")  # of one of two descriptors
    close = len(story.recording.events)
    story.call("close")
    told_ns = story.tick()
    fin = story.kernel("FA", seq=1, ack=1)
    story.call("close")
    story.add(StateSeen(told_ns, 0, S.FIN_WAIT_1, "tracepoint"))
    assert (walked(story)[-1], causes(story)[-1]) == (("ESTABLISHED", "FIN-WAIT-1"), close)
    assert fin > close


def test_closed_is_no_state_while_a_mini_socket_goes_on() -> None:
    story = closed_first()
    story.peer("FA", seq=1, ack=1)
    story.state(S.CLOSING)
    story.peer("A", seq=2, ack=2)
    story.state(S.CLOSED)
    observe(story, S.TIME_WAIT)
    assert walked(story)[-2:] == [("FIN-WAIT-1", "CLOSING"), ("CLOSING", "TIME-WAIT")]


def time_wait() -> Story:
    story = closed_first()
    story.peer("A", seq=1, ack=2)
    story.state(S.FIN_WAIT_2)
    story.peer("FA", seq=1, ack=2)
    observe(story, S.TIME_WAIT)
    return story


def test_time_wait_ends_by_its_timer() -> None:
    story = time_wait()
    story.wait(MINUTE_MS)
    observe(story, S.CLOSED)
    assert (walked(story)[-1], causes(story)[-1]) == (("TIME-WAIT", "CLOSED"), None)
    (found,) = reports(story).edges[-1].kernel
    assert (found.packet, found.text) == (None, "a timer: 60.0 s without a segment")


def test_the_tracepoint_does_not_report_the_end_of_time_wait() -> None:
    story = time_wait()
    story.wait(MINUTE_MS / 2)
    story.state(S.CLOSED)
    assert walked(story)[-1] == ("FIN-WAIT-2", "TIME-WAIT")
    story.wait(MINUTE_MS / 2)
    observe(story, S.CLOSED)
    (found,) = reports(story).edges[-1].kernel
    assert found.text == "a timer: 60.0 s without a segment"


@pytest.mark.parametrize("letters", ["R", "S"])
def test_time_wait_that_a_segment_ends_is_no_such_arrow(letters: str) -> None:
    story = time_wait()
    story.peer(letters, seq=2)
    story.wait(MINUTE_MS)
    observe(story, S.CLOSED)
    assert walked(story)[-1] == ("FIN-WAIT-2", "TIME-WAIT")


def test_time_wait_that_ends_immediately_is_no_such_arrow() -> None:
    story = time_wait()
    observe(story, S.CLOSED)
    assert walked(story)[-1] == ("FIN-WAIT-2", "TIME-WAIT")


def test_a_reset_acknowledges_no_fin() -> None:
    story = established()
    story.peer("FA", seq=1, ack=1)
    story.state(S.CLOSE_WAIT)
    story.call("close")
    story.state(S.LAST_ACK)
    story.kernel("FA", seq=1, ack=2)
    story.peer("RA", seq=2, ack=2)
    story.state(S.CLOSED)
    assert walked(story)[-2:] == [("ESTABLISHED", "CLOSE-WAIT"), ("CLOSE-WAIT", "LAST-ACK")]


def test_lost_or_damaged_segments_walk_no_arrow() -> None:
    for spoilt in ({"lost": True}, {"faults": ("bad checksum",)}):
        story = established()
        story.peer("FA", seq=1, ack=1, **spoilt)
        story.state(S.CLOSE_WAIT)
        assert walked(story) == OPENED


def test_a_delayed_segment_counts_when_it_arrives() -> None:
    story = Story()
    syn = story.peer("S")
    story.call("connect", 40001, error="EINPROGRESS")
    story.state(S.SYN_SENT)
    story.kernel("S")
    story.crossing_over(syn)
    story.state(S.SYN_RECEIVED)
    assert walked(story) == [("CLOSED", "SYN-SENT"), ("SYN-SENT", "SYN-RECEIVED")]
    assert causes(story)[-1] == syn


def test_both_arrows_that_one_segment_walks_count() -> None:
    story = closed_first()
    both = story.peer("FA", seq=1, ack=2)
    story.state(S.FIN_WAIT_2)
    story.state(S.CLOSED)
    observe(story, S.TIME_WAIT)
    assert walked(story)[-2:] == [("FIN-WAIT-1", "FIN-WAIT-2"), ("FIN-WAIT-2", "TIME-WAIT")]
    assert causes(story)[-2:] == [both, both]


def test_the_peers_arrows_come_from_its_model() -> None:
    story = Story()
    first = story.kernel("S", S.SYN_RECEIVED)
    story.peer("SA", S.SYN_RECEIVED, ack=1)
    ack = story.kernel("A", S.ESTABLISHED, seq=1, ack=1)
    story.kernel("A", None, seq=1, ack=1)  # lost
    fin = story.peer("FA", S.FIN_WAIT_1, seq=1, ack=1)
    seen = [(str(each.edge.source), str(each.edge.target), each.cause) for each in peer_edges(story.recording)]
    assert seen == [
        ("CLOSED", "LISTEN", first),
        ("LISTEN", "SYN-RECEIVED", first),
        ("SYN-RECEIVED", "ESTABLISHED", ack),
        ("ESTABLISHED", "FIN-WAIT-1", fin),
    ]


def test_a_peer_that_a_reset_ends_walks_no_arrow_of_the_figure() -> None:
    story = Story()
    story.peer("S", S.SYN_SENT)
    story.kernel("RA", S.CLOSED, ack=1)
    assert [(str(each.edge.source), str(each.edge.target)) for each in peer_edges(story.recording)] == [
        ("CLOSED", "SYN-SENT")
    ]


def reports(*stories: Story) -> Coverage:
    scenario = Scenario("file.one", "A title", "RFC 9293", (4, 6), {}, {}, False, False, Path("file.py"), 1)
    return coverage(Run([Result(scenario, 4, Outcome.PASS, 0.1, story.recording) for story in stories]))


def report(found: Coverage, source: State, target: State) -> EdgeReport:
    return next(each for each in found.edges if (each.edge.source, each.edge.target) == (source, target))


def test_each_arrow_has_the_packet_that_caused_it_or_the_one_that_the_call_sent() -> None:
    story = Story()
    story.step("A first step")
    for event in closed_first().recording.events:
        story.recording.events.append(event)
    found = reports(story)
    opened = report(found, S.SYN_RECEIVED, S.ESTABLISHED).kernel
    assert [(each.packet, each.step) for each in opened] == [(3, "A first step")]
    assert opened[0].text == "peer > kernel  A 1:1(0) ack 1 win 64240"
    (closed,) = report(found, S.ESTABLISHED, S.FIN_WAIT_1).kernel
    assert (closed.packet, closed.text) == (4, "close() = 0, kernel > peer  FA 1:1(0) ack 1 win 64240")
    assert report(found, S.CLOSE_WAIT, S.LAST_ACK).kernel == ()


def test_each_scenario_is_listed_once() -> None:
    assert len(report(reports(established(), established()), S.SYN_RECEIVED, S.ESTABLISHED).kernel) == 1


def test_states_are_those_that_a_connection_was_in() -> None:
    story = time_wait()
    story.add(StateSeen(story.now_ns, 0, S.CLOSED, "tracepoint"))
    observe(story, S.TIME_WAIT)
    seen = {each.state for each in reports(story).states if each.kernel}
    assert seen == {S.SYN_RECEIVED, S.ESTABLISHED, S.FIN_WAIT_1, S.FIN_WAIT_2, S.TIME_WAIT}


def test_what_linux_does_not_offer_has_a_reason_and_what_takes_long_too() -> None:
    found = reports()
    assert [(str(each.edge.source), str(each.edge.event)) for each in found.edges if not each.offered] == [
        ("LISTEN", "the user sends")
    ]
    assert "EPIPE" in report(found, S.LISTEN, S.SYN_SENT).reason
    assert "--full" in report(found, S.TIME_WAIT, S.CLOSED).reason
    assert report(found, S.LAST_ACK, S.CLOSED).reason == ""


def test_the_figure_has_twenty_arrows_and_no_two_between_the_same_states() -> None:
    assert len(FIGURE_5) == len({(edge.source, edge.target) for edge in FIGURE_5}) == 20


def test_json_names_every_arrow() -> None:
    told = as_json(reports(established()))
    assert [each["state"] for each in told["states"]] == [state.value for state in State]
    assert len(told["edges"]) == 20
    opened = next(each for each in told["edges"] if each["target"] == "ESTABLISHED" and each["kernel"])
    assert {**opened, "kernel": []} == {
        "source": "SYN-RECEIVED",
        "event": "ACK of our SYN",
        "sends": None,
        "target": "ESTABLISHED",
        "section": "RFC 9293 3.10.7.4 fifth",
        "offered": True,
        "reason": "",
        "kernel": [],
        "peer": [],
    }
    assert opened["kernel"][0]["packet"] == 3


@pytest.mark.parametrize("width", [80, 120])
def test_text_has_each_arrow_and_the_totals(width: int) -> None:
    lines = list(coverage_lines(reports(time_wait()), width))
    assert max(map(len, lines)) <= width
    assert "  CLOSED        not seen" in lines
    assert "  FIN-WAIT-1 > FIN-WAIT-2    ACK of our FIN                            1     -" in lines
    assert lines[-2:] == [
        "the kernel: 5 of 11 states, 5 of 19 arrows that Linux offers",
        "the peers:  2 of 20 arrows",
    ]


def test_a_frame_without_a_segment_is_no_cause() -> None:
    story = established()
    story.recording.events.append(
        FrameSeen(story.tick(), True, b"", None, 0, S.ESTABLISHED, False, Bases(*ISS.values()))
    )
    story.state(S.CLOSE_WAIT)
    assert walked(story) == OPENED
