"""Who the members of a crowd are: clients on ports of ours, or connections that the kernel opens, group by group."""

from __future__ import annotations

import threading
from collections.abc import Generator

from lab.crowd.crowd import AT_ONCE, Crowd
from lab.host.many_sockets import ManySockets, ports_in_parts
from lab.host.namespace import Namespace
from lab.session.errors import ScenarioError

_CLIENT_PORTS = range(1024, 40001)
"""Below those of ordinary peers."""

one_at_a_time = threading.Lock()
"""Held by the crowd that acts. The kernel has a queue of a thousand frames for each CPU, that all labs share."""


class Recruiter:
    """Hands out members in the kernel's namespace of one lab."""

    def __init__(self, namespace: Namespace, family: int) -> None:
        self._namespace = namespace
        self._family = family
        self._ports = iter(_CLIENT_PORTS)
        self._sockets: list[ManySockets] = []

    def sockets(self) -> ManySockets:
        """Sockets of the kernel for a crowd; `close` closes them."""
        opened = ManySockets(self._namespace, self._family)
        self._sockets.append(opened)
        return opened

    def clients(self, count: int) -> Generator[list[int]]:
        """Ports of members that speak to a listener."""
        if count > len(_CLIENT_PORTS):
            raise ScenarioError(f"a crowd has at most {len(_CLIENT_PORTS)} clients, each on a port of its own")
        while count:
            group = [port for port, _ in zip(self._ports, range(min(count, AT_ONCE)), strict=False)]
            if not group:
                raise ScenarioError("earlier crowds of this scenario have used up the ports")
            yield group
            count -= len(group)

    def connections(self, crowd: Crowd, sockets: ManySockets, address: str, port: int, count: int) -> Generator[int]:
        """Numbers of connections that the kernel has begun to open to this address, until no port is left."""
        with ports_in_parts(self._namespace, AT_ONCE) as parts:
            for _ in parts:
                result = sockets.connect(address, port, min(count, AT_ONCE))
                begun = result.value or 0
                crowd.expect_calls("connect", begun if result.error == "EADDRNOTAVAIL" else min(count, AT_ONCE), result)
                if begun:
                    yield begun
                count -= begun
                if not count:
                    return

    def close(self) -> None:
        """Close all sockets that crowds have left open."""
        for opened in self._sockets:
            opened.close()
