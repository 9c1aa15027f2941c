"""What a run could leave behind on the host, and how to look for it."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.kernel.helpers import host_configuration, network_namespaces_of


def namespaces_in_use() -> set[str]:
    """The network namespaces that any process is in or holds by a descriptor."""
    return set().union(*(network_namespaces_of(int(each.name)) for each in Path("/proc").glob("[0-9]*")))


def session_of(leader: int) -> set[int]:
    """The living processes of the session that this process has begun."""
    found = set()
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended in the meantime
            if os.getsid(int(each.name)) == leader:
                found.add(int(each.name))
    return found


def drain(process: subprocess.Popen[str], for_s: float, until: str = "") -> str:
    """Take what the process prints until that time is over, or it has printed that, or nothing more can come."""
    assert process.stdout is not None
    told, end = b"", time.monotonic() + for_s
    while (left_s := end - time.monotonic()) > 0 and not (until and until.encode() in told):
        if select.select([process.stdout], [], [], left_s)[0]:
            more = os.read(process.stdout.fileno(), 65536)
            if not more:
                break
            told += more
    return told.decode(errors="replace")


@contextmanager
def unchanged_host() -> Iterator[None]:
    """For a block after which the host has to be what it was before."""
    before = host_configuration()
    yield
    after = host_configuration()
    assert {key: after[key] for key in after if after[key] != before[key]} == {}
