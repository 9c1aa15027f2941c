"""An ordinary user: the lab runs in a user namespace of its own, or says in two lines why it cannot."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.host import namespace
from lab.host.errors import MachineError
from tests.kernel.helpers import COMMAND, DEADLINE_S, as_an_ordinary_user, environment, host_configuration, started_lab

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
        timeout=DEADLINE_S,
        check=False,
    )


def lab(*arguments: str | Path, most_namespaces: int | None = None) -> tuple[int, str, str]:
    become = as_an_ordinary_user(most_namespaces)
    with started_lab(*arguments, mark="unprivileged", preexec=become) as process:
        out, err = process.communicate(timeout=DEADLINE_S)
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
    assert "\nhandshake  " in out
    assert "\n  kernel_as_server  " in out


OF_ITS_OWN = ["unshare", "--user", "--map-root-user"]
NO_MORE = """the lab cannot run here: this machine allows no more network namespaces (user.max_net_namespaces)
allow more, as root: sudo sysctl -w user.max_net_namespaces=15000
"""


def test_root_of_a_user_namespace_gets_a_network_namespace() -> None:
    call = [*OF_ITS_OWN, *COMMAND, "run", "-q", "-4", "--no-out", "handshake.kernel_as_server"]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stdout[:9]) == (0, "1 passed;"), done.stderr


@pytest.mark.parametrize("command", ["run handshake --no-out", "mutate handshake", "shell"])
def test_without_network_namespaces_their_limit_is_named(command: str) -> None:
    limited = 'echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"'
    call = [*OF_ITS_OWN, "--net", "sh", "-c", limited, "sh", *COMMAND, *command.split()]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stderr) == (3, NO_MORE)


def test_a_kernel_without_network_namespaces_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(namespace, "unshare", refuse)
    with pytest.raises(MachineError, match=r"this kernel has no network namespaces \(CONFIG_NET_NS\); use a kernel"):
        namespace.Namespace()


def test_a_process_that_cannot_return_is_told_what_to_do() -> None:
    """Under pytest, for example, which keeps its network namespace."""
    source = "from lab.host.namespace import Namespace\nNamespace()"
    call = [*OF_ITS_OWN, sys.executable, "-c", source]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=False)
    assert done.stderr.endswith("give it one of its own: unshare --user --map-root-user --net\n")
