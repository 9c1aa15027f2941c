"""The kernel's side, in an author's words: sockets that obey at once, and the state it says it is in."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from lab.host import sysctls
from lab.host.addresses import Pair
from lab.host.kernel_state import KernelState
from lab.host.namespace import Namespace
from lab.host.sockets import KernelSocket, Result
from lab.scenario.errors import ScenarioError
from lab.scenario.exchange import Exchange
from lab.scenario.expectation import Row
from lab.scenario.journal import Journal
from lab.tcp.state import State

if TYPE_CHECKING:
    from lab.scenario.dialogue import Dialogue

_BETWEEN_LOOKS_NS = 2_000_000

DEADLINE_S = 10.0
"""How long a system call may wait for something that is on its way."""


class Kernel:
    """The kernel under test. Every call returns at once or waits for what it is about, at most a few seconds."""

    def __init__(self, namespace: Namespace, pair: Pair, exchange: Exchange) -> None:
        self._namespace = namespace
        self._pair = pair
        self._exchange = exchange
        self._timeline = exchange.timeline
        self._journal = exchange.journal
        self._open: list[_Socket] = []

    @property
    def mss(self) -> int:
        """The MSS that it announces: the interface's MTU less the IP and TCP headers (RFC 9293 3.7.1)."""
        return _MTU - (60 if self._pair.family == 6 else 40)

    @property
    def window_scale(self) -> int:
        """The shift that it offers: the least that makes its largest receive buffer fit 16 bits (Linux's choice)."""
        largest = int(self._journal.recording.sysctls["net.ipv4.tcp_rmem"].split()[2])
        return next((shift for shift in range(15) if largest >> shift <= 0xFFFF), 14)

    def sysctl(self, name: str, value: str | int | None = None) -> str:
        """A setting of this kernel's namespace; given a value, sets it for the rest of this scenario."""
        if value is not None:
            try:
                sysctls.apply(self._namespace, {name: str(value)})
            except FileNotFoundError:
                raise ScenarioError(f"this kernel has no sysctl {name}") from None
            except OSError as refused:
                raise ScenarioError(str(refused)) from None
            self._journal.call("sysctl", (name, value), Result(), None)
        found = sysctls.read(self._namespace, [name])
        if name not in found:
            raise ScenarioError(f"this kernel has no sysctl {name}")
        self._journal.recording.sysctls[name] = found[name]
        return found[name]

    def listen(self, port: int, backlog: int = 16) -> Listener:
        """A listening socket."""
        opened = self._socket()
        listener = Listener(opened, self._journal, port)
        self._open.append(listener)
        listener.call("bind", opened.bind(self._pair.kernel, port), port)
        listener.call("listen", opened.listen(backlog), backlog)
        return listener

    def connect(self, to: Dialogue, port: int = 0) -> Connection:
        """Begin to connect to a peer, from a port of the kernel's choice unless one is given."""
        opened = self._socket()
        connection = Connection(opened, self._journal)
        self._open.append(connection)
        if port:
            connection.call("bind", opened.bind(self._pair.kernel, port), port)
        connection.call("connect", opened.connect(self._pair.peer, to.port), to.port, error="EINPROGRESS")
        connection.belongs_to(to)
        to.socket = connection
        return connection

    def expect_state(self, of: Dialogue | Listener, state: State | str, within: float = 0.0) -> None:
        """The kernel says that the connection to this peer (or this listener) is in that state.

        If it is not, everything sent so far is fenced and the kernel asked once more; `within` waits that many seconds
        for a state that a timer brings.
        """
        wanted = _STATES.get(state)
        if wanted is None:
            raise ScenarioError(f"{state!r} is not a state, use one of {', '.join(each.value for each in State)}")
        seen = self._look(of).state
        if seen is not wanted:
            seen = self._look_again(of, wanted, within)
        if seen is wanted:
            self._journal.agrees("state", _AGREEING[wanted], of.number)
        else:
            rows = (Row("state", wanted.value, seen.value, False),)
            summary = f"the kernel is in state {seen.both_names}"
            self._journal.differs("state", rows, summary=summary, connection=of.number, state=seen)

    def look(self, at: Dialogue) -> State:
        """The kernel's state of the connection to this peer, now."""
        return self._look(at).state

    def details(self, at: Dialogue) -> KernelState:
        """Everything that inet_diag says of the connection to this peer: state, timer, queues."""
        return self._look(at)

    def close(self) -> None:
        """Close whatever the scenario left open, without a word on the record."""
        for each in self._open:
            each.release()

    def _look_again(self, at: Dialogue | Listener, wanted: State, within: float) -> State:
        self._exchange.fence()
        seen = self._look(at).state
        deadline_ns = time.monotonic_ns() + int(within * 1e9)
        while seen is not wanted and time.monotonic_ns() < deadline_ns:
            self._exchange.receive(min(deadline_ns, time.monotonic_ns() + _BETWEEN_LOOKS_NS))
            seen = self._look(at).state
        return seen

    def _look(self, at: Dialogue | Listener) -> KernelState:
        number = at.number
        if number is None:
            return self._timeline.look_at_listener(at.port)
        if number < 0:
            raise ScenarioError(f"the peer on port {at.port} has no connection yet, so the kernel has no state for it")
        return self._timeline.look(number)

    def _socket(self) -> KernelSocket:
        return KernelSocket.open(self._namespace, self._pair.family)


