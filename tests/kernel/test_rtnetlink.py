"""What is asked of a namespace: as pyroute2 itself would ask, all of it together, and no answer is waited for."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from pyroute2 import IPBatch, IPRoute

from lab.host import rtnetlink
from lab.host.addresses import AddressPool
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.netlink import attributes
from lab.host.network import Network
from lab.host.rtnetlink import execute

MAC, FAR_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
LONGEST_NAME = "a" * 15
FLAGS_AT, NLM_F_ACK = 6, 0x4
PERMANENT, LINK_SCOPE = 0x80, 253
FOR_EVER = 0xFFFF_FFFF

ASKED: dict[str, tuple[bytes, Callable[[IPBatch], None], int]] = {
    "veth": (
        rtnetlink.new_veth("near", MAC, "far", FAR_MAC, 7),
        lambda route: route.link(
            "add", ifname="near", kind="veth", address=MAC,
            peer={"ifname": "far", "address": FAR_MAC, "net_ns_fd": 7},
        ),
        16,
    ),
    "up": (rtnetlink.link_up("near"), lambda route: route.link("set", ifname="near", state="up"), 16),
    "moved": (rtnetlink.link_moved("near", 7), lambda route: route.link("set", ifname="near", net_ns_fd=7), 16),
    "IPv4 address": (
        rtnetlink.new_address(5, "192.0.2.1", 24),
        lambda route: route.addr("add", index=5, address="192.0.2.1", prefixlen=24),
        8,
    ),
    "deprecated IPv4 address": (
        rtnetlink.new_address(5, "192.0.2.1", 24, deprecated=True),
        lambda route: route.addr(
            "add", index=5, address="192.0.2.1", prefixlen=24, preferred_lft=0, valid_lft=FOR_EVER
        ),
        8,
    ),
    "IPv6 address": (
        rtnetlink.new_address(5, "2001:db8::1", 64),
        lambda route: route.addr("add", index=5, address="2001:db8::1", prefixlen=64, local="2001:db8::1"),
        8,
    ),
    "IPv4 neighbour": (
        rtnetlink.neighbour(5, "192.0.2.1", MAC),
        lambda route: route.neigh("replace", ifindex=5, dst="192.0.2.1", lladdr=MAC, state=PERMANENT),
        12,
    ),
    "IPv6 neighbour": (
        rtnetlink.neighbour(5, "2001:db8::1", MAC),
        lambda route: route.neigh("replace", ifindex=5, dst="2001:db8::1", lladdr=MAC, state=PERMANENT),
        12,
    ),
    "IPv4 route": (
        rtnetlink.route(5, "192.0.2.1"),
        lambda route: route.route("replace", oif=5, dst="192.0.2.1/32", scope=LINK_SCOPE),
        12,
    ),
    "IPv6 route": (
        rtnetlink.route(5, "2001:db8::1"), lambda route: route.route("replace", oif=5, dst="2001:db8::1/128"), 12,
    ),
    "metrics": (
        rtnetlink.route(5, "192.0.2.1", {"advmss": 1111}),
        lambda route: route.route(
            "replace", oif=5, dst="192.0.2.1/32", scope=LINK_SCOPE, metrics={"advmss": 1111}
        ),
        12,
    ),
}  # fmt: skip
"""Each request, how pyroute2's `IPRoute` is asked for it, and how long its message is before the attributes."""


@pytest.fixture
def inside() -> Iterator[Namespace]:
    """A namespace of one's own, entered."""
    with closing(Namespace()) as namespace, namespace.entered():
        yield namespace


def parts(request: bytes, fixed: int) -> tuple[int, int, bytes, dict[int, bytes]]:
    """Type, flags, the fields, and the attributes, whose order means nothing."""
    size, kind, flags = struct.unpack_from("=IHH", request)
    assert size == len(request)
    body = request[16:]
    return kind, flags, body[:fixed], dict(attributes(body[fixed:]))


@pytest.mark.parametrize("what", ASKED)
def test_it_is_asked_for_as_pyroute2_asks(what: str) -> None:
    request, ask, fixed = ASKED[what]
    with IPBatch() as route:
        ask(route)
        expected = bytes(route.batch)
    assert parts(request, fixed) == parts(expected, fixed)


def test_a_metric_that_there_is_not_is_an_error() -> None:
    with pytest.raises(OSError, match="a route has no metric 'advmms'"):
        rtnetlink.route(5, "192.0.2.1", {"advmms": 1111})


@pytest.mark.usefixtures("inside")
def test_all_that_is_asked_is_done() -> None:
    with closing(Namespace()) as other:
        execute(
            rtnetlink.new_veth(LONGEST_NAME, MAC, "far", FAR_MAC, other.fileno()),
            rtnetlink.link_up(LONGEST_NAME),
            rtnetlink.link_up("lo"),
        )
        with IPRoute() as route:
            up = {link.get("ifname"): link["flags"] & 1 for link in route.get_links()}
    assert (up["lo"], up[LONGEST_NAME]) == (1, 1)


@pytest.mark.usefixtures("inside")
def test_what_is_refused_is_an_error_and_the_rest_is_done() -> None:
    with pytest.raises(OSError, match="No such device") as raised:
        execute(rtnetlink.link_up("missing"), rtnetlink.link_up("lo"), rtnetlink.new_address(1, "192.0.2.1", 24))
    assert raised.value.errno == errno.ENODEV
    with pytest.raises(OSError, match="exists") as raised:
        execute(rtnetlink.link_up("lo"), rtnetlink.new_address(1, "192.0.2.1", 24), rtnetlink.link_up("missing"))
    assert raised.value.errno == errno.EEXIST
    with IPRoute() as route:
        assert "192.0.2.1" in {address.get("address") for address in route.get_addr()}


@pytest.mark.usefixtures("inside")
def test_an_answer_that_does_not_come_is_an_error() -> None:
    request = bytearray(rtnetlink.link_up("lo"))
    request[FLAGS_AT] &= ~NLM_F_ACK
    with pytest.raises(BlockingIOError):
        execute(bytes(request))


@pytest.mark.parametrize(("code", "becomes"), [(errno.EOPNOTSUPP, MachineError), (errno.EMFILE, OSError)])
def test_a_kernel_without_veth_is_what_the_machine_lacks(
    monkeypatch: pytest.MonkeyPatch, pool: AddressPool, code: int, becomes: type[Exception]
) -> None:
    def refused(*_: bytes) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(rtnetlink, "execute", refused)
    with pytest.raises(becomes, match=os.strerror(code)):
        Network(pool.acquire())
