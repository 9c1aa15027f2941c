"""A kernel in the right is not accused: the standing rules allow its answers to segments out of every order."""

from __future__ import annotations

import pytest

from lab import Connection, Lab, Peer

HALF = 1 << 31


def listening(lab: Lab, **offer: object) -> Peer:
    return lab.peer(to=lab.kernel.listen(80), **offer)  # type: ignore[arg-type]


@pytest.mark.parametrize("seq", [0, -100, -HALF + 10], ids=["keep-alive with an octet", "before the ISS", "far away"])
def test_a_duplicate_is_reported_by_sack(lab: Lab, seq: int) -> None:
    peer = listening(lab, sack_permitted=True)
    peer.open()
    peer.send("A", seq=seq, payload="x")
    answer = peer.expect("A", seq=1, ack=1)
    assert answer.options[-1][0] == "SAck"
    lab.finish()


def test_a_reset_between_two_syns_that_nobody_read(lab: Lab) -> None:
    peer = listening(lab)
    peer.send("S", seq=0)
    peer.send("R", seq=1)
    peer.send("S", seq=0)
    peer.expect("SA", ack=1)
    peer.expect("SA", ack=1)
    lab.settle()


def test_an_old_duplicate_syn_that_is_reset_before_the_answer_is_read(lab: Lab) -> None:
    """RFC 9293 figure 8: the old duplicate, the reset that its answer gets, and the SYN."""
    peer = listening(lab)
    peer.send("S", seq=-10)
    peer.send("R", seq=-9)
    peer.send("S", seq=0)
    peer.expect("SA")
    peer.expect("SA")
    peer.send("A", seq=1)
    lab.settle()


@pytest.mark.parametrize("first_scales", [True, False])
def test_two_syns_with_one_number_and_different_options(lab: Lab, first_scales: bool) -> None:
    peer = listening(lab)
    scaled, plain = (("WScale", 7),), (("MSS", 1460),)
    for options in (scaled, plain) if first_scales else (plain, scaled):
        peer.send("S", seq=0, options=options)
    peer.expect("SA", ack=1)
    peer.expect("SA", ack=1)
    peer.send("A", seq=1, ack=1)
    peer.send("PA", seq=1, ack=1, payload="x")
    peer.expect("A", ack=2)
    lab.settle()


@pytest.mark.parametrize("window", [0, 1, 5])
def test_a_window_that_shrinks_in_a_segment_out_of_order(lab: Lab, window: int) -> None:
    peer = listening(lab)
    connection = peer.open()
    connection.send("0123456789")
    peer.expect("PA", payload="0123456789")
    peer.send("A", seq=100, ack=5, window=window, payload="later")
    peer.expect("A")
    peer.send("A", seq=1, ack=5, window=window + 1)
    peer.send("A", seq=-1, payload="old")
    peer.expect("A")
    lab.settle()


@pytest.mark.parametrize("distance", [HALF - 1, HALF, HALF + 1])
def test_a_number_half_the_circle_away(lab: Lab, distance: int) -> None:
    peer = listening(lab)
    peer.open()
    peer.send("A", seq=1, ack=1 + distance)
    peer.send("A", seq=1 + distance, ack=1)
    peer.send("PA", seq=1, ack=1, payload="x")
    lab.settle()
    peer.skip_until("A", ack=2)


def test_the_window_in_time_wait_while_text_is_unread(lab: Lab) -> None:
    peer = listening(lab)
    connection: Connection = peer.open()
    peer.send("PA", payload=bytes(1000))
    peer.expect("A", ack=1001)
    connection.shutdown("write")
    peer.expect("FA")
    peer.send("A")
    peer.send("FA")
    peer.expect("A", ack=1002)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    peer.send("FA", seq=1001)
    peer.expect("A", ack=1002)
    lab.settle()


def test_a_syn_ack_after_one_with_another_number_that_was_refused(lab: Lab) -> None:
    peer = lab.peer(port=80, timestamps=True, window_scale=3)
    lab.kernel.connect(to=peer)
    peer.expect("S")
    peer.send("SA", seq=0, ack=100)
    peer.expect("R", seq=100)
    peer.send("SA", seq=700, ack=1)
    answer = peer.expect("A", ack=701)
    assert answer.options[-1][0] == "Timestamp"
    lab.settle()


def test_syns_cross_and_only_the_kernel_scales_its_window(lab: Lab) -> None:
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    peer.expect("S")
    peer.send("S")
    peer.expect("SA")
    peer.send("A", seq=1, ack=1)
    peer.send("PA", seq=1, ack=1, payload="x")
    answer = peer.expect("A", ack=2)
    assert answer.window < 1000, "in units of its scale"
    lab.settle()
