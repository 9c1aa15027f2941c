"""The kernel's side, in an author's words: what it is told to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from lab.author.observed import Observed
from lab.author.sockets import Connection, Listener, Socket
from lab.host import sysctls, veth
from lab.host.addresses import Pair
from lab.host.namespace import Namespace
from lab.host.network import KERNEL_INTERFACE
from lab.host.sockets import KernelSocket, Result
from lab.session.errors import ScenarioError
from lab.session.switchboard import Exchange

if TYPE_CHECKING:
    from lab.session.dialogue import Dialogue

P = ParamSpec("P")


class Kernel(Observed):
    """The kernel under test. Every call returns at once, or waits for what it is about and until a deadline."""

    def __init__(self, namespace: Namespace, pair: Pair, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._namespace = namespace
        self._pair = pair
        self._open: list[Socket] = []
        self._mtu: int | None = None
        """Once it was asked for, until it changes."""

    @property
    def address(self) -> str:
        """Its first address, the one that it takes unless told otherwise."""
        return self._pair.kernel

    @property
    def mss(self) -> int:
        """The MSS that it announces: the interface's MTU less the IP and TCP headers (RFC 9293 3.7.1)."""
        if self._mtu is None:
            self._mtu = veth.mtu(self._namespace, KERNEL_INTERFACE)
        return self._mtu - (60 if self._pair.family == 6 else 40)

    @property
    def window_scale(self) -> int:
        """The shift that it offers: the least that makes its largest receive buffer fit 16 bits (Linux's choice).

        The largest is the end of tcp_rmem, or what SO_RCVBUF may ask for (net.core.rmem_max) where that is more.
        """
        largest = int(self._journal.recording.sysctls["net.ipv4.tcp_rmem"].split()[2])
        with closing(self._socket()) as any_socket:
            return self.shift_for(max(largest, any_socket.most_receive_buffer()))

    def shift_for(self, window: int) -> int:
        """The least window scale with which so many bytes fit the 16 bits of the window field; never above 14."""
        return next((shift for shift in range(14) if window >> shift <= 0xFFFF), 14)

    def set_mtu(self, size: int) -> None:
        """From now on the interface takes IP packets of at most `size` bytes; `mss` follows."""
        self._mtu = None
        self._set("set_mtu", (size,), veth.set_mtu, KERNEL_INTERFACE, size)

    def set_route(self, **metrics: int) -> None:
        """From now on the route to the peers has these metrics, as ip-route(8) names them: `advmss=1111`."""
        shown = tuple(part for item in metrics.items() for part in item)
        self._set("set_route", shown, veth.set_route_metrics, KERNEL_INTERFACE, self._pair, metrics)

    def sysctl(self, name: str, value: str | int | None = None, *, missing: str = "") -> str:
        """A setting of this kernel's namespace; given a value, sets it for the rest of this scenario.

        `missing` is what a kernel does that does not have this setting.
        """
        if value is not None:
            try:
                self._set("sysctl", (name, value), sysctls.apply, {name: str(value)})
            except FileNotFoundError:
                raise ScenarioError(f"this kernel has no sysctl {name}") from None
        found = sysctls.read(self._namespace, [name])
        if name not in found:
            if missing:
                return missing
            raise ScenarioError(f"this kernel has no sysctl {name}")
        self._journal.recording.sysctls[name] = found[name]
        return found[name]

    def counter(self, name: str) -> int:
        """How often something has happened in this kernel's namespace, by its name in nstat(8)."""
        found = self._namespace.counters()
        if name not in found:
            raise ScenarioError(f"this kernel has no counter {name}")
        return self._journal.hear("counter", found[name])

    def listen(
        self,
        port: int,
        backlog: int = 16,
        options: Mapping[str, int] | None = None,
        error: str = "",
        *,
        second_address: bool = False,
    ) -> Listener:
        """A listening socket, with these socket options: {"TCP_DEFER_ACCEPT": 1}.

        `error` is the errno with which bind(2) fails, where it should; then there is no listener.
        """
        opened = self._socket()
        address = self._pair.second_kernel if second_address else self._pair.kernel
        listener = Listener(opened, self._journal, address, port)
        self._open.append(listener)
        for name, value in (options or {}).items():
            listener.set_option(name, value)
        listener.call("bind", opened.bind(address, port), port, error=error)
        if not error:
            listener.call("listen", opened.listen(backlog), backlog)
        return listener

    def connect(
        self,
        to: Dialogue,
        port: int = 0,
        options: Mapping[str, int] | None = None,
        error: str = "EINPROGRESS",
        *,
        second_address: bool = False,
    ) -> Connection:
        """Begin to connect to a peer, from a port of the kernel's choice unless one is given.

        `error` is the errno with which connect(2) returns at once, when it is not EINPROGRESS.
        """
        opened = self._socket()
        connection = Connection(opened, self._journal)
        self._open.append(connection)
        for name, value in (options or {}).items():
            connection.set_option(name, value)
        if port or second_address:
            address = self._pair.second_kernel if second_address else self._pair.kernel
            connection.call("bind", opened.bind(address, port), port)
        result = opened.connect(to.address, to.port)
        connection.call("connect", result, to.port, error=error)
        if result.error in {"", "EINPROGRESS"}:
            connection.belongs_to(to)
            to.socket = connection
        return connection

    def close(self) -> None:
        """Close whatever the scenario left open, without a word on the record."""
        for each in self._open:
            each.release()

    def _set(
        self, name: str, shown: tuple[object, ...], change: Callable[Concatenate[Namespace, P], None],
        *arguments: P.args, **named: P.kwargs,
    ) -> None:  # fmt: skip
        try:
            change(self._namespace, *arguments, **named)
        except FileNotFoundError:
            raise
        except OSError as refused:
            raise ScenarioError(str(refused)) from None
        self._journal.call(name, shown, Result(), None)

    def _socket(self) -> KernelSocket:
        return KernelSocket.open(self._namespace, self._pair.family)
