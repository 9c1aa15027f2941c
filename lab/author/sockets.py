"""Socket API for scenarios. Calls never block without a deadline."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any, Protocol

from lab.host.sockets import EVENTS, CallResult, HolderProcess, KernelSocket
from lab.record.events import CheckKind
from lab.record.expectation import ANY, Row
from lab.record.nearest import did_you_mean
from lab.session.conversation import Conversation
from lab.session.errors import ScenarioError
from lab.session.recorder import Recorder
from lab.session.tolerance import DEADLINE_S


class Remote(Protocol):
    """The other end of a kernel's socket: a peer."""

    conversation: Conversation
    socket: Connection | None
    """The kernel's socket of this connection, once the scenario has it."""


class Socket:
    """Base of listeners and connections."""

    def __init__(self, opened: KernelSocket, recorder: Recorder) -> None:
        self._socket = opened
        self._recorder = recorder
        self._conversation: Conversation | None = None
        self._copies: list[KernelSocket] = []

    def close(self, error: str = "") -> None:
        """close(2)."""
        self.call("close", self._socket.close(), error=error)

    def send(self, data: bytes | str, error: str = "", more: bool = False) -> int:
        """send(2), with MSG_MORE if `more`. Returns the number of bytes that the kernel accepted."""
        octets = data.encode() if isinstance(data, str) else data
        return self.call("send", self._socket.send(octets, socket.MSG_MORE if more else 0), octets, error=error) or 0

    def set_option(self, name: str, value: int, error: str = "") -> None:
        """setsockopt(2) by its C name: `set_option("TCP_NODELAY", 1)`."""
        level, option = _option(name)
        self.call("setsockopt", self._socket.set_option(level, option, value), name, value, error=error)

    def get_option(self, name: str, error: str = "") -> int:
        """getsockopt(2) by its C name."""
        return self.call("getsockopt", self._socket.get_option(*_option(name)), name, error=error) or 0

    def tcp_info(self) -> dict[str, int]:
        """TCP_INFO of this descriptor, with the kernel's field names without `tcpi_`."""
        return self._recorder.readings.observed("info", self._socket.tcp_info())

    def call(self, name: str, result: CallResult[Any], *arguments: object, error: str = "", awaited: str = "") -> Any:
        """Record a system call. If it failed or `error` is given, also check its errno.

        `awaited` is how long the call has waited for what, in words.
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

    def __init__(self, opened: KernelSocket, recorder: Recorder, address: str, port: int) -> None:
        super().__init__(opened, recorder)
        self.address = address
        self.port = port
        self._accepted: list[Connection] = []

    def accept(self, error: str = "", within: float = DEADLINE_S) -> Connection:
        """The next connection that is established; waits for one up to `within` seconds."""
        within = 0.0 if _is_eagain(error) else within
        result = self._socket.accept(self._deadline(within))
        accepted = self.call("accept", result, error=error, awaited=f"{within:.3g} s for a connection")
        connection = Connection(accepted, self._recorder)
        if accepted is not None:
            self._accepted.append(connection)
        return connection

    def connect(self, to: Remote, error: str) -> None:
        """connect(2) on a listening socket; `error` is the errno that it fails with."""
        talk = to.conversation
        self.call("connect", self._socket.connect(talk.address, talk.port), talk.port, error=error)

    def release(self) -> None:
        """Close the listener and the connections that it accepted."""
        for each in self._accepted:
            each.release()
        super().release()


class Connection(Socket):
    """A connecting or connected socket of the kernel."""

    _process: Process | None = None

    def belongs_to(self, conversation: Conversation) -> None:
        """Set the connection of which this socket is the kernel's end."""
        self._conversation = conversation

    def expect_connected(self, error: str = "", within: float = DEADLINE_S) -> None:
        """connect(2) must succeed, or fail with this errno: "ECONNREFUSED"."""
        self.call(
            "connect",
            self._socket.connected(self._deadline(within)),
            error=error or "success",
            awaited=f"{within:.3g} s for the end of the handshake",
        )

    def recv(self, size: int = 65536, error: str = "", within: float = DEADLINE_S) -> bytes:
        """recv(2). Waits up to `within` seconds for the first byte; returns b"" at the end of the stream."""
        within = 0.0 if _is_eagain(error) else within
        result = self._socket.recv(size, self._deadline(within))
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
        copy = Connection(self._socket.dup(), self._recorder)
        copy._conversation = self._conversation
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


def _errno(name: str) -> int:
    """The number of an errno, 0 for "success"; some numbers have two names."""
    number = 0 if name == "success" else vars(errno).get(name)
    if not isinstance(number, int):
        raise ScenarioError(f"{name!r} is not the name of an errno{did_you_mean(name, errno.errorcode.values())}")
    return number


def _is_eagain(error: str) -> bool:
    return bool(error) and error is not ANY and _errno(error) == errno.EAGAIN


_UNKNOWN_TO_PYTHON = {"TCP_FASTOPEN_CONNECT": 30}  # linux/tcp.h


def _option(name: str) -> tuple[int, int]:
    level = socket.IPPROTO_TCP if name.startswith("TCP_") else socket.SOL_SOCKET
    option = getattr(socket, name, _UNKNOWN_TO_PYTHON.get(name))
    if option is None:
        raise ScenarioError(f"unknown socket option {name!r}")
    return level, option
