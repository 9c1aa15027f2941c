"""Network namespaces without a name: they exist while a descriptor is open, so a killed run leaves nothing behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.host.errors import MachineError
from lab.host.syscalls import CLONE_NEWNET, setns, unshare

_OWN = "/proc/thread-self/ns/net"


class Namespace:
    """A network namespace. A socket created inside `entered()` stays in it."""

    def __init__(self, path: Path | None = None) -> None:
        """Create an unnamed one, or open the named one at `path`. Raises OSError when there is none at `path`."""
        self._descriptor = _make() if path is None else os.open(path, os.O_RDONLY)

    def fileno(self) -> int:
        """The descriptor that keeps the namespace alive."""
        return self._descriptor

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Within the block the calling thread is in this namespace; afterwards it is back in its own."""
        with _restoring_namespace():
            setns(self._descriptor, CLONE_NEWNET)
            yield

    def counters(self) -> dict[str, int]:
        """TCP and IP counters of the namespace by their names in nstat(8), such as `TcpExtSyncookiesSent`."""
        values = {}
        with self.entered():
            for name in ("netstat", "snmp"):
                lines = Path("/proc/thread-self/net", name).read_text().splitlines()
                for names, numbers in zip(lines[::2], lines[1::2], strict=True):
                    group, *listed = names.split()
                    counted = numbers.split()[1:]
                    values.update({f"{group[:-1]}{each}": int(n) for each, n in zip(listed, counted, strict=True)})
        return values

    def close(self) -> None:
        """Close the descriptor; the kernel removes the namespace once no socket is left in it."""
        os.close(self._descriptor)


def unshare_network() -> None:
    """Move the calling thread into a new network namespace. Raises MachineError when the kernel refuses."""
    try:
        unshare(CLONE_NEWNET)
    except OSError as refused:
        raise MachineError(*_WHY_REFUSED.get(refused.errno or 0, _NOT_PERMITTED)) from None


_NOT_PERMITTED = "making a network namespace is not permitted", "run the lab as root: sudo scripts/lab"
_WHY_REFUSED = {
    errno.EINVAL: (
        "this kernel has no network namespaces (CONFIG_NET_NS)",
        "use a kernel that has them: those of all distributions do",
    ),
    errno.ENOSPC: (
        "this machine allows no more network namespaces (user.max_net_namespaces)",
        "allow more, as root: sudo sysctl -w user.max_net_namespaces=15000",
    ),
    errno.ENOMEM: ("there is no memory for a network namespace", "free some memory"),
}


def _make() -> int:
    with ExitStack() as on_failure:
        try:
            with _restoring_namespace():
                unshare_network()
                made = os.open(_OWN, os.O_RDONLY)
                on_failure.callback(os.close, made)
        except PermissionError:
            why = "this process cannot return to its network namespace, which belongs to another user namespace"
            raise MachineError(why, "give it one of its own: unshare --user --map-root-user --net") from None
        on_failure.pop_all()
    return made


@contextmanager
def _restoring_namespace() -> Iterator[None]:
    """After the block the calling thread is back in its namespace, whatever happens."""
    home = os.open(_OWN, os.O_RDONLY)
    try:
        yield
    finally:
        try:
            setns(home, CLONE_NEWNET)
        finally:
            os.close(home)
