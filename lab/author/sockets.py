"""Socket API for scenarios. Calls never block without a deadline."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol

from lab.host.socket_options import Value
from lab.host.sockets import EVENTS, CallResult, HolderProcess, KernelSocket
from lab.record.events import CheckKind
from lab.record.expectation import ANY, Row
from lab.record.nearest import did_you_mean
from lab.session.conversation import Conversation
from lab.session.errors import ScenarioError
from lab.session.recorder import Recorder
from lab.session.switchboard import Switchboard
from lab.session.tolerance import DEADLINE_S
from lab.wire.frames import Endpoints

P = ParamSpec("P")


class Remote(Protocol):
    """The other end of a kernel's socket: a peer."""

    conversation: Conversation
    socket: Connection | None
    """The kernel's socket of this connection, once the scenario has it."""


class Socket:
    """Base of listeners and connections."""

    def __init__(self, opened: KernelSocket, switchboard: Switchboard) -> None:
        self._socket = opened
        self._switchboard = switchboard
        self._recorder = switchboard.recorder
        self._conversation: Conversation | None = None
        self.options: dict[str, Value] = {}
        """Socket options that the scenario has set; an accepted connection begins with those of its listener."""
        self._copies: list[KernelSocket] = []

    def close(self, error: str = "") -> None:
        """close(2)."""
        self.call("close", self._close(), error=error)

    def _close(self) -> CallResult[None]:
        return self._socket.close()

    def send(self, data: bytes | str, error: str = "", more: bool = False) -> int:
        """send(2), with MSG_MORE if `more`. Returns the number of bytes that the kernel accepted."""
        octets = data.encode() if isinstance(data, str) else data
        return self.call("send", self._socket.send(octets, socket.MSG_MORE if more else 0), octets, error=error) or 0

    def set_option(self, name: str, value: Value, error: str = "") -> None:
        """setsockopt(2) by its C name: `set_option("TCP_NODELAY", 1)`. The value is an integer, a text or a struct."""
        result = _known(self._socket.set_option, name, value)
        self.call("setsockopt", result, name, value, error=error)
        if not result.error:
            self.options[name] = value

    def get_option(self, name: str, error: str = "") -> Any:
        """getsockopt(2) by its C name: an integer, a text such as that of TCP_CONGESTION, or a struct as bytes."""
        value = self.call("getsockopt", _known(self._socket.get_option, name), name, error=error)
        return 0 if value is None else value

    def tcp_info(self) -> dict[str, int]:
        """TCP_INFO of this descriptor, with the kernel's field names without `tcpi_`."""
        return self._recorder.readings.observed("info", self._socket.tcp_info())

    def call(self, name: str, result: CallResult[Any], *arguments: object, error: str = "", awaited: str = "") -> Any:
        """Record a system call. If it failed or `error` is given, also check its errno.

        `awaited` tells in words how long the call waited, and for what: "5 s for a connection".
        """
        result = self._recorder.readings.observed("call", result)
        made = self._recorder.call(name, arguments, result, self._number)
        if error or result.error:
            wanted, got = error or "success", result.error or "success"
            same = wanted is ANY or _errno(wanted) == vars(errno).get(result.error, 0 if got == "success" else got)
            waited = f" after waiting {awaited}" if awaited and result.error in {"EAGAIN", "EINPROGRESS"} else ""
            self._recorder.check(
                str(made),
                (Row("result", str(wanted), str(wanted) if same and wanted is not ANY else got, same),),
                summary=f"{made} ended with {got}{waited}",
                connection=self._number,
                kind=CheckKind.CALL,
            )
        return result.value

    def _deadline(self, within: float) -> float:
        """When to stop waiting, on time.monotonic()."""
        return time.monotonic() + self._recorder.readings.timeout(within)

    def _serve(self, events: int, deadline: float) -> None:
        """Before a call that waits for these poll(2) events: let peers that answer by themselves bring them about."""
        self._switchboard.serve_until(lambda: self._socket.wait(events, 0.0), deadline)

    @property
    def descriptor(self) -> int:
        """The number of the file descriptor, -1 once closed."""
        return self._socket.fileno()

    @property
    def _number(self) -> int | None:
        """Number of the socket's connection, None before it has one."""
        talk = self._conversation
        return talk.number if talk is not None and talk.number >= 0 else None

    def release(self) -> None:
        """Close all descriptors."""
        for each in (self._socket, *self._copies):
            each.close()


