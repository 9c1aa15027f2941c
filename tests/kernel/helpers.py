"""What kernel tests need: the command as a process, scenarios written on the spot, the host's state."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, NamedTuple

from lab.author import registry
from lab.author.lab import Lab
from lab.author.runner import Runner
from lab.host.syscalls import CLONE_NEWUSER, mount_detached, unshare
from lab.record.events import FrameSeen
from lab.record.results import Result
from lab.report.screen import Screen
from lab.report.verdicts import difference_lines

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-P", "-m", "lab"]
DEADLINE_S = 300.0
ORDINARY_USER = 1000
WAITING = """
server = lab.kernel.listen(port=80)
peer = lab.peer(to=server)
peer.open()
peer.expect('FA', within=600)
"""
"""A scenario's body that does not end by itself."""
_MARK = "LAB_TEST_MARK"
_UNBROKEN = Screen(width=200)  # no line is folded, wherever a random number would make it so
_CHANGES_BY_ITSELF = re.compile(r"/nf_conntrack_count$|/tcp_fastopen_key$")


def kernels_frames(lab: Lab, letters: str | None = None) -> list[FrameSeen]:
    """The kernel's frames with TCP so far, or those with exactly these control bits."""
    frames = [each for each in lab.recording.events if isinstance(each, FrameSeen) and not each.from_peer]
    return [each for each in frames if each.segment and letters in (None, each.segment.letters)]


def environment(mark: str = "") -> dict[str, str]:
    """For a run of the lab: nothing is held back in a buffer, and all its processes can be recognised by the mark.

    What is wrong on purpose is not to be annotated where the tests themselves run on GitHub Actions.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "100", _MARK: mark}


def run_lab(*arguments: str | Path, cwd: Path = ROOT, typed: str = "") -> subprocess.CompletedProcess[str]:
    """One call of the command, from beginning to end; a run is saved only if that is asked for."""
    return subprocess.run(
        [*COMMAND, *_unsaved(arguments)],
        cwd=cwd,
        env=environment(),
        input=typed,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def _unsaved(arguments: tuple[str | Path, ...]) -> tuple[str | Path, ...]:
    """The arguments, with those that keep a run from being saved, and a saved one of the checkout from being used."""
    if arguments[0] == "claims" and "--from" not in arguments:
        return (*arguments, "--new")
    return (*arguments, "--no-out") if arguments[0] == "run" and "--out" not in arguments else arguments


@contextmanager
def started_lab(
    *arguments: str | Path, mark: str, cwd: Path = ROOT, preexec: Callable[[], None] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A call of the command that goes on while the test does something; ended with all of its group in any case."""
    process = subprocess.Popen(
        [*COMMAND, *_unsaved(arguments)],
        cwd=cwd,
        env=environment(mark),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=preexec,  # noqa: PLW1509  # pytest has one thread here
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def read_until(process: subprocess.Popen[str], text: str, deadline_s: float = DEADLINE_S) -> str:
    """What the process prints until `text` appears in it."""
    assert process.stdout is not None
    told, until = "", time.monotonic() + deadline_s
    while text not in told:
        left_s = until - time.monotonic()
        assert left_s > 0, f"{text!r} did not come, this came: {told}"
        if select.select([process.stdout], [], [], left_s)[0]:
            more = os.read(process.stdout.fileno(), 65536).decode()
            assert more, f"{text!r} did not come, this came: {told}"
            told += more
    return told


def as_an_ordinary_user(most_namespaces: int | None = None) -> Callable[[], None]:
    """For `preexec`: become a user without any privilege, one who can read the checkout and run this Python.

    That is the checkout's owner, seen from a user namespace in which the owner is somebody ordinary. `most_namespaces`
    limits how many user namespaces can be made inside (user.max_user_namespaces); the host keeps its own limit. Where
    the machine forbids user namespaces (Ubuntu since 24.04, a chroot) none can be made inside either, limit or not.
    """
    owner = ROOT.stat()

    def become() -> None:
        os.setgroups([])
        os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
        os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
        try:
            unshare(CLONE_NEWUSER)
            for file, text in (
                ("/proc/self/setgroups", "deny"),
                ("/proc/self/uid_map", f"{ORDINARY_USER} {owner.st_uid} 1"),
                ("/proc/self/gid_map", f"{ORDINARY_USER} {owner.st_gid} 1"),
            ):
                Path(file).write_text(text)
            if most_namespaces is not None:
                Path("/proc/sys/user/max_user_namespaces").write_text(str(most_namespaces))
        except OSError:
            if owner.st_uid == 0:
                os.setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
                os.setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)

    return become


