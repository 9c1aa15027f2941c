"""Programs on a terminal of their own, with keys typed by a test."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.kernel.helpers import DEADLINE_S, ROOT, environment

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A process on a terminal, and what it has written."""

    def __init__(self, process: subprocess.Popen[bytes], leader: int) -> None:
        self.process = process
        self.leader = leader
        self._written = ""

    def type(self, keys: str) -> None:
        os.write(self.leader, keys.encode())

    def until(self, text: str) -> str:
        """What is written until `text` appears, without colours; the next call looks after it."""
        end = time.monotonic() + DEADLINE_S
        while text not in self._written:
            left_s = end - time.monotonic()
            assert left_s > 0, f"{text!r} did not come: {self._written}"
            if select.select([self.leader], [], [], left_s)[0]:
                self._written = ESCAPE.sub("", self._written + os.read(self.leader, 65536).decode())
        told, _, self._written = self._written.partition(text)
        return told + text

    def answer(self, line: str, text: str) -> str:
        """What is written from a typed line until `text`."""
        self.type(line + "\r")
        return self.until(text)


@contextmanager
def on_terminal(command: Sequence[str | Path], variables: Mapping[str, str], columns: int = 80) -> Iterator[Terminal]:
    """The process of a command on a terminal, killed in the end if it still runs."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment(), "COLUMNS": "", "TERM": "xterm", **variables},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # pytest has one thread here
    )
    os.close(follower)
    with process:
        try:
            yield Terminal(process, leader)
        finally:
            if process.poll() is None:
                process.kill()
            with suppress(OSError):  # closed by the test
                os.close(leader)