class Listener(Socket):
    """A listening socket of the kernel."""

    def __init__(self, opened: KernelSocket, switchboard: Switchboard, address: str, port: int) -> None:
        super().__init__(opened, switchboard)
        self.address = address
        self.port = port
        self._accepted: list[Connection] = []
        self._queue: list[KernelSocket] = []
        """Connections in front of one that the scenario asked for by its peer; they are accepted next."""

    def accept(self, error: str = "", within: float = DEADLINE_S, *, of: Remote | None = None) -> Connection:
        """The next connection that is established, or that `of` a peer; waits for it up to `within` seconds."""
        within = 0.0 if _is_eagain(error) else within
        result = self._next(of, self._deadline(within))
        accepted = self.call("accept", result, error=error, awaited=f"{within:.3g} s for a connection")
        connection = Connection(accepted, self._switchboard)
        connection.options = dict(self.options)
        if accepted is not None:
            self._accepted.append(connection)
            conversation = self._switchboard.find(Endpoints.of(self.address, self.port, *accepted.remote))
            if conversation is not None:
                connection.belongs_to(conversation)
            if of is not None:
                of.socket = connection
        return connection

    def _next(self, of: Remote | None, deadline: float) -> CallResult[KernelSocket]:
        """The next connection, or with `of` that of this peer. Those accepted before it are kept for later calls."""
        wanted = (of.conversation.address, of.conversation.port) if of is not None else ()
        for at, kept in enumerate(self._queue):
            if not wanted or kept.remote == wanted:
                return CallResult(self._queue.pop(at))
        while True:
            self._serve(select.POLLIN, deadline)
            result = self._socket.accept(deadline)
            if result.value is None or not wanted or result.value.remote == wanted:
                return result
            self._queue.append(result.value)

    def _close(self) -> CallResult[None]:
        for kept in self._queue:
            kept.linger(0)  # the kernel resets connections that were not accepted
            kept.close()
        return super()._close()

    def connect(self, to: Remote, error: str) -> None:
        """connect(2) on a listening socket; `error` is the errno that it fails with."""
        talk = to.conversation
        self.call("connect", self._socket.connect(talk.address, talk.port), talk.port, error=error)

    def release(self) -> None:
        """Close the listener and the connections that it accepted."""
        for each in self._accepted:
            each.release()
        for kept in self._queue:
            kept.close()
        super().release()


