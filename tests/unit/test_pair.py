"""Endpoint against endpoint on a virtual clock, with any losses, repetitions and delays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.tcp.diagram import CLOSED, ESTABLISHED, TIME_WAIT, Event
from lab.tcp.endpoint import Config
from lab.tcp.sequence import Seq
from tests.unit.pair import LATENCY_S, Fate, Pair

PLAIN = Config(syn_retries=30, synack_retries=30, retries=30)
RICH = Config(
    syn_retries=30,
    synack_retries=30,
    retries=30,
    iss=Seq(2**32 - 900),
    timestamps=True,
    window_scale=3,
    sack_permitted=True,
    window=200_000,
)
CONFIGS = pytest.mark.parametrize(
    ("left", "right"), [(PLAIN, PLAIN), (RICH, RICH), (PLAIN, RICH), (RICH, PLAIN)], ids=["plain", "rich", "p-r", "r-p"]
)
LEFT_TEXT, RIGHT_TEXT = bytes(range(256)) * 20, bytes(reversed(range(256))) * 9

FATES = st.lists(
    st.one_of(
        st.just(()),
        st.just((LATENCY_S,)),
        st.tuples(st.sampled_from([0.0, LATENCY_S, 0.3, 2.5])),
        st.tuples(st.sampled_from([LATENCY_S, 0.05]), st.sampled_from([0.02, 0.7, 4.0])),
    ),
    max_size=25,
)


def converse(pair: Pair, *, simultaneous_open: bool = False, simultaneous_close: bool = False) -> None:
    """Open, send both ways, close; everything is to arrive, whatever the wire does."""
    if simultaneous_open:
        pair.right.connect(pair.now)
    else:
        pair.right.listen()
    pair.left.connect(pair.now)
    pair.left.send(LEFT_TEXT, pair.now)
    if simultaneous_open:
        pair.right.send(RIGHT_TEXT, pair.now)
    pair.run()
    assert pair.left.state is pair.right.state is ESTABLISHED
    if not simultaneous_open:
        pair.right.send(RIGHT_TEXT, pair.now)
    pair.left.close(pair.now)
    if simultaneous_close:
        pair.right.close(pair.now)
    pair.run()
    if not simultaneous_close:
        pair.right.close(pair.now)
        pair.run()
    assert (pair.left.state, pair.right.state) == (CLOSED, CLOSED)
    assert (pair.left.error, pair.right.error) == (None, None)
    assert (pair.left.read(), pair.right.read()) == (RIGHT_TEXT, LEFT_TEXT)
    assert pair.breaches == []


@CONFIGS
def test_a_conversation(left: Config, right: Config) -> None:
    converse(Pair(left, right))


@settings(max_examples=120)
@given(st.sampled_from([PLAIN, RICH]), st.sampled_from([PLAIN, RICH]), FATES, st.booleans(), st.booleans())
def test_a_conversation_survives_any_wire(
    left: Config, right: Config, fates: list[Fate], opened: bool, closed: bool
) -> None:
    converse(Pair(left, right, fates), simultaneous_open=opened, simultaneous_close=closed)


@settings(max_examples=40)
@given(st.integers(2**32 - 6000, 2**32 - 1), FATES)
def test_any_number_may_be_the_one_that_wraps(iss: int, fates: list[Fate]) -> None:
    converse(Pair(replace(PLAIN, iss=Seq(iss)), replace(PLAIN, iss=Seq(iss + 2500)), fates))


def test_options_are_used_only_if_both_offer_them() -> None:
    pair = Pair(RICH, PLAIN)
    converse(pair)
    assert not pair.left.ts_ok
    assert not pair.left.sack_ok
    assert pair.left.rcv_shift == pair.left.snd_shift == 0
    pair = Pair(RICH, RICH)
    converse(pair)
    assert pair.left.ts_ok
    assert pair.left.sack_ok
    assert pair.left.rcv_shift == pair.left.snd_shift == 3


def test_simultaneous_open_goes_through_syn_received_on_both_sides() -> None:
    pair = Pair()
    pair.left.connect(0.0)
    pair.right.connect(0.0)
    pair.run()
    for endpoint in (pair.left, pair.right):
        assert [step.event for step in endpoint.walked] == [Event.ACTIVE_OPEN, Event.SYN, Event.ACK_OF_SYN]
        assert pair.letters(endpoint) == ["S", "SA"]


def test_simultaneous_close_goes_through_closing_on_both_sides() -> None:
    pair = Pair()
    pair.right.listen()
    pair.left.connect(0.0)
    pair.run()
    pair.left.close(pair.now)
    pair.right.close(pair.now)
    closed_at = pair.now
    pair.run(until=closed_at + 1)
    for endpoint in (pair.left, pair.right):
        assert [step.event for step in endpoint.walked[-3:]] == [Event.CLOSE, Event.FIN, Event.ACK_OF_FIN]
        assert endpoint.state is TIME_WAIT


def test_half_close_leaves_the_other_direction_open() -> None:
    pair = Pair()
    pair.right.listen()
    pair.left.connect(0.0)
    pair.left.send(b"question", 0.0)
    pair.run()
    pair.left.close(pair.now)
    pair.run()
    assert pair.right.read() == b"question"
    for part in (b"long ", b"answer"):
        pair.right.send(part, pair.now)
        pair.run()
    assert pair.left.read() == b"long answer"
    pair.right.close(pair.now)
    pair.run(until=pair.now + 1)
    assert (pair.left.state, pair.right.state) == (TIME_WAIT, CLOSED)


def test_a_small_reader_is_never_overrun() -> None:
    pair = Pair(Config(), Config(window=3000))
    pair.right.listen()
    pair.left.connect(0.0)
    pair.left.send(LEFT_TEXT * 3, 0.0)
    got = b""
    while len(got) < len(LEFT_TEXT) * 3:
        pair.run(until=pair.now + 0.5)
        assert len(pair.right.received) <= 3000
        got += pair.right.read()
    assert got == LEFT_TEXT * 3
    assert pair.breaches == []
