"""Is everything here that the lab needs? Each part is tried for real, in namespaces that vanish again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import NamedTuple

from lab.host.addresses import AddressPool, ipv6_is_available
from lab.host.errors import MachineError
from lab.host.inet_diag import StateLookup
from lab.host.namespace import Namespace
from lab.host.network import PEER_INTERFACE, Network
from lab.host.tracepoint import StateTracer
from lab.host.user_namespace import ensure_privileges, may_make_namespaces
from lab.wire.link import PacketLink


class Finding(NamedTuple):
    """One thing that the lab needs, and whether it is here."""

    name: str
    fine: bool
    detail: str
    remedy: str = ""
    """What to do where it is not."""
    needed: bool = True
    """Without it there is no run at all; the others only tell less."""


def examine() -> Iterator[Finding]:
    """All findings; what rests on something missing is left out."""
    who = "root" if may_make_namespaces() else "an ordinary user with a user namespace of its own"
    privileges = _try("privileges", who, ensure_privileges)
    yield privileges
    if not privileges.fine:
        return
    namespaces = _try("namespaces", "an anonymous network namespace was made", lambda: Namespace().close())
    yield namespaces
    if namespaces.fine:
        yield from _network()
    traced = _try("tracepoint", "tracefs and perf events tell each change of state", lambda: StateTracer().close())
    yield traced._replace(needed=False)
    ipv6 = ipv6_is_available()
    remedy = "boot without ipv6.disable=1; until then only IPv4 runs"
    yield Finding("IPv6", ipv6, "available" if ipv6 else "not in this kernel", remedy, needed=False)


def _network() -> Iterator[Finding]:
    with ExitStack() as undo:
        pool = undo.enter_context(closing(AddressPool()))
        made: list[Network] = []
        veth = _try("veth", "a pair was made, its offloads are off", lambda: made.append(Network(pool.acquire())))
        yield veth
        load = "load the kernel module: sudo modprobe tcp_diag"
        for network in made:
            undo.callback(network.close)
            yield _try("AF_PACKET", "a packet socket was opened", partial(_open_link, network))
            yield _try("inet_diag", "the kernel tells a socket's state", partial(_look_up, network), load)


def _open_link(network: Network) -> None:
    with network.peer.entered():
        PacketLink(PEER_INTERFACE).close()


def _look_up(network: Network) -> None:
    pair = network.addresses.ipv4
    with closing(StateLookup(network.kernel)) as lookup:
        lookup.of(4, pair.kernel, 80, pair.peer, 80)


def _try(name: str, success: str, action: Callable[[], object], remedy: str = "use a kernel that offers it") -> Finding:
    try:
        action()
    except MachineError as missing:
        return Finding(name, fine=False, detail=missing.why, remedy=missing.remedy)
    except OSError as refused:
        return Finding(name, fine=False, detail=str(refused), remedy=remedy)
    return Finding(name, fine=True, detail=success)