def processes_marked(mark: str) -> list[int]:
    """The living processes that descend from a run with this mark, in whatever session they are."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:  # it has ended in the meantime
            continue
    return found


def network_namespaces_of(process: int) -> set[str]:
    """The network namespaces that a process is in or holds by a descriptor: {"net:[4026531840]", ...}."""
    names = set()
    for link in (Path(f"/proc/{process}/ns/net"), *Path(f"/proc/{process}/fd").glob("*")):
        with suppress(OSError):  # closed in the meantime
            names.add(str(link.readlink()))
    return {name for name in names if name.startswith("net:[")}


def host_configuration() -> dict[str, Any]:
    """What the host's network is set to, and what a run could leave behind; nothing that changes by itself."""
    from pyroute2 import IPRoute

    with IPRoute() as route:
        tables = {
            "links": [_lasting(link) for link in route.get_links()],
            "addresses": [_lasting(address) for address in route.get_addr()],
            "routes": [_lasting(entry) for entry in route.get_routes()],
            "rules": [_lasting(rule) for rule in route.get_rules()],
            "neighbours": [_lasting(entry) for entry in route.get_neighbours() if entry["state"] & 0x80],
        }
    return {
        **tables,
        "sysctls": dict(_sysctls()),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "named namespaces": sorted(map(str, Path("/run/netns").glob("*"))),
        "trace instances": _trace_instances(),
    }


def _lasting(message: Any) -> str:
    attributes = [
        (name, value) for name, value in message["attrs"] if not re.search("STATS|CACHEINFO|PROTINFO|AF_SPEC", name)
    ]
    header = {key: message[key] for key in sorted(message.keys()) if key not in ("attrs", "header", "event")}
    return repr((header, attributes))


def _sysctls() -> Iterator[tuple[str, str]]:
    for folder, _, files in os.walk("/proc/sys/net"):
        for name in sorted(files):
            path = Path(folder, name)
            if not _CHANGES_BY_ITSELF.search(str(path)):
                try:
                    yield str(path), path.read_text()
                except OSError:  # write-only ones, and secrets that are not set
                    continue


def _trace_instances() -> list[str]:
    root = mount_detached("tracefs")
    try:
        instances = os.open("instances", os.O_RDONLY, dir_fd=root)
        try:
            return sorted(os.listdir(instances))  # noqa: PTH208  # a descriptor, not a path
        finally:
            os.close(instances)
    finally:
        os.close(root)


class WholeRun(NamedTuple):
    """One run of everything."""

    status: int
    text: str
    """What it printed."""
    messages: str
    told: dict[str, Any]
    """Its JSON."""
    folder: Path
    """Where it is saved."""


def run_everything(scratch: Path) -> WholeRun:
    """A run of all scenarios, saved below an empty folder."""
    file, folder = scratch / "told.json", scratch / "run"
    done = run_lab("run", "--json", file, "--out", folder)
    return WholeRun(done.returncode, done.stdout, done.stderr, json.loads(file.read_text()), folder)


def scenario_file(folder: Path, body: str, name: str = "wrong", prologue: str = "") -> Path:
    """A file with one scenario `wrong` of this body."""
    head = f"from lab import ANY, Lab, scenario\n{dedent(prologue)}\n\n@scenario(section='RFC 9293')\n"
    head += f"def {name}(lab: Lab) -> None:\n"
    file = folder / f"{name}.py"
    file.write_text(head + indent(dedent(body).strip("\n"), "    ") + "\n")
    return file


def result_of(file: Path, family: int = 4) -> Result:
    """Run the one scenario of a file."""
    found = registry.find([str(file)])
    assert not found.broken
    with closing(Runner()) as runner:
        return runner.run(found.scenarios[0], family)


def failure_of(file: Path, family: int = 4) -> str:
    """What is printed of the difference that the one scenario of a file ends with, each time replaced by `T`."""
    result = result_of(file, family)
    assert result.difference is not None, result
    assert result.recording is not None
    text = "\n".join(line.rstrip() for line in difference_lines(result.recording, result.difference, _UNBROKEN))
    return re.sub(r"(?m)^ +\d+\.\d{3}(?=  )", "T", text)
