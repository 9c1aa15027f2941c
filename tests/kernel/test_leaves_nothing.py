"""However a run ends, and however many go on at once: the host is what it was, and nothing of the run is left."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.claims.catalogue import scenarios_folder
from lab.host.addresses import AddressPool
from lab.host.errors import MachineError
from tests.kernel.helpers import (
    COMMAND,
    DEADLINE_S,
    WAITING,
    environment,
    host_configuration,
    network_namespaces_of,
    processes_marked,
    read_until,
    run_lab,
    scenario_file,
    started_lab,
)
from tests.kernel.remains import drain, namespaces_in_use, unchanged_host

pytestmark = pytest.mark.usefixtures("whole_machine")

FINISHING = "lab.peer(to=81).send('R')"
LONGEST_RUN_S = 1.2


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """Two scenarios: one is done at once, the other waits for what never comes."""
    scenario_file(tmp_path, FINISHING, "a")
    scenario_file(tmp_path, WAITING, "b")
    return tmp_path


def test_the_host_is_the_same_before_and_after_a_run() -> None:
    with unchanged_host():
        assert run_lab("run", "-q").returncode == 0


def test_a_killed_run_leaves_nothing(waiting: Path) -> None:
    """SIGKILL to the whole group, at moments of a whole run that chance chooses; it never ends by itself."""
    chance = random.Random(20)
    with unchanged_host():
        for number in range(10):
            mark = f"killed {number}"
            with started_lab("run", scenarios_folder(), waiting, mark=mark) as process:
                drain(process, chance.uniform(0.05, LONGEST_RUN_S))
                held = network_namespaces_of(process.pid) - network_namespaces_of(os.getpid())
                os.killpg(process.pid, signal.SIGKILL)
            assert processes_marked(mark) == []
            assert held & namespaces_in_use() == set()
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, 0)


def test_a_killed_run_holds_labs_until_then(waiting: Path) -> None:
    """What the test above looks for is there while a run goes on."""
    with started_lab("run", "-4", waiting, mark="held") as process:
        read_until(process, "pass a.a")
        assert processes_marked("held") == [process.pid]
        held = network_namespaces_of(process.pid) - network_namespaces_of(os.getpid())
        assert len(held) >= 2
        assert held <= namespaces_in_use()
    assert held & namespaces_in_use() == set()


def test_ctrl_c_stops_at_once_and_says_what_was_finished(waiting: Path) -> None:
    before = host_configuration()
    with started_lab("run", "-4", "--json", waiting / "out.json", waiting, mark="interrupted") as process:
        told = read_until(process, "pass a.a")
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "interrupted; 1 finished before that" in told + rest
    assert "1 passed; " in rest
    assert "Traceback" not in errors
    assert '"id": "a.a"' in (waiting / "out.json").read_text()
    assert processes_marked("interrupted") == []
    assert host_configuration() == before


def test_stopping_at_the_first_difference_does_not_wait_for_the_others(waiting: Path) -> None:
    scenario_file(waiting, "lab.peer(to=81).expect('S', within=0.0)", "a")
    with started_lab("run", "-4", "-x", waiting, mark="stopped") as process:
        told, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "FAIL a.a" in told
    assert "b.b" not in told


def test_a_reader_that_has_enough_ends_the_run(waiting: Path) -> None:
    """As in `lab run | head -1`."""
    with started_lab("run", "-4", waiting, mark="pipe") as process:
        read_until(process, "pass a.a")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        os.killpg(process.pid, signal.SIGINT)
        assert "Traceback" not in process.stderr.read()
        assert process.wait(20) == 128 + signal.SIGPIPE


def test_a_full_disk_under_its_output_ends_the_run(waiting: Path) -> None:
    """At once: it does not wait for what is still going on."""
    command = [*COMMAND, "run", "-4", "--no-out", str(waiting)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False
        )
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "the lab cannot run here: its output cannot be written (No space left on device)",
        "free some space, or write elsewhere",
    ]


def test_a_mistake_in_the_lab_ends_the_run_and_says_nothing_about_the_kernel(waiting: Path) -> None:
    code = "from lab.cli import main, printer\nimport sys\nprinter.Printer.result = None\n"
    code += f"sys.argv = ['lab', 'run', '-4', '--no-out', {str(waiting)!r}]\nmain()"
    call = [sys.executable, "-P", "-c", code]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "TypeError: 'NoneType' object is not callable"


def test_two_runs_at_once_do_not_see_each_other() -> None:
    with started_lab("run", "-q", mark="one") as one, started_lab("run", "-q", mark="two") as two:
        outputs = [process.communicate(timeout=DEADLINE_S) for process in (one, two)]
    assert [process.returncode for process in (one, two)] == [0, 0]
    # How many checks there are varies with what is sent again: each segment of the kernel is judged.
    told = {re.sub(r"; \d+ checks in [\d.]+ s", "", out) for out, _ in outputs}
    assert len(told) == 1, "both saw the same results and states"


def test_a_lease_holds_in_any_namespace_and_ends_with_its_process(tmp_path: Path) -> None:
    leases = tmp_path / "leases"
    leases.touch()
    code = "import sys; from lab.host.addresses import AddressPool\n"
    code += "pool = AddressPool(sys.argv[1], slots=1); print('leased', flush=True); input()"
    call = ["unshare", "--net", sys.executable, "-c", code, str(leases)]
    with subprocess.Popen(call, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "leased\n"
        with pytest.raises(MachineError, match="1 runs of the lab are already active"):
            AddressPool(leases, slots=1)
        other.kill()
    AddressPool(leases, slots=1).close()


def test_a_run_writes_below_its_output_folder_only(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("home", "temporary", "here")}
    for folder in folders.values():
        folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lab", "run", "-4", "-q", "handshake.kernel_as_server"],
        cwd=folders["here"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
            "HOME": str(folders["home"]),
            "TMPDIR": str(folders["temporary"]),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {name: [each.name for each in folder.iterdir()] for name, folder in folders.items()} == {
        "home": [], "temporary": [], "here": ["out"],
    }  # fmt: skip
