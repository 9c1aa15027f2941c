"""A peer that answers by itself: the model decides what it sends, whatever the scenario waits for."""

from __future__ import annotations

import time

from lab.author.lab import Lab
from lab.record.events import FrameSeen
from lab.report.i18n import translator
from lab.wire.faults import lost


def letters_of_peer(lab: Lab) -> list[str]:
    frames = [each for each in lab.recording.events if isinstance(each, FrameSeen) and each.from_peer]
    return [each.segment.letters for each in frames if each.segment]


def test_it_opens_transfers_and_closes(lab: Lab) -> None:
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    application = peer.answer_by_itself()
    application.connect()
    connection = server.accept(of=peer)
    application.send("x" * 4000)
    connection.expect_data("x" * 4000)
    connection.send("y" * 4000)
    lab.settle()
    assert peer.received == b"y" * 4000
    connection.close()
    lab.settle()
    assert peer.state == "CLOSE-WAIT"
    application.close()
    lab.settle()
    assert (peer.state, lab.kernel.inet_diag(peer).state) == ("CLOSED", "TIME-WAIT")
    lab.finish()


def test_a_listening_peer_answers_a_kernel_that_connects(lab: Lab) -> None:
    peer = lab.peer(port=80)
    application = peer.answer_by_itself()
    client = lab.kernel.connect(to=peer)
    client.expect_connected()
    application.send("hello")
    client.expect_data("hello")
    application.abort()
    lab.kernel.expect_state(peer, "CLOSED")
    lab.finish()


def test_its_timer_sends_again_what_was_lost(lab4: Lab) -> None:
    server = lab4.kernel.listen(port=80)
    peer = lab4.peer(to=server)
    application = peer.answer_by_itself()
    lab4.disturb(1, to_kernel=[lost("S")])
    began = time.monotonic()
    application.connect()
    server.accept(of=peer)
    assert time.monotonic() - began >= 1.0
    assert letters_of_peer(lab4) == ["S", "S", "A"]


def test_its_timers_go_on_while_someone_types_in_the_shell(lab4: Lab) -> None:
    """`lab shell` looks around ten times a second, and waits for nothing."""
    peer = lab4.peer(to=lab4.kernel.listen(port=80))
    application = peer.answer_by_itself()
    lab4.disturb(1, to_kernel=[lost("S")])
    application.connect()
    until = time.monotonic() + 10
    while peer.state != "ESTABLISHED" and time.monotonic() < until:
        lab4.look_around()
    assert letters_of_peer(lab4) == ["S", "S", "A"]


def test_the_scenario_may_expect_what_it_answers_and_need_not(lab4: Lab) -> None:
    peer = lab4.peer(port=80)
    peer.answer_by_itself()
    client = lab4.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    peer.expect("A", seq=1, ack=1)
    client.send("nobody expects this")
    client.close()
    lab4.kernel.expect_state(peer, "FIN-WAIT-2")
    lab4.finish()


def test_an_error_of_a_user_call_is_translated() -> None:
    said = translator("zh").text("the peer is in SYN-SENT: connection already exists")
    assert said == "对端处于 SYN-SENT：连接已存在"
