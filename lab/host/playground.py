"""The one place that makes namespaces with names: a lab that stays, to be entered with ip, tcpdump and ss.

Both carry a tag, the alias of the interface in them, and only what carries it is ever removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from lab.host.addresses import Addresses
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.network import KERNEL_INTERFACE, PEER_INTERFACE, Network
from lab.host.syscalls import unmount

# Set aside for documentation (RFC 5737, RFC 3849), and none that a run of the lab takes.
ADDRESSES = Addresses.in_networks(IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8:ffff::/64"))
KERNEL, PEER = "lab-kernel", "lab-peer"
_INTERFACES = {KERNEL: KERNEL_INTERFACE, PEER: PEER_INTERFACE}
_TAG = "tcp-packet-lab playground"
_TAG_WITH_FOLDER = f"{_TAG}, with its folder"
"""Of a playground for which the folder of all names had to be made."""
_FOLDER = Path("/run/netns")


def up() -> None:
    """Make both namespaces, wired and with the pinned settings; MachineError when they, or others so named, exist."""
    from pyroute2 import IPRoute, netns

    if taken := [name for name in _INTERFACES if _is_there(name)]:
        remedy = f"it is not the lab's: sudo ip netns delete {taken[0]}, if nobody needs it"
        if all(map(_tag_of, taken)):
            remedy = "it is the lab's own: use it, or type: sudo scripts/lab down"
        raise MachineError(f"there is a namespace {' and one '.join(taken)} already", remedy)
    if os.geteuid() != 0 or not os.access(_FOLDER.parent, os.W_OK):
        raise MachineError("a namespace with a name needs root", "type: sudo scripts/lab up")
    made: list[str] = []
    tag = _TAG if _FOLDER.exists() else _TAG_WITH_FOLDER
    try:
        for name in _INTERFACES:
            netns.create(name)
            made.append(name)
        Network(ADDRESSES, _both()).close()
        for name, interface in _INTERFACES.items():
            with _inside(name), IPRoute() as route:
                route.link("set", ifname=interface, ifalias=tag)
    except BaseException:
        _remove(made, with_folder=tag == _TAG_WITH_FOLDER)
        raise


def is_up() -> bool:
    """Whether both namespaces are there, and ours."""
    return all(_is_there(name) and _tag_of(name) for name in _INTERFACES)


def attach() -> Network:
    """The network of the playground that is up; closing it lets go, and leaves the playground as it is."""
    return Network(ADDRESSES, _both(), joined=True)


def down() -> tuple[list[str], list[str]]:
    """Remove what `up` made; the names of what is gone, and of those that are not ours and stay."""
    tags = {name: _tag_of(name) for name in _INTERFACES if _is_there(name)}
    ours = [name for name, tag in tags.items() if tag]
    _remove(ours, with_folder=_TAG_WITH_FOLDER in tags.values())
    return ours, [name for name in tags if name not in ours]


def _is_there(name: str) -> bool:
    return (_FOLDER / name).exists()


def _tag_of(name: str) -> str:
    """The lab's tag in a namespace; "" where there is none."""
    from pyroute2 import IPRoute

    try:
        with _inside(name), IPRoute() as route:
            aliases = {link.get("ifname"): link.get("ifalias") for link in route.get_links()}
    except OSError:  # something of that name that is no namespace
        return ""
    alias = aliases.get(_INTERFACES[name])
    return alias if alias in (_TAG, _TAG_WITH_FOLDER) else ""


def _both() -> tuple[Namespace, Namespace]:
    return Namespace(_FOLDER / KERNEL), Namespace(_FOLDER / PEER)


@contextmanager
def _inside(name: str) -> Iterator[None]:
    with closing(Namespace(_FOLDER / name)) as namespace, namespace.entered():
        yield


def _remove(names: list[str], *, with_folder: bool) -> None:
    from pyroute2 import netns

    for name in names:
        netns.remove(name)
    if with_folder and not any(_FOLDER.iterdir()):
        unmount(str(_FOLDER))  # `ip netns` binds it to itself
        _FOLDER.rmdir()
