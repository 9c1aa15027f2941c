"""Outcomes that are no verdict: what scenario code does to the run, what takes too long, a machine that is too slow."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from lab.author.lab import Lab
from lab.record.results import Outcome
from lab.session.errors import Inconclusive, KernelDiffers
from lab.session.tolerance import ATTEMPTS, EARLY_S
from tests.kernel.helpers import COMMAND, ROOT, environment, result_of, run_lab, scenario_file

PASSING = "lab.verify('x', 1, 1)"
HARMFUL = {
    "skips": ("import pytest\npytest.skip('no')", "7: Skipped: no"),
    "interrupts": ("raise KeyboardInterrupt", "6: KeyboardInterrupt"),
    "generator_exit": ("raise GeneratorExit", "6: GeneratorExit"),
    "closes_1": ("import os\nos.close(1)", "7: os.close(1) would leave the other scenarios without output"),
    "closes_2": ("from os import close\nclose(2)", "7: os.close(2) would leave the other scenarios without output"),
    "exits": ("import os\nos._exit(0)", "7: os._exit(0) would end the whole run"),
    "exits_as_taken": ("from os import _exit\n_exit(1)", "7: os._exit(1) would end the whole run"),
    "closes": ("import sys\nsys.stdout.close()", "7: closing the output would leave the other scenarios without it"),
    "closes_errors": ("import sys\nwith sys.stderr:\n    pass", "7: closing the output would leave the other"),
    "steps": ("lab.step(1)", "6: title must be a string, not 1"),
    "claims": ("lab.step('a', claims=['C1'])", "6: claims must be a string, not ['C1']"),
    "measures": ("lab.measured(5, 1)", "6: claim must be a string, not 5"),
    "verifies": ("lab.verify(1, 2, 2)", "6: subject must be a string, not 1"),
    "explains": ("lab.verify('x', 1, 2, why=b'y')", "6: why must be a string, not b'y'"),
    "deviates": ("with lab.deviation('ack', 5):\n    pass", "6: of_linux must be a string, not 5"),
    "unsaid": ("class E(Exception):\n    __str__ = None\nraise E", "8: E: (its text cannot be made: TypeError)"),
    "asserts": ("assert lab.family + 1 == 4", "6: AssertionError: 5 == 4"),
    "asserts_more": ("assert len([1]) in (2,), 'mine'", "6: AssertionError: mine, 1 in (2,)"),
    "coroutine": ("async def other() -> None: ...\nreturn other()", "its body has not run: the function returned"),
    "checks_nothing": (
        "lab.kernel.listen(80)\nlab.peer(to=80)",
        "it has no check, so it shows nothing: add peer.expect",
    ),
}


@pytest.fixture
def harmful(tmp_path: Path) -> Path:
    """A folder with a harmful file each, and two right ones around them."""
    for name, (body, _) in HARMFUL.items():
        scenario_file(tmp_path, body, name)
    for name in "aa_first", "zz_last":
        scenario_file(tmp_path, PASSING, name)
    scenario_file(tmp_path, f"import io, sys\nsys.stdout = io.StringIO()\n{PASSING}", "replaces")
    (tmp_path / "closes_when_loaded.py").write_text("import sys\nsys.stdout.buffer.close()\nsys.stdout = None\n")
    scenario_file(tmp_path, f"import sys\nsys.stderr.buffer.close()\n{PASSING}", "zy_closes_the_buffer")
    (tmp_path / "ends_when_loaded.py").write_text("import os\nos._exit(0)\n")
    (tmp_path / "skips_when_loaded.py").write_text("import pytest\npytest.skip('no', allow_module_level=True)\n")
    return tmp_path


def test_no_scenario_ends_the_run_or_takes_the_results_of_others_along(harmful: Path) -> None:
    done = run_lab("run", "-4", "--json", harmful / "out.json", "--out", harmful / "saved", harmful)
    assert done.returncode == 3, done.stderr
    assert done.stderr == ""
    for name, (body, said) in HARMFUL.items():
        found = re.search(
            rf"^ERROR {name}\.{name}  IPv4.*\n.*\n  .*{re.escape(said)}.*\n(.*)", done.stdout, re.MULTILINE
        )
        assert found is not None, (name, done.stdout)
        if said[0].isdigit():
            assert found[1].removeprefix("    > ") in body
    assert f"ERROR {harmful}/ends_when_loaded.py:2: os._exit(0) would end the whole run\n    > os._exit" in done.stdout
    assert f"ERROR {harmful}/skips_when_loaded.py:2: Skipped: no" in done.stdout
    assert f"\n4 passed, {len(HARMFUL) + 2} errors; " in done.stdout
    told = json.loads((harmful / "out.json").read_text())
    assert told["summary"]["pass"] == 4
    assert run_lab("show", harmful / "saved", "zz_last").returncode == 0


def test_a_child_process_of_a_scenario_may_exit(tmp_path: Path) -> None:
    body = "import os\nif not (child := os.fork()):\n    os._exit(7)\nlab.verify('x', 7 << 8, os.waitpid(child, 0)[1])"
    assert run_lab("run", "-4", scenario_file(tmp_path, body)).returncode == 0


# Time limits.


@pytest.mark.parametrize("hangs", ["while True:\n    pass", "import time\ntime.sleep(3600)"], ids=["busy", "asleep"])
def test_a_scenario_over_its_limit_is_named_and_the_others_are_saved(tmp_path: Path, hangs: str) -> None:
    scenario_file(tmp_path, PASSING, "aa")
    file = scenario_file(tmp_path, f"{PASSING}\n{hangs}", "hangs")
    # A limit of its own: a busy thread holds the lock of Python, so that the scenarios beside it may take long.
    file.write_text(file.read_text().replace("@scenario(", "@scenario(limit=1.5, "))
    scenario_file(tmp_path, PASSING, "zz")
    (tmp_path / "later.py").write_text(
        "from lab import Lab, scenario\n\n@scenario(section='x', alone=True)\ndef later(lab: Lab) -> None: pass\n"
    )
    done = run_lab("run", "-4", "--out", tmp_path / "saved", tmp_path)
    assert done.returncode == 3
    found = re.search(r"hangs\.py:(\d+): it has not ended within 1.5 s, its time limit; .*\n    > (.*)\n", done.stdout)
    assert found is not None, done.stdout
    assert found[2] in hangs
    assert "scenario runs that have not begun, as another one is over its time limit: 1\n" in done.stdout
    assert "2 passed, 1 errors; 3 checks" in done.stdout
    assert "2 passed, 1 errors" in run_lab("show", tmp_path / "saved").stdout


@pytest.mark.parametrize(("own", "given"), [(", limit=0.5", "1000"), ("", "0.5")], ids=["of its own", "of the run"])
def test_a_scenario_has_a_limit_of_its_own_or_that_of_the_run(tmp_path: Path, own: str, given: str) -> None:
    file = tmp_path / "hangs.py"
    file.write_text(
        f"from lab import Lab, scenario\n\n@scenario(section='x'{own})\n"
        "def hangs(lab: Lab) -> None:\n    while True: pass\n"
    )
    done = run_lab("run", "-4", "--limit", given, file)
    assert (done.returncode, "it has not ended within 0.5 s, its time limit" in done.stdout) == (3, True)


@pytest.mark.parametrize("limit", ["0", "-1", "nan"])
def test_a_limit_is_a_number_above_zero(limit: str) -> None:
    done = run_lab("run", "--limit", limit)
    assert (done.returncode, done.stderr) == (2, f"--limit takes a number of seconds above 0, not {limit}\n")


# A machine that is too slow.


def test_inconclusive_is_counted_named_and_ends_with_3(tmp_path: Path) -> None:
    prologue = "from lab import Inconclusive\nTRIES: list[int] = []"
    scenario_file(tmp_path, "raise Inconclusive('held up for 2 s')", "never", prologue)
    scenario_file(
        tmp_path,
        f"TRIES.append(1)\nif len(TRIES) < 3:\n    raise Inconclusive('too late')\n{PASSING}",
        "third",
        prologue,
    )
    call = [*COMMAND, "run", "-4", "-q", "--json", "out.json", "--junit", "out.xml", "--out", "saved", str(tmp_path)]
    env = {**environment(), "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "INCONCLUSIVE never.never  IPv4  RFC 9293\n  never\n  held up for 2 s\n" in done.stdout
    assert "\n1 passed, 1 inconclusive; " in done.stdout
    assert re.search(r"::warning file=never.py,line=\d+,title=never.never IPv4::held up for 2 s\n", done.stdout)
    told = json.loads((tmp_path / "out.json").read_text())
    assert (told["summary"]["inconclusive"], told["summary"]["skip"]) == (1, 0)
    assert [each["outcome"] for each in told["scenarios"]] == ["inconclusive", "pass"]
    (error,) = ET.parse(tmp_path / "out.xml").getroot().iter("error")
    assert (error.get("type"), error.get("message")) == ("inconclusive", "held up for 2 s")
    shown = run_lab("show", tmp_path / "saved").stdout
    assert re.search(r"^INCONCLUSIVE never\.never .*\n      held up for 2 s$", shown, re.MULTILINE)
    for view in "claims", "coverage":
        done = run_lab(view, "--from", tmp_path / "saved")
        assert done.returncode == 3
        assert re.search(r"^INCONCLUSIVE never\.never .*\n      held up for 2 s$", done.stderr, re.MULTILINE)


def test_a_failure_weighs_more_than_an_inconclusive_scenario(tmp_path: Path) -> None:
    scenario_file(tmp_path, "from lab import Inconclusive\nraise Inconclusive('too slow')", "slow")
    scenario_file(tmp_path, "lab.verify('x', 1, 2)", "differs")
    assert run_lab("run", "-q", "-4", tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise RuntimeError('no')", "error RuntimeError: no"),
        ("from lab import Inconclusive\nraise Inconclusive('held up')", "inconclusive held up"),
    ],
)
def test_a_scenario_that_no_mutation_can_be_tried_on_is_no_verdict(tmp_path: Path, body: str, said: str) -> None:
    done = run_lab("mutate", scenario_file(tmp_path, body, "raises"))
    assert (done.returncode, done.stderr) == (3, "")
    assert f"raises.raises  IPv4  not tried: {said}\n" in done.stdout


def attempts(lab: Lab, seconds: float) -> int:
    """The number of attempts, each of which finds that the timer has fired, after so many seconds."""
    count = 0
    for attempt in lab.attempts():
        count += 1
        while attempt.duration < seconds:
            pass
        attempt.late = True
    return count


def test_a_timer_that_always_fires_at_once_is_the_kernels_fault(lab4: Lab) -> None:
    with pytest.raises(KernelDiffers, match="a timer of the kernel fires at once in every attempt") as raised:
        attempts(lab4, 0.0)
    (row,) = raised.value.check.rows
    assert (row.field, row.expected) == ("timer", "runs for 20 ms at least")
    assert re.fullmatch(rf"fired within \d+\.\d ms, {ATTEMPTS} times of {ATTEMPTS}", row.got)


def test_a_machine_that_is_late_in_every_attempt_is_too_busy(lab4: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.author.lab.ATTEMPTS", 2)
    with pytest.raises(Inconclusive, match=r"a timer of the kernel in 2 attempts, the shortest of 0\.\d+ s"):
        attempts(lab4, EARLY_S)


def test_a_delayed_ack_timer_that_always_fires_first_does_not_hide(tmp_path: Path) -> None:
    """The counter of delayed ACKs rises with each look at it."""
    prologue = "from itertools import count\nfrom typing import Any\nfrom lab.author.kernel import Kernel"
    body = """
    fired = count()
    kernel: Any = lab.kernel
    kernel.counter = lambda name: next(fired)
    for attempt in lab.attempts():
        with attempt.before("TcpExtDelayedACKs"):
            pass
    """
    result = result_of(scenario_file(tmp_path, body, prologue=prologue))
    assert result.outcome is Outcome.FAIL, result
    assert result.summary == "a timer of the kernel fires at once in every attempt"


# Before the command has begun.


@pytest.mark.parametrize("broken", ["raise ImportError('no')", "raise SystemExit(1)", "import no_such_module", "1 / 0"])
def test_a_command_that_cannot_be_loaded_is_no_verdict(tmp_path: Path, broken: str) -> None:
    (tmp_path / "typer.py").write_text(broken)
    env: dict[str, Any] = {**environment(), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    call = [sys.executable, "-P", "-m", "lab", "run"]
    done = subprocess.run(call, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(r"the lab cannot run here: \w+: .*\ninstall it with .*\n", done.stderr)
