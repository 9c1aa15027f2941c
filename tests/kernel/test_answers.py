"""An answer is not a retransmission, however long after the first transmission it comes."""

from __future__ import annotations

import pytest

from lab import Lab, Peer
from lab.session.errors import KernelDiffers
from tests.kernel.helpers import kernels_frames

PAUSE_S = 0.005


def answered(lab: Lab) -> Peer:
    """A peer whose SYN came twice: the kernel has sent its SYN+ACK twice."""
    peer = lab.peer(to=lab.kernel.listen(80)).syn_received()
    peer.expect_silence(during=PAUSE_S)
    peer.send("S", seq=0)
    return peer


def test_a_syn_ack_that_a_syn_asks_for_breaks_the_silence(lab: Lab) -> None:
    peer = answered(lab)
    with pytest.raises(KernelDiffers) as raised:
        peer.expect_silence()
    assert raised.value.check.rows == (("segment", "none", "SA", False),)


def test_a_syn_ack_that_a_syn_asks_for_is_not_left_over_at_the_end(lab: Lab) -> None:
    answered(lab)
    with pytest.raises(KernelDiffers) as raised:
        lab.finish()
    assert raised.value.check.subject == "nothing else was sent"


def test_a_syn_ack_that_a_syn_asks_for_can_be_expected(lab: Lab) -> None:
    answered(lab).expect("SA", seq=0, ack=1)
    lab.finish()
    assert [each.retransmission for each in kernels_frames(lab, "SA")] == [False, False]


def test_the_timer_sends_the_syn_ack_again_after_an_answer(lab: Lab) -> None:
    peer = answered(lab)
    peer.expect("SA", seq=0, ack=1)
    peer.expect("SA", seq=0, ack=1)
    assert [each.retransmission for each in kernels_frames(lab, "SA")] == [False, False, True]


def test_text_that_duplicate_acks_ask_for_breaks_the_silence(lab: Lab) -> None:
    lab.kernel.set_route(rto_min=60_000)  # in ms: on a busy machine no timer comes first
    peer = lab.peer(to=lab.kernel.listen(80), mss=100)
    connection = peer.open()
    connection.set_option("TCP_NODELAY", 1)
    for text in "abcdef":
        connection.send(text)
        peer.expect("PA", payload=text)
    peer.expect_silence(during=PAUSE_S)
    for _ in range(4):
        peer.send("A", ack=1)
    with pytest.raises(KernelDiffers) as raised:
        peer.expect_silence()
    assert raised.value.check.rows[0][2].startswith("PA")
    assert not any(each.retransmission for each in kernels_frames(lab))


def test_a_syn_that_a_timer_repeats_at_once_is_a_retransmission(lab: Lab) -> None:
    """Linux shortens the timer of its SYN to two jiffies when an unacceptable ACK comes."""
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    peer.expect("S")
    peer.send("SA", ack=0)
    peer.expect("R", seq=0)
    peer.expect_silence(during=0.1)
    assert [each.retransmission for each in kernels_frames(lab, "S")] == [False, True]
