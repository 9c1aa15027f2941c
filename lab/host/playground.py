"""The one place that makes namespaces with names: a lab that stays, to be entered with ip, tcpdump and ss.

Both carry a tag, the alias of the interface in them, and only what carries it is ever removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lab.host import rtnetlink
from lab.host.addresses import Addresses, Pair
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.network import KERNEL_INTERFACE, PEER_INTERFACE, Network
from lab.host.syscalls import unmount

ADDRESSES = Addresses(  # set aside for documentation (RFC 5737, RFC 3849), and none that a run of the lab takes
    ipv4=Pair(
        family=4,
        kernel="192.0.2.1",
        peer="192.0.2.2",
        second_kernel="192.0.2.3",
        second_peer="192.0.2.4",
        prefix_length=24,
    ),
    ipv6=Pair(
        family=6,
        kernel="2001:db8:ffff::1",
        peer="2001:db8:ffff::2",
        second_kernel="2001:db8:ffff::3",
        second_peer="2001:db8:ffff::4",
        prefix_length=64,
    ),
)
KERNEL, PEER = "lab-kernel", "lab-peer"
_INTERFACES = {KERNEL: KERNEL_INTERFACE, PEER: PEER_INTERFACE}
_TAG = "tcp-packet-lab playground"
_TAG_WITH_FOLDER = f"{_TAG}, with its folder"
"""Of a playground for which the folder of all names had to be made."""
_FOLDER = Path("/run/netns")


def up() -> None:
    """Make both namespaces, wired and with the pinned settings; MachineError when they, or others so named, exist."""
    taken = [name for name in _INTERFACES if _is_there(name)]
    if taken:
        raise MachineError(f"there is a namespace {' and one '.join(taken)} already", _how_to_remove(taken))
    made: list[str] = []
    tag = _TAG if _FOLDER.exists() else _TAG_WITH_FOLDER
    try:
        for name in _INTERFACES:
            _create(name)
            made.append(name)
        Network(ADDRESSES, _both()).close()
        for name, interface in _INTERFACES.items():
            with _inside(name):
                rtnetlink.carry_out(rtnetlink.link_alias(interface, tag))
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


def _how_to_remove(names: list[str]) -> str:
    if all(_tag_of(name) for name in names):
        return "it is the lab's own: use it, or type: sudo scripts/lab down"
    return f"it is not the lab's: sudo ip netns delete {names[0]}, if nobody needs it"


def _is_there(name: str) -> bool:
    return (_FOLDER / name).exists()


def _tag_of(name: str) -> str:
    """The lab's tag in a namespace; "" where there is none."""
    try:
        with _inside(name):
            aliases = {link.name: link.alias for link in rtnetlink.links()}
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


def _create(name: str) -> None:
    from pyroute2 import netns

    if os.geteuid() != 0 or not os.access(_FOLDER.parent, os.W_OK):
        raise MachineError("a namespace with a name needs root", "type: sudo scripts/lab up")
    netns.create(name)


def _remove(names: list[str], *, with_folder: bool) -> None:
    from pyroute2 import netns

    for name in names:
        netns.remove(name)
    if with_folder and not any(_FOLDER.iterdir()):
        unmount(str(_FOLDER))  # `ip netns` binds it to itself
        _FOLDER.rmdir()
