"""Network namespaces held by a descriptor: without a name they are gone with it, so a killed run leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.host.errors import MachineError
from lab.host.syscalls import CLONE_NEWNET, setns, unshare

_OWN = "/proc/thread-self/ns/net"


class Namespace:
    """A network namespace. Sockets made inside `entered()` stay in it wherever they are used."""

    def __init__(self, path: Path | None = None) -> None:
        """A new one without a name, or the one that `ip netns` shows under `path` (OSError when there is none)."""
        self._descriptor = _make() if path is None else os.open(path, os.O_RDONLY)

    def fileno(self) -> int:
        """The descriptor that keeps the namespace alive."""
        return self._descriptor

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is inside for the length of the block, and back home whatever happens in it."""
        with _home_afterwards():
            setns(self._descriptor, CLONE_NEWNET)
            yield

    def counters(self) -> dict[str, int]:
        """TCP and IP counters since the namespace was made, by nstat(8)'s names: `TcpExtSyncookiesSent`."""
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
        """Let go; the kernel dismantles the namespace once no socket is left in it."""
        os.close(self._descriptor)


def _make() -> int:
    """The descriptor of a new namespace."""
    with ExitStack() as on_failure:
        try:
            with _home_afterwards():
                unshare(CLONE_NEWNET)
                made = os.open(_OWN, os.O_RDONLY)
                on_failure.callback(os.close, made)
        except PermissionError:
            why = "making a network namespace is not permitted"
            raise MachineError(why, "run the lab as root: sudo scripts/lab") from None
        on_failure.pop_all()
    return made


@contextmanager
def _home_afterwards() -> Iterator[None]:
    """In the block the calling thread may go to other namespaces; it comes back whatever happens."""
    home = os.open(_OWN, os.O_RDONLY)
    try:
        yield
    finally:
        try:
            setns(home, CLONE_NEWNET)
        finally:
            os.close(home)
