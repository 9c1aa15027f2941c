"""Is everything here that the lab needs? Each part is tried for real, in namespaces that vanish again."""

from __future__ import annotations

from collections.abc import Callable
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


def examine() -> list[Finding]:
    """All findings; what rests on something missing is left out."""
    findings = [_privileges()]
    if not findings[0].fine:
        return findings
    with_namespace = _try("namespaces", "an anonymous network namespace was made", lambda: Namespace().close())
    findings.append(with_namespace)
    if with_namespace.fine:
        findings += _network()
    findings.append(_tracing())
    ipv6 = ipv6_is_available()
    remedy = "boot without ipv6.disable=1; until then only IPv4 runs"
    detail = "available" if ipv6 else "not in this kernel"
    findings.append(Finding("IPv6", fine=ipv6, detail=detail, remedy=remedy, needed=False))
    return findings


def _privileges() -> Finding:
    as_root = may_make_namespaces()
    success = "root" if as_root else "an ordinary user with a user namespace of its own"
    return _try("privileges", success, ensure_privileges)


def _network() -> list[Finding]:
    pool = AddressPool()
    networks: list[Network] = []
    findings = [_try("veth", "a pair was made, its offloads are off", lambda: networks.append(Network(pool.acquire())))]
    if networks:
        network = networks[0]
        findings.append(_try("AF_PACKET", "a packet socket was opened", lambda: _open_link(network)))
        findings.append(_try("inet_diag", "the kernel tells a socket's state", lambda: _look_up(network)))
        network.close()
    pool.close()
    return findings


def _open_link(network: Network) -> None:
    with network.peer.entered():
        PacketLink(PEER_INTERFACE).close()


def _look_up(network: Network) -> None:
    lookup = StateLookup(network.kernel)
    pair = network.addresses.ipv4
    try:
        lookup.of(4, pair.kernel, 80, pair.peer, 80)
    except OSError as refused:
        raise MachineError(str(refused), "load the kernel module: sudo modprobe tcp_diag") from None
    finally:
        lookup.close()


def _tracing() -> Finding:
    found = _try("tracepoint", "tracefs and perf events tell each change of state", lambda: StateTracer().close())
    return found._replace(needed=False)


def _try(name: str, success: str, action: Callable[[], object]) -> Finding:
    try:
        action()
    except MachineError as missing:
        return Finding(name, fine=False, detail=missing.why, remedy=missing.remedy)
    except OSError as refused:
        return Finding(name, fine=False, detail=str(refused), remedy="use a kernel that offers it")
    return Finding(name, fine=True, detail=success)
