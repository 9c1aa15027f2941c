"""What the ladder shows beyond a line for each segment."""

from __future__ import annotations

from lab.report.ladder import ladder
from lab.report.verdicts import check_lines
from lab.scenario.lab import Lab
from lab.tcp.rules import RULES
from lab.wire.faults import Action, Fault


def lines_of(lab: Lab) -> list[list[str]]:
    """The words of each line, without the time."""
    lab.catch_up()
    return [line[11:].split() for line in ladder(lab.recording, width=200)][1:]


def test_crossing_segments_show_what_each_side_knew(lab: Lab) -> None:
    peer = lab.peer(to=5000, port=80)
    with lab.crossing():
        peer.send("S")
        lab.kernel.connect(to=peer, port=5000)
        peer.expect("S")
        lab.kernel.expect_state(peer, "SYN-SENT")
    peer.expect("SA")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    syn, _, _, kernels_syn, arrives, syn_ack, *_ = lines_of(lab)
    assert syn[:2] == ["SYN-SENT", "S────►"]
    assert kernels_syn[:3] == ["SYN-RECEIVED", "◄────S", "SYN-SENT"]
    assert arrives == ["(what", "was", "on", "its", "way", "to", "the", "kernel", "arrives)"]
    assert syn_ack[:3] == ["ESTABLISHED", "◄───SA", "SYN-RECEIVED"]


def test_a_segment_that_the_wire_lost_is_marked(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    lab.disturb(1, from_kernel=[Fault(Action.DROP, nth=1)])
    peer.send("S")
    peer.expect("SA")
    lost, came = [line for line in lines_of(lab) if "◄───SA" in line]
    assert lost[-4:] == ["lost", "on", "the", "way"]
    assert came[-1] == "retransmission"


def test_an_icmp_error_has_a_line(lab: Lab) -> None:
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    peer.expect("S")
    lab.kernel.expect_state(peer, "SYN-SENT")
    peer.send_icmp("host unreachable")
    lab.kernel.expect_state(peer, "CLOSED")
    _, syn, *_, error = lines_of(lab)
    assert syn[:3] == ["SYN-RECEIVED", "◄────S", "SYN-SENT"]
    assert error == ["SYN-RECEIVED", "ICMP─►", "CLOSED", "host", "unreachable"]


def test_a_documented_deviation_is_counted_apart(lab: Lab) -> None:
    peer = lab.peer(to=5000, port=80)
    with lab.crossing():
        peer.send("S")
        lab.kernel.connect(to=peer, port=5000)
        peer.expect("S")
    peer.expect("SA")
    peer.send("A")
    lab.deviation("window-edge", "it scales without agreement")
    peer.send("PA", payload="hello")
    peer.expect("A")
    lab.finish()
    *_, last = check_lines(lab.recording)
    held = f"{len(RULES) - 1} standing rules held on 3 segments of the kernel, 1 broken as documented"
    assert last.split() == ["ok", *held.split()]
