"""What a scenario can change about the kernel's side: the interface, the route, socket options that Python lacks."""

from __future__ import annotations

import re

import pytest

from lab.author.lab import Lab
from lab.session.errors import ScenarioError
from lab.tcp.options import value_of
from lab.tcp.state import State

HEADERS = {4: 40, 6: 60}


def announced(lab: Lab, port: int) -> object:
    peer = lab.peer(port=port)
    lab.kernel.connect(to=peer)
    return value_of(peer.expect("S").options, "MSS")


def test_the_mss_follows_the_mtu(lab: Lab) -> None:
    assert lab.kernel.mss == 1500 - HEADERS[lab.family]
    lab.kernel.set_mtu(1400)
    assert lab.kernel.mss == announced(lab, 80) == 1400 - HEADERS[lab.family]


def test_a_route_has_metrics(lab: Lab) -> None:
    lab.kernel.set_route(advmss=1111)
    assert announced(lab, 80) == 1111
    lab.kernel.set_route(advmss=1000)
    assert announced(lab, 81) == 1000


def test_changes_are_on_the_record(lab: Lab) -> None:
    lab.kernel.set_mtu(1400)
    lab.kernel.set_route(advmss=1111)
    calls = [str(event) for event in lab.recording.events if type(event).__name__ == "CallMade"]
    assert calls == ["set_mtu(1400)", "set_route('advmss', 1111)"]


def test_an_impossible_size_and_an_unknown_metric_are_errors_of_the_scenario(lab4: Lab) -> None:
    with pytest.raises(ScenarioError, match=re.escape("MTU 5 of kernel0: Invalid argument")):
        lab4.kernel.set_mtu(5)
    with pytest.raises(ScenarioError, match="a route has no metric 'advmms'"):
        lab4.kernel.set_route(advmms=5)


def test_the_window_scale_covers_what_a_socket_may_ask_for(lab: Lab) -> None:
    """SO_RCVBUF may go up to net.core.rmem_max, which belongs to the whole machine: whatever it is here."""
    for largest in (65535, 65536, 2**30):
        lab.kernel.sysctl("net.ipv4.tcp_rmem", f"4096 65535 {largest}")
        peer = lab.peer(port=80 + largest % 7)
        lab.kernel.connect(to=peer)
        assert value_of(peer.expect("S").options, "WScale") == lab.kernel.window_scale


@pytest.mark.parametrize(
    ("window", "shift"), [(0, 0), (65535, 0), (65536, 1), (2**30 - 2**14, 14), (2**31, 14)], ids=str
)
def test_the_least_shift(lab4: Lab, window: int, shift: int) -> None:
    assert lab4.kernel.shift_for(window) == shift


def test_an_option_that_python_lacks(lab4: Lab) -> None:
    peer = lab4.peer(port=80)
    client = lab4.kernel.connect(to=peer, options={"TCP_FASTOPEN_CONNECT": 1})
    assert client.get_option("TCP_FASTOPEN_CONNECT") == 1
    assert value_of(peer.expect("S").options, "TFO") == b""


def test_an_icmp_error_reaches_the_connection_that_it_quotes(lab: Lab) -> None:
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    with pytest.raises(ScenarioError, match="has sent nothing on this connection"):
        peer.send_icmp("port unreachable")
    peer.expect("S")
    peer.send_icmp("port unreachable")
    client.expect_connected(error="ECONNREFUSED")
    lab.finish()


def test_settled_means_answered(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.send("S")
    lab.settle()
    assert lab.kernel.inet_diag(peer).state is State.SYN_RECEIVED
    peer.expect("SA", within=0.0)


def test_what_the_kernel_sent_comes_as_scapy_packets(lab: Lab) -> None:
    peer, other = lab.peer(port=80), lab.peer(port=81)
    lab.kernel.connect(to=other)
    lab.kernel.connect(to=peer)
    peer.expect("S")
    peer.send("SA")
    peer.expect("A")
    syn, ack = peer.packets()
    assert (str(syn["TCP"].flags), syn["TCP"].dport, syn["TCP"].dataofs) == ("S", 80, 10)
    assert (str(ack["TCP"].flags), ack["TCP"].dport, ack["TCP"].dataofs) == ("A", 80, 5)


def test_a_setting_that_a_kernel_lacks(lab4: Lab) -> None:
    assert lab4.kernel.sysctl("net.ipv4.tcp_from_the_future", missing="7") == "7"
    assert lab4.kernel.sysctl("net.ipv4.tcp_sack", missing="7") == "1"
    with pytest.raises(ScenarioError, match="this kernel has no sysctl"):
        lab4.kernel.sysctl("net.ipv4.tcp_from_the_future")


def test_what_it_sent_again_is_not_among_them(lab4: Lab) -> None:
    peer = lab4.peer(to=lab4.kernel.listen(port=80))
    peer.open().send("x")
    peer.expect("PA", payload="x")
    peer.expect("PA", payload="x")
    assert [str(packet["TCP"].flags) for packet in peer.packets()] == ["SA", "PA"]


def test_a_connect_that_ends_at_once_belongs_to_its_peer(lab4: Lab) -> None:
    """With a Fast Open cookie connect() succeeds before anything was sent."""
    wish = {"TCP_FASTOPEN_CONNECT": 1}
    peer = lab4.peer(port=80)
    lab4.kernel.connect(to=peer, options=wish)
    peer.expect("S")
    peer.send("SA", options=[("MSS", 1460), ("TFO", b"8 bytes.")])
    peer.expect("A")
    peer = lab4.peer(port=80)
    client = lab4.kernel.connect(to=peer, options=wish, error="success")
    assert peer.socket is client
    client.send("x")
    peer.expect("S", payload="x")
