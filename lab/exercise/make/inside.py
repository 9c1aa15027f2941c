"""Inside of a learner's process: it gives up every privilege, loads the learner's file, and answers calls over pipes.

Requests and replies are JSON objects, one a line. The first request loads the file: `{"load": source, "file": name,
"iss": number}`. Each later one is a call of the endpoint: `{"call": "receive", "now": seconds, "segment": [...]}`. A
reply has what the endpoint then owes (`segments`), its `timer`, its `state`, the `result` of read(), and what was
`printed`; or instead of the first four what went wrong: `raised`, `overtime`, `wrong`.

The process has a user and namespaces of its own, no network, no file system, no children, and limits for CPU time,
memory and output. Its root is a folder that was removed, in which nothing can be made. So the modules that a learner
may import are imported before.
"""

from __future__ import annotations

import abc
import bisect
import collections
import collections.abc
import copy
import dataclasses
import enum
import functools
import heapq
import io
import itertools
import json
import linecache
import math
import operator
import os
import resource
import signal
import string
import struct
import sys
import tempfile
import traceback
import types
import typing
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from importlib.abc import InspectLoader
from pathlib import Path
from typing import Any, BinaryIO

from lab.exercise.make import given
from lab.host.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWPID,
    drop_capabilities,
    end_with_parent,
    forbid_new_privileges,
    unshare,
)
from lab.record.saved.owners import is_in_first_user_namespace
from lab.tcp import input as _input
from lab.tcp import output as _output
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

_MODULES = (
    abc, bisect, collections, collections.abc, copy, dataclasses, enum, functools, heapq, itertools, math, operator,
    string, struct, typing,
)  # fmt: skip
MODULES = tuple(each.__name__ for each in _MODULES)
"""Modules of Python that a learner may import, besides lab.tcp."""
_PRELOADED = (given, _input, _output)
"""Modules of the lab that a learner's file may import; the rest of lab.tcp is imported by them."""
_NOBODY = 65534
_CPU_S = 2
_MEMORY = 512 << 20
_MOST_PRINTED = 4000
_MOST_SEGMENTS = 200
_LONGEST_TEXT = 300
_BYTES = "bytes"


class Overtime(BaseException):
    """The endpoint has used up its CPU time."""


class WrongError(Exception):
    """The endpoint returned or has something of another kind than its skeleton says."""

    def __init__(self, what: str, kind: str, got: object) -> None:
        super().__init__(what, kind, _shown(got))


def main() -> int:
    """Become a learner's process, and serve until the request pipe is closed. Returns the exit status.

    The process forks: its child is the learner's, and it waits for the child.
    """
    requests, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    with open(os.devnull, "r+b") as null:  # noqa: PTH123  # a device
        for descriptor in range(3):
            os.dup2(null.fileno(), descriptor)
    unprivileged = not is_in_first_user_namespace()
    try:
        unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID)
        child = os.fork()
        if child:
            return _status_of(child, requests, replies)
        _confine(unprivileged=unprivileged)
    except OSError as refused:
        _write(replies, {"refused": str(refused)})
        return 1
    _write(replies, {})
    _serve(requests, replies)
    return 0


def _status_of(child: int, requests: BinaryIO, replies: int) -> int:
    """Wait for the learner's process; its exit status, or 256 minus the signal that has ended it."""
    requests.close()
    os.close(replies)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def _confine(*, unprivileged: bool) -> None:
    """Take everything from this process but its two pipes. `unprivileged`: its user namespace has no other user."""
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path(folder).rmdir()
    os.chroot(".")
    try:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    except OSError:
        if not unprivileged:
            raise
    drop_capabilities()
    forbid_new_privileges()
    end_with_parent(signal.SIGKILL)
    used = math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    for limit, most in (
        (resource.RLIMIT_CPU, (used + _CPU_S, used + _CPU_S + 1)),
        (resource.RLIMIT_AS, (_MEMORY, _MEMORY)),
        (resource.RLIMIT_NPROC, (0, 0)),
        (resource.RLIMIT_FSIZE, (0, 0)),
        (resource.RLIMIT_CORE, (0, 0)),
    ):
        resource.setrlimit(limit, most)


def _serve(requests: BinaryIO, replies: int) -> None:
    def overtime(*_: object) -> None:
        raise Overtime

    signal.signal(signal.SIGXCPU, overtime)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    printed = _Printed()
    learner = _Learner()
    with redirect_stdout(printed), redirect_stderr(printed):
        for line in requests:
            reply = learner.answer(json.loads(line))
            _write(replies, reply | {"printed": printed.take()})


def _write(replies: int, reply: dict[str, Any]) -> None:
    data = json.dumps(reply).encode() + b"\n"
    while data:
        data = data[os.write(replies, data) :]


class _Printed(io.TextIOBase):
    """Standard output of the learner's code: its beginning is kept until the next reply."""

    def __init__(self) -> None:
        self._text = ""

    def write(self, text: str, /) -> int:
        self._text += str(text)[: max(0, _MOST_PRINTED - len(self._text))]
        return len(text)

    def take(self) -> str:
        """The text printed since the last call."""
        text, self._text = self._text, ""
        return text


