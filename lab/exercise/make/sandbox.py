"""A learner's process from outside: it is started, asked and ended. What it answers is not trusted."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from lab.host.errors import MachineError
from lab.record.expectation import as_options
from lab.tcp.options import padded
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

_IDLE_S = 10.0
"""How long a call may last without using CPU time; one that computes is ended by its limit of CPU time."""
_MOST_BYTES = 4_000_000
_MOST_PAYLOAD = 65000
_MOST_OPTIONS = 40
_BOOT = "import sys; sys.path.append(sys.argv[1]); from lab.exercise.make.inside import main; sys.exit(main())"


class Trouble(Exception):
    """The learner's code did not do its part; `key` names the text about it in `words.toml`, with these values."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values
        self.printed = ""


class Reply(NamedTuple):
    """What the endpoint owes and says after a call."""

    segments: list[Segment]
    timer: float | None
    state: str
    result: bytes
    """What read() returned."""
    printed: str


class LearnerProcess:
    """A process with an endpoint of the learner, as a context manager.

    MachineError if this machine cannot confine it.
    """

    def __init__(self, source: str, file: str, iss: Seq) -> None:
        """`source` is the text of the file; Trouble if it cannot be loaded."""
        self._program = (source, file, iss)
        self._unread = b""

    def __enter__(self) -> Self:
        root = str(Path(__file__).resolve().parents[3])
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", _BOOT, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
        )
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The id of the process that waits for the learner's."""
        return self._process.pid

    def call(self, name: str, now: float, **given: object) -> Reply:
        """Call a method of the endpoint, then ask what it owes. Raises Trouble for everything else that happens."""
        said = self._ask({"call": name, "now": now, **given}, f"{name}()")
        printed = said.get("printed")
        try:
            segments = [_segment(each) for each in said["segments"]]
            timer = None if said["timer"] is None else float(said["timer"])
            result = bytes.fromhex(said["result"])
            return Reply(segments, timer, str(said["state"]), result, str(printed))
        except Trouble as trouble:
            trouble.printed = str(printed)
            raise
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Trouble("garbled", call=f"{name}()") from None

    def _begin(self) -> None:
        try:
            first = self._ask({}, "")
        except Trouble:
            first = {"refused": f"the process ended with {self._process.wait()}"}
        if "refused" in first:
            raise MachineError(
                f"a learner's code cannot be confined: {first['refused']}", "run the lab as root: sudo scripts/lab"
            )
        source, file, iss = self._program
        self._ask({"load": source, "file": file, "iss": int(iss)}, file)

    def _ask(self, request: dict[str, object], call: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            if request:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
            reply = json.loads(self._line(call))
        except BrokenPipeError:
            raise self._ended(call) from None
        except (ValueError, RecursionError):
            raise Trouble("garbled", call=call) from None
        if not isinstance(reply, dict):
            raise Trouble("garbled", call=call)
        return _without_trouble(reply, call)

    def _line(self, call: str) -> bytes:
        """The next line that the process writes."""
        assert self._process.stdout is not None
        descriptor, used = self._process.stdout.fileno(), self._cpu_time()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while b"\n" not in self._unread:
            if len(self._unread) > _MOST_BYTES:
                raise Trouble("too_much", call=call)
            if not poll.poll(_IDLE_S * 1000):
                before, used = used, self._cpu_time()
                if used == before:
                    raise Trouble("hangs", call=call, seconds=f"{_IDLE_S:g}")
                continue
            part = os.read(descriptor, 65536)
            if not part:
                raise self._ended(call)
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _cpu_time(self) -> int:
        """CPU time of the process and its child so far, in ticks of the kernel (proc(5))."""
        ticks = 0
        with suppress(OSError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
            for each in (str(self.pid), *children):
                fields = Path(f"/proc/{each}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks

    def _ended(self, call: str) -> Trouble:
        code = self._process.wait()
        number = 256 - code if code > 256 - signal.NSIG else -code
        if number == signal.SIGKILL:
            return Trouble("overtime", call=call, line=0, code="")
        if number > 0:
            return Trouble("killed", call=call, signal=signal.Signals(number).name)
        return Trouble("ended", call=call, status=code)

    def _end(self) -> None:
        """End the process; the learner's ends with it, which shows by the end of its pipe."""
        self._process.kill()
        self._process.wait()
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        requests.close()
        poll = select.poll()
        poll.register(replies, select.POLLIN)
        while poll.poll(_IDLE_S * 1000) and replies.read(65536):
            pass
        replies.close()


def _without_trouble(reply: dict[str, Any], call: str) -> dict[str, Any]:
    """The reply; raises Trouble if it says that something went wrong."""
    match reply:
        case {
            "raised": {"type": str(kind), "text": str(text), "line": int(line), "code": str(code), "function": str(by)}
        }:
            key = "not_written" if kind == "NotImplementedError" else "raised"
            function = f"{by}()" if by else call
            trouble = Trouble(key, call=call, type=kind, text=text, line=line, code=code, function=function)
        case {"overtime": {"line": int(line), "code": str(code)}}:
            trouble = Trouble("overtime", call=call, line=line, code=code)
        case {"wrong": [str(what), str(kind), str(got)]}:
            trouble = Trouble("wrong_kind", what=what, kind=kind, got=got)
        case _:
            return reply
    trouble.printed = str(reply.get("printed", ""))
    raise trouble


def _segment(fields: list[Any]) -> Segment:
    """A segment of the learner; Trouble if no such segment can be sent."""
    seq, ack, flags, window, options, payload = fields
    for name, value, most in (("flags", flags, 0x1FF), ("window", window, 0xFFFF)):
        if not 0 <= int(value) <= most:
            raise Trouble("out_of_range", field=name, value=int(value), most=most)
    text = bytes.fromhex(payload)
    if len(text) > _MOST_PAYLOAD:
        raise Trouble("out_of_range", field="len(payload)", value=len(text), most=_MOST_PAYLOAD)
    try:
        listed = as_options((name, tuple(value) if isinstance(value, list) else value) for name, value in options)
        size = len(padded(listed))
    except (TypeError, ValueError) as why:
        raise Trouble("bad_options", why=str(why)) from None
    if size > _MOST_OPTIONS:
        raise Trouble("out_of_range", field="len(options)", value=size, most=_MOST_OPTIONS)
    return Segment(Seq(int(seq)), Seq(int(ack)), int(flags), int(window), listed, text)
