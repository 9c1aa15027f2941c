"""What is asked of a namespace: all of it in one message, each answer looked at, and none waited for without an end."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import closing

import pytest
from pyroute2 import IPRoute

from lab.host.namespace import Namespace
from lab.host.rtnetlink import Link, carry_out, compiled, links, stamped

FLAGS_AT, NLM_F_ACK = 6, 0x4
LONGEST_NAME = "a" * 15


@pytest.fixture
def inside() -> Iterator[Namespace]:
    """A namespace of one's own, entered."""
    with closing(Namespace()) as namespace, namespace.entered():
        yield namespace


def new_veth(name: str, **given: object) -> bytes:
    return compiled(lambda route: route.link("add", ifname=name, kind="veth", **given))


def up(name: str) -> bytes:
    return compiled(lambda route: route.link("set", ifname=name, state="up"))


@pytest.mark.usefixtures("inside")
def test_all_that_is_asked_is_done() -> None:
    carry_out(new_veth(LONGEST_NAME) + up(LONGEST_NAME) + up("lo"))
    with IPRoute() as route:
        flags = {link.get("ifname"): link["flags"] & 1 for link in route.get_links()}
    assert (flags["lo"], flags[LONGEST_NAME]) == (1, 1)


@pytest.mark.usefixtures("inside")
def test_what_is_refused_is_an_error_wherever_it_stands() -> None:
    for requests in (up("missing") + up("lo"), up("lo") + up("missing")):
        with pytest.raises(OSError, match="No such device") as raised:
            carry_out(requests)
        assert raised.value.errno == errno.ENODEV
    with pytest.raises(OSError, match="exists") as raised:
        carry_out(new_veth("one") + new_veth("one") + up("missing"))
    assert raised.value.errno == errno.EEXIST


@pytest.mark.usefixtures("inside")
def test_an_answer_that_does_not_come_is_an_error() -> None:
    requests = bytearray(up("lo"))
    requests[FLAGS_AT] &= ~NLM_F_ACK
    with pytest.raises(BlockingIOError):
        carry_out(bytes(requests))


def test_links_are_listed_as_pyroute2_lists_them(inside: Namespace) -> None:
    with closing(Namespace()) as other:
        peer = {"ifname": "far", "net_ns_fd": other.fileno()}
        alias = compiled(lambda route: route.link("set", ifname="near", ifalias="\N{CJK UNIFIED IDEOGRAPH-540D}"))
        carry_out(new_veth("near", peer=peer) + new_veth("here", peer={"ifname": "there"}) + alias)
        with IPRoute() as route:
            listed = [
                Link(link.get("ifname"), link.get("ifalias") or "", link.get("link_netnsid"))
                for link in route.get_links()
            ]
        found = links()
    assert found == listed
    assert {link.name: link for link in found}["near"] == Link("near", "\N{CJK UNIFIED IDEOGRAPH-540D}", 0)
    assert {"lo", "near", "here", "there"} <= {link.name for link in found}
    assert inside.fileno() >= 0


@pytest.mark.usefixtures("inside")
def test_many_links_are_listed() -> None:
    """They come in more than one message."""
    names = [f"many{number}" for number in range(60)]
    carry_out(b"".join(new_veth(name) for name in names))
    assert set(names) <= {link.name for link in links()}


def test_what_stands_for_something_is_replaced_wherever_it_stands() -> None:
    assert stamped(b"to one, from one", [(b"one", b"two"), (b"to ", b"on ")]) == b"on two, from two"


@pytest.mark.parametrize(("pattern", "value"), [(b"three", b"seven"), (b"one", b"four")], ids=["absent", "longer"])
def test_what_cannot_be_replaced_is_an_error(pattern: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match=f"{pattern.hex()} cannot become {value.hex()}"):
        stamped(b"from one", [(pattern, value)])