class _Source(InspectLoader):
    """Loads the learner's module from its text, as there is no file system."""

    def __init__(self, source: str, file: str) -> None:
        self._source = source
        self._file = file

    def get_source(self, fullname: str) -> str:  # noqa: ARG002  # there is one module
        """The text of the file."""
        return self._source

    def get_code(self, fullname: str) -> types.CodeType:
        """The compiled file, under its name, which tracebacks show."""
        return self.source_to_code(self.get_source(fullname), self._file)


class _Learner:
    """The learner's module and endpoint."""

    def __init__(self) -> None:
        self._file = ""
        self._endpoint: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked; every failure of the learner's code becomes a reply."""
        try:
            if "load" in request:
                self._load(request)
                return {"state": _state(self._endpoint)}
            return self._call(**request)
        except Overtime as raised:
            return {"overtime": self._place(raised)}
        except WrongError as wrong:
            return {"wrong": list(wrong.args)}
        except BaseException as raised:  # noqa: BLE001  # whatever the learner's code does
            place = self._place(raised)
            text = _shown_text(raised)
            if isinstance(raised, SyntaxError) and raised.filename == self._file:
                place |= {"line": raised.lineno or 0, "code": (raised.text or "").strip()[:_LONGEST_TEXT]}
                text = str(raised.msg)
            return {"raised": {"type": type(raised).__name__, "text": text, **place}}

    def _load(self, request: dict[str, Any]) -> None:
        source, self._file = request["load"], request["file"]
        linecache.cache[self._file] = len(source), None, source.splitlines(keepends=True), self._file
        module = types.ModuleType("endpoint")
        sys.modules["endpoint"] = module
        _Source(source, self._file).exec_module(module)
        kind = vars(module).get("Endpoint")
        if not isinstance(kind, type):
            raise WrongError(self._file, "class Endpoint", kind)
        self._endpoint = kind(Seq(request["iss"]))

    def _call(self, call: str, now: float, segment: list[Any] | None = None, data: str | None = None) -> dict[str, Any]:
        method: Callable[..., Any] = getattr(self._endpoint, call)
        result = None
        if segment is not None:
            method(_segment(segment), now)
        elif data is not None:
            method(bytes.fromhex(data), now)
        elif call in {"listen", "read"}:
            result = method()
        else:
            method(now)
        if call == "read" and not isinstance(result, bytes | bytearray):
            raise WrongError("read()", _BYTES, result)
        owed = self._endpoint.segments_to_send(now)
        if not isinstance(owed, Iterable):
            raise WrongError("segments_to_send()", "list[Segment]", owed)
        timer = self._endpoint.timer()
        if timer is not None and (not isinstance(timer, int | float) or not math.isfinite(timer)):
            raise WrongError("timer()", "float | None", timer)
        return {
            "segments": [_fields(each) for each in itertools.islice(owed, _MOST_SEGMENTS)],
            "timer": timer,
            "state": _state(self._endpoint),
            "result": bytes(result or b"").hex(),
        }

    def _place(self, raised: BaseException) -> dict[str, Any]:
        """The innermost line of the learner's file that an exception has passed."""
        frames = [each for each in traceback.extract_tb(raised.__traceback__) if each.filename == self._file]
        if not frames:
            return {"line": 0, "code": "", "function": ""}
        last = frames[-1]
        return {"line": last.lineno or 0, "code": (last.line or "")[:_LONGEST_TEXT], "function": last.name}


def _state(endpoint: Any) -> str:
    return str(endpoint.state)[:40]


def _segment(fields: list[Any]) -> Segment:
    seq, ack, flags, window, options, payload = fields
    listed = tuple((name, _value(value)) for name, value in options)
    return Segment(Seq(seq), Seq(ack), flags, window, listed, bytes.fromhex(payload))


def _value(value: Any) -> Any:
    """The value of an option: bytes travel as a hexadecimal text, tuples as lists."""
    return bytes.fromhex(value) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _fields(segment: object) -> list[Any]:
    if not isinstance(segment, Segment):
        raise WrongError("segments_to_send()", "list[Segment]", segment)
    seq, ack, flags, window, options, payload, *_ = segment
    for name, value in (("seq", seq), ("ack", ack), ("flags", flags), ("window", window)):
        if not isinstance(value, int):
            raise WrongError(f"Segment.{name}", "int", value)
    if not isinstance(payload, bytes | bytearray):
        raise WrongError("Segment.payload", _BYTES, payload)
    listed: Iterable[Any] = options
    try:
        pairs = [[name, bytes(value).hex() if isinstance(value, bytes) else value] for name, value in listed]
    except (TypeError, ValueError):
        raise WrongError("Segment.options", "tuple[tuple[str, ...], ...]", options) from None
    return [int(seq), int(ack), int(flags), int(window), pairs, bytes(payload).hex()]


def _shown(value: object) -> str:
    try:
        return repr(value)[:_LONGEST_TEXT]
    except Exception as why:  # noqa: BLE001  # whatever the learner's class does
        return type(why).__name__


def _shown_text(raised: BaseException) -> str:
    try:
        return str(raised)[:_LONGEST_TEXT]
    except Exception as why:  # noqa: BLE001  # whatever the learner's class does
        return type(why).__name__
