"""An endpoint whose author decides what leaves: it proposes, and learns from what was sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tcp.diagram import (
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
    FIN_WAIT_1,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.flags import bits
from lab.tcp.input import segment_arrives
from lab.tcp.options import Options, has
from lab.tcp.output import due_retransmission, next_segment, segment_leaves, segments_owed
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from tests.unit.states import IRS, NOW, endpoint_in, established, listening

RICH = Config(timestamps=True, window_scale=7, sack_permitted=True)
SYN_OPTIONS = ("MSS", "SAckOK", "Timestamp", "WScale")


def send(endpoint: Endpoint, flags: str, payload: bytes = b"", **fields: object) -> Segment:
    segment = next_segment(endpoint, bits(flags), payload, NOW)._replace(**fields)  # type: ignore[arg-type]
    segment_leaves(endpoint, segment, NOW)
    return segment


def receive(endpoint: Endpoint, flags: str, payload: bytes = b"", **fields: object) -> None:
    segment = Segment(endpoint.rcv_nxt, endpoint.snd_nxt, bits(flags), 1000, (), payload)
    segment_arrives(endpoint, segment._replace(**fields), NOW)  # type: ignore[arg-type]


def test_a_client_that_opens_and_closes() -> None:
    peer = Endpoint(RICH)
    syn = send(peer, "S")
    assert (syn.seq, syn.ack) == (peer.config.iss, 0)
    assert all(has(syn.options, name) for name in SYN_OPTIONS)
    assert peer.state is SYN_SENT
    receive(peer, "SA", seq=IRS, options=(("WScale", 3), ("Timestamp", (50, 1))))
    assert peer.state is ESTABLISHED
    ack = send(peer, "A")
    assert (ack.seq, ack.ack, ack.window) == (syn.seq + 1, IRS + 1, 65535 >> 7)
    assert ack.options == (("NOP", None), ("NOP", None), ("Timestamp", (int(NOW * 1000), 50)))
    assert segments_owed(peer, NOW) == []
    text = send(peer, "PA", b"hello")
    assert (text.seq, peer.snd_nxt) == (ack.seq, ack.seq + 5)
    fin = send(peer, "FA")
    assert (fin.seq, peer.state) == (text.end, FIN_WAIT_1)
    receive(peer, "FA", options=(("Timestamp", (51, 1)),))
    assert peer.state is TIME_WAIT
    assert send(peer, "A").ack == IRS + 2


def test_a_server_whose_author_changes_the_options() -> None:
    peer = listening(RICH)
    offered: Options = (("SAckOK", b""), ("Timestamp", (50, 0)), ("WScale", 3))
    receive(peer, "S", seq=IRS, options=offered)
    send(peer, "SA", options=(("WScale", 2),), seq=Seq(5))
    assert (peer.iss, peer.snd_una, peer.snd_nxt, peer.state) == (5, 5, 6, SYN_RECEIVED)
    assert (peer.rcv_shift, peer.snd_shift, peer.ts_ok, peer.sack_ok) == (2, 3, False, False)
    receive(peer, "A")
    assert peer.state is ESTABLISHED
    receive(peer, "FA")
    send(peer, "A")
    assert peer.state is CLOSE_WAIT
    send(peer, "FA")
    assert peer.state is LAST_ACK
    receive(peer, "A")
    assert peer.state is CLOSED


def test_a_syn_from_listen_is_the_active_open_of_figure_5() -> None:
    peer = listening()
    send(peer, "S")
    assert peer.state is SYN_SENT


def test_a_second_syn_proposes_the_first_number() -> None:
    peer = Endpoint()
    first = send(peer, "S")
    again = send(peer, "S")
    assert again == first
    assert peer.snd_nxt == first.end
    receive(peer, "S", seq=IRS)
    crossing = send(peer, "SA")
    assert (crossing.seq, crossing.ack) == (first.seq, IRS + 1)
    assert segments_owed(peer, NOW) == []


def test_a_second_syn_with_another_number_changes_nothing() -> None:
    peer = Endpoint()
    first = send(peer, "S")
    send(peer, "S", seq=first.seq + 100)
    assert (peer.iss, peer.snd_nxt) == (first.seq, first.end)
    assert not peer.unacknowledged[0].retransmitted


@pytest.mark.parametrize("state", [ESTABLISHED, CLOSE_WAIT, FIN_WAIT_1])
def test_a_syn_on_an_open_connection_is_only_sent(state: State) -> None:
    peer = endpoint_in(state)
    before = peer.snd_nxt
    assert send(peer, "S").seq == before
    assert (peer.state, peer.snd_nxt) == (state, before)


@pytest.mark.parametrize("state", [state for state in State if state not in (CLOSED, LISTEN)], ids=str)
def test_a_reset_at_snd_nxt_is_an_abort(state: State) -> None:
    peer = endpoint_in(state)
    send(peer, "R", seq=peer.snd_nxt + 5)
    assert peer.state is state
    send(peer, "RA")
    assert peer.state is CLOSED


@pytest.mark.parametrize("state", [CLOSED, LISTEN], ids=str)
def test_without_a_connection_a_reset_is_only_sent(state: State) -> None:
    peer = endpoint_in(state)
    send(peer, "R")
    assert peer.state is state


def test_text_sent_before_the_text_in_front_of_it_is_counted_when_the_gap_is_filled() -> None:
    peer = established()
    start = peer.snd_nxt
    send(peer, "PA", b"klmno", seq=start + 10)
    send(peer, "FA", seq=start + 15)
    send(peer, "PA", b"far away", seq=start + 100_000)
    assert (peer.snd_nxt, peer.state) == (start, ESTABLISHED)
    send(peer, "PA", b"abc")
    assert peer.snd_nxt == start + 3
    send(peer, "PA", b"defghij")
    assert (peer.snd_nxt, peer.state) == (start + 16, FIN_WAIT_1)


def test_a_retransmission_counts_once_and_its_new_text_too() -> None:
    peer = established()
    start = peer.snd_nxt
    send(peer, "PA", b"abc")
    send(peer, "PA", b"abc", seq=start)
    assert peer.snd_nxt == start + 3
    srtt = peer.rto.srtt
    receive(peer, "A")
    assert peer.rto.srtt == srtt  # Karn
    send(peer, "PA", b"cde", seq=start + 2)
    assert peer.snd_nxt == start + 5


def test_nothing_counts_behind_the_fin() -> None:
    peer = endpoint_in(FIN_WAIT_1)
    before = peer.snd_nxt
    send(peer, "PA", b"late")
    send(peer, "FA")
    assert peer.snd_nxt == before


@pytest.mark.parametrize("flags", ["SF", "SR", "FR", "F", "P", "SFR"])
def test_what_the_rfc_never_sends_changes_nothing(flags: str) -> None:
    peer = established()
    before = peer.snd_nxt
    send(peer, flags, b"text", seq=before)
    assert (peer.snd_nxt, peer.state) == (before, ESTABLISHED)


def test_a_wrong_acknowledgment_leaves_the_right_one_owed() -> None:
    peer = established()
    receive(peer, "PA", b"text")
    send(peer, "A", ack=peer.rcv_nxt + 1)
    assert [segment.ack for segment in segments_owed(peer, NOW)] == [peer.rcv_nxt]


def test_a_scripted_segment_can_be_asked_for_again() -> None:
    peer = established()
    text = send(peer, "PA", b"text")
    assert due_retransmission(peer, NOW) == text


def test_a_syn_ack_is_repeated_as_such() -> None:
    peer = endpoint_in(SYN_RECEIVED)
    again = due_retransmission(peer, NOW)
    assert again is not None
    assert (again.letters, again.seq) == ("SA", peer.iss)


SEGMENTS = st.builds(
    Segment,
    st.integers(-3, 3).map(lambda offset: Seq(2**32 - 2 + offset)),
    st.integers(-3, 3).map(lambda offset: IRS + offset),
    st.integers(0, 511),
    st.sampled_from([0, 1, 1000, 65535]),
    st.sampled_from([(), (("Timestamp", (1, 2)),), (("MSS", 0), ("WScale", 255), ("SAckOK", b""))]),
    st.sampled_from([b"", b"x", bytes(2000)]),
    st.sampled_from([0, 1, 65535]),
)


@given(st.sampled_from(list(State)), st.lists(st.tuples(st.booleans(), SEGMENTS), max_size=12))
def test_any_nonsense_may_be_sent_and_received(state: State, story: list[tuple[bool, Segment]]) -> None:
    peer = endpoint_in(state)
    for index, (incoming, segment) in enumerate(story):
        now = NOW + index
        (segment_arrives if incoming else segment_leaves)(peer, segment, now)
        segments_owed(peer, now)
        peer.handle_timeout(now)
    assert all(step.target is not step.source or step.source is TIME_WAIT for step in peer.walked)
