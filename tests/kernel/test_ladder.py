"""Ladders of the real kernel: lines that are no segments."""

from __future__ import annotations

from lab.author.lab import Lab
from lab.report.ladder import ladder_of
from lab.report.screen import Screen
from lab.report.text import ladder_lines
from lab.report.verdicts import check_lines
from lab.tcp.rules import RULES
from lab.wire.faults import Action, Fault


def lines_of(lab: Lab) -> list[list[str]]:
    """The words of each line, without the time."""
    lab.catch_up()
    return [line[11:].split() for line in ladder_lines(ladder_of(lab.recording), Screen(width=200))][1:]


def test_crossing_segments_show_the_states_of_each_side(lab: Lab) -> None:
    peer = lab.peer(to=5000, port=80)
    with lab.crossing():
        peer.send("S")
        lab.kernel.connect(to=peer, port=5000)
        peer.expect("S")
        lab.kernel.expect_state(peer, "SYN-SENT")
    peer.expect("SA")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    syn, _, _, kernels_syn, arrives, syn_ack, *_ = lines_of(lab)
    assert syn[:2] == ["SYN-SENT", "S·····"]
    assert kernels_syn[:3] == ["SYN-RECEIVED", "◄────S", "SYN-SENT"]
    assert arrives == ["·····►", "SYN-RECEIVED", "what", "was", "on", "its", "way", "to", "the", "kernel", "arrives"]
    assert syn_ack[:3] == ["ESTABLISHED", "◄───SA", "SYN-RECEIVED"]


def test_a_lost_segment_of_the_kernel_is_marked(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    lab.disturb(1, from_kernel=[Fault(Action.DROP, nth=1)])
    peer.send("S")
    peer.expect("SA")
    [lost] = [line for line in lines_of(lab) if "x───SA" in line]
    [came] = [line for line in lines_of(lab) if "◄───SA" in line]
    assert lost[-4:] == ["lost", "on", "the", "way"]
    assert came[-1] == "retransmission"


def test_a_lost_segment_of_the_peer_is_marked(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    lab.disturb(1, to_kernel=[Fault(Action.DROP, nth=1)])
    peer.send("S")
    peer.expect_silence()
    [lost] = [line for line in lines_of(lab) if "S────x" in line]
    assert lost[-4:] == ["lost", "on", "the", "way"]


def test_a_wait_is_a_bar_that_names_the_timer(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.send("S")
    peer.expect("SA")
    peer.skip_until("SA", within=10)
    wait, bar, again = lines_of(lab)[-3:]
    assert (wait[:2], wait[3:]) == (["┊", "┊"], ["s,", "the", "kernel's", "retransmission", "timer"])
    assert 0.9 < float(wait[2]) < 9
    assert bar == ["┊", "┊"]
    assert again[-1] == "retransmission"


def test_a_connection_ended_by_a_timer_has_its_own_line(lab: Lab) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_fin_timeout", 1)
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.open().close()
    peer.expect("FA")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.kernel.expect_state(peer, "CLOSED", within=20)
    *_, acknowledged, wait, gone = [line for line in lines_of(lab) if line != ["┊", "┊"]]
    assert acknowledged[:3] == ["CLOSE-WAIT", "A────►", "FIN-WAIT-2"]
    assert wait[:2] == ["┊", "┊"]
    assert gone == ["CLOSED", "without", "a", "segment"]


def test_an_icmp_error_has_a_line(lab: Lab) -> None:
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    peer.expect("S")
    lab.kernel.expect_state(peer, "SYN-SENT")
    peer.send_icmp("host unreachable")
    lab.kernel.expect_state(peer, "CLOSED")
    _, syn, *_, error = lines_of(lab)
    assert syn[:3] == ["SYN-RECEIVED", "◄────S", "SYN-SENT"]
    assert error[:5] == ["SYN-RECEIVED", "ICMP─►", "CLOSED", "host", "unreachable"]
    kind = "type 3, code 1" if lab.family == 4 else "type 1, code 3"
    assert " ".join(error[5:]).startswith(f"({kind}) about port {peer.kernel_port} > 80, seq ")


def test_a_documented_deviation_is_counted_separately(lab: Lab) -> None:
    peer = lab.peer(to=5000, port=80)
    with lab.crossing():
        peer.send("S")
        lab.kernel.connect(to=peer, port=5000)
        peer.expect("S")
    peer.expect("SA")
    peer.send("A")
    with lab.deviation("window-edge", "it scales without agreement"):
        peer.send("PA", payload="hello")
        peer.expect("A")
    lab.finish()
    *_, last = check_lines(lab.recording, Screen())
    held = f"{len(RULES) - 1} standing rules held on 3 segments of the kernel, 1 broken as documented"
    assert last.split() == ["ok", *held.split()]
