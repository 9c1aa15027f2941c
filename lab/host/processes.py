"""A process that owns a socket: what becomes of a connection when the program that has it ends."""

from __future__ import annotations

import subprocess
import threading

no_copies = threading.Lock()
"""Taken while a new process is made: until its exec it has copies of all our descriptors, and a close(2) of ours in
that moment would not be the last one."""


class Owner:
    """A process with one descriptor of ours, which does nothing with it. It ends when killed, or when we do."""

    __slots__ = ("_process",)

    def __init__(self, descriptor: int) -> None:
        # Its standard input is a pipe that nobody writes to: cat ends when we, the only writer, have ended somehow.
        with no_copies:
            self._process = subprocess.Popen(
                ["cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(descriptor,),
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL; returns when it is gone. Killing it again does nothing."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
