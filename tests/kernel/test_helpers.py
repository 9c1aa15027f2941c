from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lab.host.namespace import Namespace
from lab.report import verdicts
from tests.kernel.helpers import (
    environment,
    failure_of,
    host_configuration,
    network_namespaces_of,
    processes_marked,
    scenario_file,
)

DETACHED = "import os; os.setsid(); print(os.getpid(), flush=True); input()"


def test_marked_processes_are_found_in_any_session() -> None:
    mark = "test_helpers"
    command = [sys.executable, "-c", DETACHED]
    with subprocess.Popen(
        command, env=environment(mark), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert processes_marked(mark) == [int(process.stdout.readline())]
        process.communicate("\n")
    assert processes_marked(mark) == []


def test_a_held_namespace_is_seen() -> None:
    before = network_namespaces_of(os.getpid())
    with closing(Namespace()):
        assert len(network_namespaces_of(os.getpid()) - before) == 1
    assert network_namespaces_of(os.getpid()) == before


def test_a_changed_setting_is_seen_and_nothing_changes_by_itself() -> None:
    with closing(Namespace()) as inside, inside.entered():
        before = host_configuration()
        assert host_configuration() == before
        Path("/proc/sys/net/ipv4/tcp_sack").write_text("0")
        after = host_configuration()
        assert [key for key in before if before[key] != after[key]] == ["sysctls"]
        assert after["sysctls"]["/proc/sys/net/ipv4/tcp_sack"] == "0\n"


def test_a_new_interface_is_seen() -> None:
    from pyroute2 import IPRoute

    with closing(Namespace()) as inside, inside.entered():
        before = host_configuration()
        with IPRoute() as route:
            route.link("add", ifname="left", kind="veth", peer={"ifname": "right"})
            route.addr("add", index=route.link_lookup(ifname="left")[0], address="192.0.2.1", prefixlen=24)
        after = host_configuration()
        assert {"links", "addresses"} <= {key for key in before if before[key] != after[key]}


def test_a_failure_is_told_without_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "started_in", tmp_path)
    told = failure_of(scenario_file(tmp_path, "peer = lab.peer(to=81)\npeer.send('S')\npeer.expect('SA')"))
    assert "  at wrong.py:8\n    > peer.expect('SA')\n" in told
    assert "\nT  " in told