class Connection(Socket):
    """A connecting or connected socket of the kernel."""

    _process: Process | None = None

    def belongs_to(self, conversation: Conversation) -> None:
        """Set the connection of which this socket is the kernel's end."""
        self._conversation = conversation
        conversation.options = self.options

    def expect_connected(self, error: str = "", within: float = DEADLINE_S) -> None:
        """connect(2) must succeed, or fail with this errno: "ECONNREFUSED"."""
        deadline = self._deadline(within)
        self._serve(select.POLLOUT, deadline)
        self.call(
            "connect",
            self._socket.connected(deadline),
            error=error or "success",
            awaited=f"{within:.3g} s for the end of the handshake",
        )

    def recv(self, size: int = 65536, error: str = "", within: float = DEADLINE_S) -> bytes:
        """recv(2). Waits up to `within` seconds for the first byte; returns b"" at the end of the stream."""
        within = 0.0 if _is_eagain(error) else within
        deadline = self._deadline(within)
        self._serve(select.POLLIN, deadline)
        result = self._socket.recv(size, deadline)
        return self.call("recv", result, size, error=error, awaited=f"{within:.3g} s for data") or b""

    def expect_data(self, data: bytes | str, within: float = DEADLINE_S) -> None:
        """The application reads exactly these bytes next."""
        wanted = data.encode() if isinstance(data, str) else data
        got = b""
        deadline = self._deadline(within)
        while len(got) < len(wanted):
            part = self.recv(len(wanted) - len(got), within=max(0.0, deadline - time.monotonic()))
            if not part:
                break
            got += part
        self._recorder.check(
            "data read",
            (Row.of("data", wanted, got),),
            summary="the application reads other bytes than were sent",
            why="bytes arrive once, in order and unchanged   RFC 9293 3.4",
        )

    def expect_eof(self, within: float = DEADLINE_S) -> None:
        """The application reads the end of the stream: the other side has closed."""
        self._recorder.check(
            "end of stream",
            (Row.of("data", b"", self.recv(1, within=within)),),
            summary="the application does not read the end of the stream",
            why="after the last byte before a FIN the application learns that the other side closed   RFC 9293 3.6",
        )

    def expect_poll(self, events: str) -> None:
        """poll(2), called for all events, must report exactly these: "POLLIN POLLOUT POLLRDHUP"."""
        for name in events.split():
            if name not in EVENTS:
                known = ", ".join(EVENTS)
                raise ScenarioError(f"{name!r} is not an event of poll(2), use {known}{did_you_mean(name, EVENTS)}")
        reported = self._recorder.readings.observed("poll", self._socket.events())
        wanted, got = (" ".join(sorted(each.split())) for each in (events, reported))
        self._recorder.check(
            "poll",
            (Row.of("events", wanted, got),),
            summary="poll(2) reports other events",
            connection=self._number,
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
        copy = Connection(self._socket.dup(), self._switchboard)
        copy._conversation, copy.options = self._conversation, self.options
        self._copies.append(copy._socket)
        self._recorder.call("dup", (), CallResult(), self._number)
        return copy

    def move_to_process(self) -> Process:
        """Move the connection to a new process, which then has the only descriptor of it."""
        began_ns = time.monotonic_ns()
        process = self._process = Process(self._socket.move_to_process(), self._recorder, self._number)
        self._recorder.call("fork", (), CallResult(began_ns=began_ns), self._number)
        return process

    def release(self) -> None:
        """Close all descriptors, also that of another process."""
        if self._process is not None:
            self._process.release()
        super().release()


class Process:
    """A process that holds the only descriptor of a connection."""

    def __init__(self, owner: HolderProcess, recorder: Recorder, connection: int | None) -> None:
        self._owner = owner
        self._recorder = recorder
        self._number = connection

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._owner.pid

    def kill(self) -> None:
        """Kill the process with SIGKILL: it cannot close its descriptors itself."""
        began_ns = time.monotonic_ns()
        self._owner.kill()
        self._recorder.call("kill", ("SIGKILL",), CallResult(began_ns=began_ns), self._number)

    def release(self) -> None:
        """End the process; nothing is recorded."""
        self._owner.kill()


def _known(call: Callable[P, CallResult[Any]], *arguments: P.args, **named: P.kwargs) -> CallResult[Any]:
    """The result of a call about a socket option. Raises ScenarioError for an unknown option or no value of one."""
    try:
        return call(*arguments, **named)
    except ValueError as wrong:
        raise ScenarioError(str(wrong)) from None


def _errno(name: str) -> int:
    """The number of an errno, 0 for "success"; some numbers have two names."""
    number = 0 if name == "success" else vars(errno).get(name)
    if not isinstance(number, int):
        raise ScenarioError(f"{name!r} is not the name of an errno{did_you_mean(name, errno.errorcode.values())}")
    return number


def _is_eagain(error: str) -> bool:
    return bool(error) and error is not ANY and _errno(error) == errno.EAGAIN
