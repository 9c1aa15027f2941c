"""Playground of `lab up`: two named namespaces that stay, for use with ip, tcpdump and ss.

The interface in each has a tag as its alias; `lab down` removes only namespaces with that tag.
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

# Reserved for documentation (RFC 5737, RFC 3849), and not used by any run of the lab.
ADDRESSES = Addresses.in_networks(IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8:ffff::/64"))
KERNEL, PEER = "lab-kernel", "lab-peer"
_INTERFACES = {KERNEL: KERNEL_INTERFACE, PEER: PEER_INTERFACE}
_TAG = "tcp-packet-lab playground"
_TAG_WITH_FOLDER = f"{_TAG}, with its folder"
"""Tag of a playground that also created the folder of named namespaces."""
_FOLDER = Path("/run/netns")


def up() -> None:
    """Create both namespaces, connected, with the baseline settings. Raises MachineError when one of them exists."""
    from pyroute2 import IPRoute, netns

    if taken := [name for name in _INTERFACES if _is_there(name)]:
        remedy = f"the lab did not create it; if it is not needed, type: sudo ip netns delete {taken[0]}"
        if all(map(_tag_of, taken)):
            remedy = "the lab created it: use it, or remove it with: sudo scripts/lab down"
        raise MachineError(f"namespace already exists: {' and '.join(taken)}", remedy)
    if os.geteuid() != 0 or not os.access(_FOLDER.parent, os.W_OK):
        raise MachineError("creating a named namespace needs root", "type: sudo scripts/lab up")
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
    """Whether both namespaces exist and have the lab's tag."""
    return all(_is_there(name) and _tag_of(name) for name in _INTERFACES)


def attach() -> Network:
    """The network of the existing playground. Closing it leaves the playground in place."""
    return Network(ADDRESSES, _both(), joined=True)


def down() -> tuple[list[str], list[str]]:
    """Remove what `up` created. Returns the names removed, and those kept because they lack the lab's tag."""
    tags = {name: _tag_of(name) for name in _INTERFACES if _is_there(name)}
    ours = [name for name, tag in tags.items() if tag]
    _remove(ours, with_folder=_TAG_WITH_FOLDER in tags.values())
    return ours, [name for name in tags if name not in ours]


def _is_there(name: str) -> bool:
    return (_FOLDER / name).exists()


def _tag_of(name: str) -> str:
    """The lab's tag in a namespace; "" without one."""
    from pyroute2 import IPRoute

    try:
        with _inside(name), IPRoute() as route:
            aliases = {link.get("ifname"): link.get("ifalias") for link in route.get_links()}
    except OSError:  # a file of that name that is not a namespace
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
        unmount(str(_FOLDER))  # `ip netns` bind-mounts the folder on itself
        _FOLDER.rmdir()
