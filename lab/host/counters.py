"""The counters of a namespace's TCP and IP, by the names that nstat(8) gives them: `TcpExtSyncookiesSent`."""

from __future__ import annotations

from pathlib import Path

from lab.host.namespace import Namespace

_FILES = ("netstat", "snmp")


def read(namespace: Namespace) -> dict[str, int]:
    """All counters, each since the namespace was made."""
    values = {}
    with namespace.entered():
        for name in _FILES:
            lines = Path("/proc/thread-self/net", name).read_text().splitlines()
            for names, numbers in zip(lines[::2], lines[1::2], strict=True):
                group, *listed = names.split()
                counted = numbers.split()[1:]
                values.update({f"{group[:-1]}{each}": int(n) for each, n in zip(listed, counted, strict=True)})
    return values
