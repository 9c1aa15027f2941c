"""Socket options by their names in C, and what the lab knows of the timers that they change."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from lab import Lab
from lab.host.socket_options import Value
from lab.session.errors import KernelDiffers, ScenarioError
from lab.session.retransmissions import Retransmissions
from tests.kernel.helpers import kernels_frames

HOPS = 5
MACHINE_S = 0.4
"""The exact times are checked by the lab itself."""


def test_each_option_has_the_level_of_its_prefix(lab: Lab) -> None:
    hops = "IP_TTL" if lab.family == 4 else "IPV6_UNICAST_HOPS"
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer, options={hops: HOPS, "IP_TOS": 8, "SO_PRIORITY": 3, "TCP_SYNCNT": 2})
    assert [client.get_option(name) for name in (hops, "IP_TOS", "SO_PRIORITY", "TCP_SYNCNT")] == [HOPS, 8, 3, 2]
    assert [client.get_option(name) for name in ("SO_REUSEADDR", "SO_DEBUG")] == [0, 0]
    peer.expect("S")
    (packet,) = peer.packets()
    assert (packet.ttl if lab.family == 4 else packet.hlim) == HOPS


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("TCP_CONGESTION", "reno", "reno"),
        ("SO_BINDTODEVICE", "lo", "lo"),
        ("SO_LINGER", struct.pack("ii", 1, 7), struct.pack("ii", 1, 7)),
        ("TCP_LINGER2", -1, -1),
        ("SO_MARK", 0xFFFF_FFFF, -1),
        ("TCP_NODELAY", True, 1),
        ("SO_MAX_PACING_RATE", 1_000_000, (1_000_000).to_bytes(8, "little")),
    ],
)
def test_values_are_integers_texts_and_structs(lab4: Lab, name: str, value: Value, read: Value) -> None:
    listener = lab4.kernel.listen(port=80, options={name: value})
    assert listener.get_option(name) == read


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda lab: lab.kernel.listen(80).set_option("TCP_NODELAYED", 1),
            "'TCP_NODELAYED', did you mean 'TCP_NODELAY'?",
        ),
        (lambda lab: lab.kernel.listen(80).get_option("IP_TLL"), "'IP_TLL', did you mean 'IP_TTL'?"),
        (lambda lab: lab.kernel.listen(80, options={"so_linger": 1}), "'so_linger', did you mean 'SO_LINGER'?"),
        (lambda lab: lab.kernel.listen(80, options={"TCP_NODELAY": 2**32}), "not 4294967296"),
        (lambda lab: lab.kernel.listen(80).set_option("TCP_NODELAY", 0.5), "not 0.5"),
    ],
    ids=["set", "get", "options=", "too large", "no value"],
)
def test_a_misspelt_option_is_an_error_of_the_author(lab4: Lab, use: Callable[[Lab], None], message: str) -> None:
    with pytest.raises(ScenarioError) as told:
        use(lab4)
    assert message in str(told.value)


def test_an_option_that_the_kernel_refuses_is_told_by_its_errno(lab4: Lab) -> None:
    listener = lab4.kernel.listen(port=80)
    listener.set_option("TCP_SYNCNT", 200, error="EINVAL")
    with pytest.raises(KernelDiffers, match="EINVAL"):
        listener.set_option("TCP_SYNCNT", 200)
    assert listener.options == {}


# What an option changes of the kernel's timers.


def times(retransmissions: Retransmissions) -> list[float]:
    """When the kernel has sent again, and when it has given up, in tenths of a second."""
    gave_up = retransmissions.gave_up
    return [round(each, 1) for each in (*retransmissions.times, *([] if gave_up is None else [gave_up]))]


def near(*expected: float) -> list[object]:
    return [pytest.approx(each, abs=MACHINE_S) for each in expected]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"TCP_SYNCNT": 1}, (1, 2, 3)), ({"TCP_USER_TIMEOUT": 1300}, (1, 1.3))],
    ids=str,
)
def test_a_syn(lab4: Lab, options: dict[str, int], expected: tuple[float, ...]) -> None:
    peer = lab4.peer(port=80)
    client = lab4.kernel.connect(to=peer, options=options)
    peer.expect("S")
    assert times(peer.expect_retransmissions("S")) == near(*expected)
    client.expect_connected(error="ETIMEDOUT")


@pytest.mark.parametrize(
    ("options", "acknowledged", "expected"),
    [
        ({"TCP_SYNCNT": 1}, False, (1, 3)),
        ({"TCP_DEFER_ACCEPT": 1}, True, (1, 3)),
        ({"TCP_DEFER_ACCEPT": 2}, True, (3,)),
    ],
    ids=str,
)
def test_a_syn_ack(lab4: Lab, options: dict[str, int], acknowledged: bool, expected: tuple[float, ...]) -> None:
    """With TCP_DEFER_ACCEPT the kernel waits for data: it sends its SYN+ACK again only at the end of that time."""
    lab4.kernel.sysctl("net.ipv4.tcp_synack_retries", 1)
    peer = lab4.peer(to=lab4.kernel.listen(port=80, options=options)).syn_received()
    if acknowledged:
        peer.send("A")
        lab4.kernel.expect_state(peer, "SYN-RECEIVED")
    assert times(peer.expect_retransmissions("SA", None if len(expected) > 1 else 1)) == near(*expected)


@pytest.mark.parametrize("own", [True, False], ids=["of the socket", "of its listener"])
@pytest.mark.parametrize("letters", ["PA", "FA"])
def test_the_user_timeout_of_data_and_fin(lab4: Lab, letters: str, own: bool) -> None:
    option = {"TCP_USER_TIMEOUT": 700}
    peer = lab4.peer(to=lab4.kernel.listen(port=80, options={} if own else option))
    connection = peer.open()
    if own:
        connection.set_option(*option.popitem())
    if letters == "FA":
        connection.close()
    else:
        connection.send("x")
    peer.expect(letters, payload=None)
    assert times(peer.expect_retransmissions(letters)) == near(0.2, 0.6, 0.9)


def test_bounds_of_the_rto(lab4: Lab) -> None:
    """The RTO is far below the default minimum, and the copies are known as retransmissions nevertheless."""
    lab4.kernel.sysctl("net.ipv4.tcp_retries2", 1)
    peer = lab4.peer(to=lab4.kernel.listen(port=80, options={"TCP_RTO_MIN_US": 20_000, "TCP_RTO_MAX_MS": 1000}))
    connection = peer.open()
    lab4.settle()  # later copies are answers to nothing
    connection.send("x")
    peer.expect("PA", payload="x")
    found = peer.expect_retransmissions("PA")
    assert found.times[0] < 0.2
    assert all(frame.retransmission for frame in kernels_frames(lab4, "PA")[1:])


@pytest.mark.parametrize(
    ("options", "expected"), [({}, (0.4, 1.2, 2.8)), ({"TCP_USER_TIMEOUT": 600}, (0.4, 0.6))], ids=str
)
def test_zero_window_probes(lab4: Lab, options: dict[str, int], expected: tuple[float, ...]) -> None:
    """Their timer is another one: an RTO at least the default minimum, doubled from the first probe on."""
    lab4.kernel.sysctl("net.ipv4.tcp_retries2", 3)
    peer = lab4.peer(to=lab4.kernel.listen(port=80, options=options))
    connection = peer.open()
    peer.send("A", window=0)
    connection.send("x")
    peer.expect("A", seq=0)
    assert times(peer.expect_retransmissions("A")) == near(*expected)


@pytest.mark.parametrize(("user_timeout", "expected"), [(0, (1,)), (1500, ())])
def test_keep_alive_probes(lab4: Lab, user_timeout: int, expected: tuple[float, ...]) -> None:
    options = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2}
    peer = lab4.peer(to=lab4.kernel.listen(port=80, options={**options, "TCP_USER_TIMEOUT": user_timeout}))
    peer.open()
    peer.expect("A", seq=0)
    assert times(peer.expect_retransmissions("A")) == near(*expected)
    peer.expect("RA", seq=1)


def test_linger2(lab4: Lab) -> None:
    peer = lab4.peer(to=lab4.kernel.listen(port=80, options={"TCP_LINGER2": 2}))
    peer.open().close()
    peer.expect("FA")
    peer.send("A")
    (seconds,) = lab4.kernel.fin_wait_2_timers(peer)
    lab4.kernel.expect_timer(peer, "time-wait", seconds)
    assert seconds == pytest.approx(2, abs=MACHINE_S)
