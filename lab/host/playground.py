"""Playground of `lab up`: two named namespaces that stay, for use with ip, tcpdump and ss.

An interface in each has a tag as its alias; `lab down` removes only namespaces with that tag. They have it before they
have a name: whenever `lab up` is killed, `lab down` can remove what it has made. The tag also says what else there is:
a second kernel at the peer's addresses, and a folder of named namespaces that `lab up` has made.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from lab.host.addresses import Addresses
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.network import Network
from lab.host.syscalls import MS_BIND, MS_REC, MS_SHARED, mount, unmount
from lab.host.user_namespace import may_make_namespaces

# Reserved for documentation (RFC 5737, RFC 3849), and not used by any run of the lab.
ADDRESSES = Addresses.in_networks(IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8:ffff::/64"))
KERNEL, PEER = "lab-kernel", "lab-peer"
_NAMES = (KERNEL, PEER)
_TAG = "tcp-packet-lab playground"
_WITH_FOLDER, _TWO_KERNELS = "+folder", "+kernel"
"""Ends of a tag."""
_FOLDER = Path("/run/netns")


def up(*, two_kernels: bool = False) -> None:
    """Create both namespaces, connected, with the baseline settings; `two_kernels` as in `Network`.

    Raises MachineError when one of them exists, or without permission.
    """
    with _alone("up"):
        if taken := [name for name in _NAMES if _is_there(name)]:
            remedy = f"the lab did not create it; if it is not needed, type: sudo ip netns delete {taken[0]}"
            if all(map(_tag_of, taken)):
                remedy = "the lab created it: use it, or remove it with: sudo scripts/lab down"
            raise MachineError(f"namespace already exists: {', '.join(taken)}", remedy)
        had_folder = _FOLDER.exists()
        tag = _TAG + _TWO_KERNELS * two_kernels + _WITH_FOLDER * (not had_folder)
        with closing(Network(ADDRESSES, two_kernels=two_kernels)) as network:
            try:
                _name(network, tag)
            except BaseException:
                _remove(_NAMES, with_folder=not had_folder)
                raise


def _name(network: Network, tag: str) -> None:
    """Tag the namespaces and give them their names, as `ip netns` does: mounts in a folder that is shared.

    Until a namespace is mounted on it, the file of its name has the tag as its text.
    """
    from pyroute2 import IPRoute

    namespaces = {KERNEL: network.kernel, PEER: network.peer}
    for namespace in namespaces.values():
        with namespace.entered(), IPRoute() as route:
            route.link("set", ifname="lo", ifalias=tag)
    _FOLDER.mkdir(mode=0o755, exist_ok=True)
    for name in _NAMES:
        (_FOLDER / name).write_text(tag)
    try:
        mount("none", str(_FOLDER), MS_SHARED | MS_REC)
    except OSError:  # it is not a mount
        mount(str(_FOLDER), str(_FOLDER), MS_BIND | MS_REC)
        mount("none", str(_FOLDER), MS_SHARED | MS_REC)
    for name, namespace in namespaces.items():
        mount(f"/proc/self/fd/{namespace.fileno()}", str(_FOLDER / name), MS_BIND)


def is_up() -> bool:
    """Whether both namespaces exist and have the lab's tag."""
    return all(_is_there(name) and _tag_of(name) for name in _NAMES)


def has_two_kernels() -> bool:
    """Whether the kernel of the peer's namespace owns the peer's addresses, in a playground that is up."""
    return _TWO_KERNELS in _tag_of(PEER)


def is_current(network: Network) -> bool:
    """Whether an attached network is still the playground, not removed by `lab down` nor replaced by another."""
    try:
        return os.path.samestat((_FOLDER / KERNEL).stat(), os.fstat(network.kernel.fileno()))
    except FileNotFoundError:
        return False


def attach() -> Network:
    """The network of the existing playground. Closing it leaves the playground in place."""
    return Network(ADDRESSES, _both(), joined=True)


def down() -> tuple[list[str], list[str]]:
    """Remove what `up` created. Returns the names removed, and those kept because they lack the lab's tag.

    Raises MachineError without permission.
    """
    if not any(map(_is_there, _NAMES)):
        return [], []
    with _alone("down"):
        tags = {name: _tag_of(name) for name in _NAMES if _is_there(name)}
        ours = [name for name, tag in tags.items() if tag]
        _remove(ours, with_folder=any(_WITH_FOLDER in tag for tag in tags.values()))
    return ours, [name for name in tags if name not in ours]


@contextmanager
def _alone(command: str) -> Iterator[None]:
    """Only one process at a time makes or removes a playground. MachineError for the others, or without permission."""
    how = f"type: sudo scripts/lab {command}"
    if not may_make_namespaces():
        raise MachineError("named namespaces need root", how)
    try:
        lock = os.open(_FOLDER.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(lock)
    except BlockingIOError:
        raise MachineError("another `lab up` or `lab down` is at work", "wait until it has ended") from None
    except OSError as refused:
        raise MachineError(f"named namespaces cannot be used ({refused})", how) from None


def _is_there(name: str) -> bool:
    return os.path.lexists(_FOLDER / name)


def _tag_of(name: str) -> str:
    """The lab's tag in a namespace, or in a file without one; "" if there is none."""
    from pyroute2 import IPRoute

    path = _FOLDER / name
    try:
        if path.stat().st_dev == _FOLDER.stat().st_dev:
            found = {path.read_text()}
        else:
            with closing(Namespace(path)) as namespace, namespace.entered(), IPRoute() as route:
                found = {link.get("ifalias") for link in route.get_links()}
    except (OSError, ValueError):  # another kind of file
        return ""
    return next((tag for tag in found if tag and tag.startswith(_TAG)), "")


def _both() -> tuple[Namespace, Namespace]:
    return Namespace(_FOLDER / KERNEL), Namespace(_FOLDER / PEER)


def _remove(names: Iterable[str], *, with_folder: bool) -> None:
    for name in filter(_is_there, names):
        with suppress(OSError):  # a file without a namespace
            unmount(str(_FOLDER / name))
        (_FOLDER / name).unlink()
    if with_folder and _FOLDER.exists() and not any(_FOLDER.iterdir()):
        with suppress(OSError):  # not mounted yet
            unmount(str(_FOLDER))  # `ip netns` bind-mounts the folder on itself
        _FOLDER.rmdir()
