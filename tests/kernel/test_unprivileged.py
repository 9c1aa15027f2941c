"""An ordinary user: the lab runs in a user namespace of its own, or says in two lines why it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.helpers import as_an_ordinary_user, environment, host_configuration, started_lab

WHO = """
import os
from lab.host.user_namespace import may_make_namespaces
print(os.getuid(), os.geteuid(), may_make_namespaces())
"""
MAY = """
from lab.host.syscalls import CLONE_NEWUSER, unshare
unshare(CLONE_NEWUSER)
open("/proc/self/setgroups", "w").write("deny")
"""
WHY = "the lab cannot run here: this user is not root and cannot use a user namespace ("
REASON = ": user.max_user_namespaces is 0, this machine does not allow user namespaces)"
MEND = ", or allow it: sudo sysctl -w user.max_user_namespaces=15000"
REMEDY = "run the lab as root: sudo scripts/lab"


def python(source: str, most_namespaces: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", source],
        env=environment(),
        preexec_fn=as_an_ordinary_user(most_namespaces),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def lab(*arguments: str | Path, most_namespaces: int | None = None) -> tuple[int, str, str]:
    become = as_an_ordinary_user(most_namespaces)
    with started_lab(*arguments, mark="unprivileged", preexec=become) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def machine_allows() -> bool:
    """Some machines forbid user namespaces to ordinary users, Ubuntu since 24.04."""
    return python(MAY).returncode == 0


def test_the_helper_makes_an_ordinary_user() -> None:
    user, effective, may = python(WHO).stdout.split()
    assert user == effective != "0"
    assert may == "False"
    assert python(MAY, most_namespaces=0).returncode != 0


def test_an_ordinary_user_runs_everything_or_learns_why_not(machine_allows: bool) -> None:
    before = host_configuration()
    code, out, err = lab("run", "-q", "--json", "-")
    assert host_configuration() == before
    if not machine_allows:
        assert (code, out) == (3, "")
        assert err.splitlines()[1].startswith(REMEDY)
        return
    told = json.loads(out)
    assert code == 0
    assert told["summary"]["pass"] == len(told["scenarios"]) > 0
    assert len(told["states"]) == 11
    assert told["environment"]["witnesses"] == ["inet_diag"]
    assert "the tracepoint sock:inet_sock_set_state is not available" in err
    assert "states come from inet_diag alone" in err


def test_doctor_says_what_an_ordinary_user_has(machine_allows: bool) -> None:
    code, out, _ = lab("doctor")
    found = {line.split()[1]: line.split()[0] for line in out.splitlines()[:-1] if not line.startswith(" ")}
    if not machine_allows:
        assert (code, found) == (3, {"privileges": "MISSING"})
        return
    assert code == 0
    assert found.pop("tracepoint") == "absent"
    assert set(found.values()) == {"ok"}


@pytest.mark.parametrize("arguments", [["run"], ["run", "-q", "--json", "-"]], ids=["run", "JSON"])
def test_without_user_namespaces_one_line_why_and_one_what_to_do(arguments: list[str]) -> None:
    code, out, err = lab(*arguments, most_namespaces=0)
    assert (code, out) == (3, "")
    why, remedy = err.splitlines()
    assert why.startswith(WHY)
    assert why.endswith(REASON)
    assert remedy == REMEDY + MEND


def test_doctor_without_user_namespaces() -> None:
    code, out, _ = lab("doctor", most_namespaces=0)
    assert code == 3
    assert out.splitlines()[0].split()[:2] == ["MISSING", "privileges"]
    assert REMEDY + MEND in out
    assert REASON in out
    assert out.splitlines()[-1] == "The lab cannot run here."


def test_list_needs_no_privileges() -> None:
    code, out, _ = lab("list", most_namespaces=0)
    assert code == 0
    assert "handshake.kernel_as_server" in out