class _Socket:
    """What listeners and connections have in common."""

    def __init__(self, opened: KernelSocket, journal: Journal) -> None:
        self._socket = opened
        self._journal = journal
        self._peer: Dialogue | None = None
        self._copies: list[KernelSocket] = []

    def close(self, error: str = "") -> None:
        """close(2)."""
        self.call("close", self._socket.close(), error=error)

    def set_option(self, name: str, value: int, error: str = "") -> None:
        """setsockopt(2) by its C name: `set_option("TCP_NODELAY", 1)`."""
        level, option = _option(name)
        self.call("setsockopt", self._socket.set_option(level, option, value), name, value, error=error)

    def get_option(self, name: str, error: str = "") -> int:
        """getsockopt(2) by its C name."""
        return self.call("getsockopt", self._socket.get_option(*_option(name)), name, error=error) or 0

    def info(self) -> dict[str, int]:
        """TCP_INFO by the kernel's names, without `tcpi_`."""
        return self._socket.tcp_info()

    def call(self, name: str, result: Result[Any], *arguments: object, error: str = "") -> Any:
        """Record a system call; a check when the author named how it ends, or when it did not end well."""
        connection = self._peer.number if self._peer is not None and self._peer.number >= 0 else None
        made = self._journal.call(name, arguments, result, connection)
        if error or result.error:
            wanted, got = error or "success", result.error or "success"
            self._journal.verify(
                str(made),
                "result",
                wanted,
                got,
                summary=f"{made} ended with {got}",
                connection=connection,
            )
        return result.value

    def release(self) -> None:
        """Close all descriptors."""
        for each in (self._socket, *self._copies):
            each.close()


class Listener(_Socket):
    """A listening socket of the kernel."""

    number: None = None
    """A listener is none of the numbered connections."""

    def __init__(self, opened: KernelSocket, journal: Journal, port: int) -> None:
        super().__init__(opened, journal)
        self.port = port
        self._accepted: list[Connection] = []

    def accept(self, error: str = "", within: float = DEADLINE_S) -> Connection:
        """The next connection that is established; waits for one up to `within` seconds."""
        result = self._socket.accept(time.monotonic() + (0.0 if error == "EAGAIN" else within))
        accepted = self.call("accept", result, error=error)
        connection = Connection(accepted, self._journal)
        if accepted is not None:
            self._accepted.append(connection)
        return connection

    def release(self) -> None:
        """Close it and what it accepted."""
        for each in self._accepted:
            each.release()
        super().release()


class Connection(_Socket):
    """A connecting or connected socket of the kernel."""

    def belongs_to(self, peer: Dialogue) -> None:
        """Which peer is at the other end."""
        self._peer = peer

    def expect_connected(self, error: str = "", within: float = DEADLINE_S) -> None:
        """connect(2) ends well, or with this errno: "ECONNREFUSED"."""
        self.call("connect", self._socket.connected(time.monotonic() + within), error=error or "success")

    def send(self, data: bytes | str, error: str = "", more: bool = False) -> int:
        """send(2), with MSG_MORE if more is to come; the number of bytes taken."""
        octets = data.encode() if isinstance(data, str) else data
        return self.call("send", self._socket.send(octets, socket.MSG_MORE if more else 0), octets, error=error) or 0

    def recv(self, size: int = 65536, error: str = "", within: float = DEADLINE_S) -> bytes:
        """recv(2): what is there, waiting up to `within` seconds for something; b"" is the end of the stream."""
        deadline = time.monotonic() + (0.0 if error == "EAGAIN" else within)
        return self.call("recv", self._socket.recv(size, deadline), size, error=error) or b""

    def expect_data(self, data: bytes | str, within: float = DEADLINE_S) -> None:
        """The application reads exactly these bytes next."""
        wanted = data.encode() if isinstance(data, str) else data
        got = b""
        deadline = time.monotonic() + within
        while len(got) < len(wanted):
            part = self.recv(len(wanted) - len(got), within=max(0.0, deadline - time.monotonic()))
            if not part:
                break
            got += part
        self._journal.verify(
            "data read",
            "data",
            wanted,
            got,
            summary="the application reads other bytes than were sent",
            why="bytes arrive once, in order and unchanged   RFC 9293 3.4",
        )

    def expect_end(self, within: float = DEADLINE_S) -> None:
        """The application reads the end of the stream: the other side has closed."""
        self._journal.verify(
            "end of stream",
            "data",
            b"",
            self.recv(1, within=within),
            summary="the application does not read the end of the stream",
            why="behind the last byte before a FIN the application learns that the other side closed   RFC 9293 3.6",
        )

    def shutdown(self, direction: str, error: str = "") -> None:
        """shutdown(2) of "read", "write" or "both"."""
        self.call("shutdown", self._socket.shutdown(direction), direction, error=error)

    def abort(self) -> None:
        """close(2) with SO_LINGER of 0 seconds: reset instead of FIN."""
        self.call("setsockopt", self._socket.linger(0), "SO_LINGER", 0)
        self.close()

    def dup(self) -> Connection:
        """A second descriptor for the same socket (dup(2))."""
        copy = Connection(self._socket.dup(), self._journal)
        copy._peer = self._peer
        self._copies.append(copy._socket)
        self._journal.call("dup", (), Result(), self._peer.number if self._peer else None)
        return copy


_MTU = 1500  # of a veth
_AGREEING = {state: (Row("state", state.value, state.value, True),) for state in State}
_STATES: dict[State | str, State] = {**{state.value: state for state in State}, **{state: state for state in State}}


def _option(name: str) -> tuple[int, int]:
    level = socket.IPPROTO_TCP if name.startswith("TCP_") else socket.SOL_SOCKET
    option = getattr(socket, name, None)
    if option is None:
        raise ScenarioError(f"{name!r} is no socket option that Python knows")
    return level, option
