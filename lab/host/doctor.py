"""Checks for `lab doctor`: each facility that the lab needs is tried in temporary namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import NamedTuple

from lab.host.addresses import AddressPool, ipv6_is_available
from lab.host.errors import MachineError
from lab.host.inet_diag import InetDiag
from lab.host.namespace import Namespace
from lab.host.network import PEER_INTERFACE, Network
from lab.host.tracepoint import StateTracer
from lab.host.user_namespace import ensure_privileges, may_make_namespaces
from lab.wire.link import PacketLink


class Finding(NamedTuple):
    """One facility of the machine, and whether it is available."""

    name: str
    available: bool
    detail: str
    remedy: str = ""
    """The command or setting that makes the facility available."""
    needed: bool = True
    """True: the lab cannot run without it. False: the lab runs, with less information."""


def examine() -> Iterator[Finding]:
    """All findings. Checks that depend on a missing facility are left out."""
    who = "root" if may_make_namespaces() else "an ordinary user in a user namespace"
    privileges = _attempt("privileges", who, ensure_privileges)
    yield privileges
    if not privileges.available:
        return
    namespaces = _attempt("namespaces", "an anonymous network namespace was made", lambda: Namespace().close())
    yield namespaces
    if namespaces.available:
        yield from _network()
    traced = _attempt("tracepoint", "tracefs and perf events report every state change", lambda: StateTracer().close())
    yield traced._replace(needed=False)
    ipv6 = ipv6_is_available()
    remedy = "boot without ipv6.disable=1; until then only IPv4 runs"
    yield Finding("IPv6", ipv6, "available" if ipv6 else "not in this kernel", remedy, needed=False)


def _network() -> Iterator[Finding]:
    with ExitStack() as undo:
        pool = undo.enter_context(closing(AddressPool()))
        made: list[Network] = []
        veth = _attempt("veth", "a pair was made, its offloads are off", lambda: made.append(Network(pool.acquire())))
        yield veth
        load = "load the kernel module: sudo modprobe tcp_diag"
        for network in made:
            undo.callback(network.close)
            yield _attempt("AF_PACKET", "a packet socket was opened", partial(_open_link, network))
            yield _attempt("inet_diag", "the kernel reports a socket's state", partial(_query_inet_diag, network), load)


def _open_link(network: Network) -> None:
    with network.peer.entered():
        PacketLink(PEER_INTERFACE).close()


def _query_inet_diag(network: Network) -> None:
    pair = network.addresses.ipv4
    with closing(InetDiag(network.kernel)) as lookup:
        lookup.of(4, pair.kernel, 80, pair.peer, 80)


def _attempt(
    name: str, detail: str, action: Callable[[], object], remedy: str = "use a kernel that supports this"
) -> Finding:
    try:
        action()
    except MachineError as missing:
        return Finding(name, available=False, detail=missing.why, remedy=missing.remedy)
    except OSError as refused:
        return Finding(name, available=False, detail=str(refused), remedy=remedy)
    return Finding(name, available=True, detail=detail)
