"""The pytest plugin in other people's test suites: what it collects, its fixtures, what it says, and its restraint."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.kernel.helpers import ROOT, as_an_ordinary_user, environment

PLUGIN = "lab.pytest_plugin"
SCENARIOS = '''
from lab import Lab, scenario

@scenario(section="RFC 9293 3.5.2")
def passes(lab: Lab) -> None:
    """A reset is not answered."""
    lab.peer(to=81).send("R")

@scenario(section="RFC 9293 3.5.2", families=[4])
def fails(lab: Lab) -> None:
    """Nothing comes of nothing."""
    lab.peer(to=81).expect("S", within=0.0)

@scenario(section="none", families=[6])
def breaks(lab: Lab) -> None:
    raise RuntimeError("mine")
'''


class Suite:
    """A folder with tests of somebody else, and pytest as a process of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess("-p", PLUGIN, "-p", "no:cacheprovider", *arguments, timeout=60)


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Suite(pytester)


def test_the_entry_point_is_this_module() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [name] = project["entry-points"]["pytest11"].values()
    assert name == PLUGIN
    assert hasattr(import_module(name), "pytest_addoption")


# Restraint.


def test_who_does_not_ask_is_not_disturbed(suite: Suite) -> None:
    suite.pytester.makepyfile(
        scenarios=SCENARIOS,
        test_own="""
        import sys

        def test_nothing_is_imported():
            heavy = {"scapy", "pyroute2", "typer", "rich", "lab.author", "lab.host"}
            assert not heavy & set(sys.modules)
        """,
    )
    done = suite.run("--strict-config", "--strict-markers", "-W", "error")
    done.assert_outcomes(passed=1)
    suite.run("scenarios.py").assert_outcomes()


def test_fixtures_of_the_suite_come_before_ours(suite: Suite) -> None:
    suite.pytester.makeconftest("import pytest\n@pytest.fixture\ndef kernel(): return 'mine'")
    suite.pytester.makepyfile("def test_it(kernel): assert kernel == 'mine'")
    suite.run().assert_outcomes(passed=1)


# Scenario files.


def test_scenarios_are_tests_where_somebody_asks_for_them(suite: Suite) -> None:
    suite.pytester.makepyfile(scenarios=SCENARIOS, helper="VALUE = 1", test_own="def test_own(): pass")
    done = suite.run("--lab", "-v")
    done.assert_outcomes(passed=3, failed=2)
    done.stdout.fnmatch_lines(
        [
            "scenarios.py::passes?IPv4? PASSED*",
            "scenarios.py::passes?IPv6? PASSED*",
            "scenarios.py::fails?IPv4? FAILED*",
            "scenarios.py::breaks?IPv6? FAILED*",
            "test_own.py::test_own PASSED*",
        ]
    )


def test_a_failure_prints_the_labs_own_text(suite: Suite) -> None:
    suite.pytester.makepyfile(scenarios=SCENARIOS)
    done = suite.run("--lab", "scenarios.py")
    done.stdout.fnmatch_lines(
        [
            "*_ scenarios.fails IPv4 _*",
            "FAIL scenarios.fails  IPv4  RFC 9293 3.5.2",
            "  Nothing comes of nothing.",
            "  at scenarios.py:11",
            '    > lab.peer(to=81).expect("S", within=0.0)',
            "    waited 0 s for S, and the kernel sent no such segment",
            "    field    expected  got",
            "    segment  S         none",
            "*_ scenarios.breaks IPv6 _*",
            "ERROR scenarios.breaks  IPv6  none",
            "  scenarios.py:15: RuntimeError: mine",
        ]
    )
    assert "Traceback" not in done.stdout.str()
    assert "pytest_plugin.py" not in done.stdout.str()


def test_folders_of_an_ini_setting_are_always_collected(suite: Suite) -> None:
    suite.pytester.makeini("[pytest]\nlab_scenarios = ours")
    suite.pytester.makepyfile(**{"ours/one": SCENARIOS, "theirs/two": SCENARIOS})
    done = suite.run("--collect-only", "-q")
    assert [line for line in done.outlines if "::" in line] == [
        f"ours/one.py::{name}" for name in ("passes[IPv4]", "passes[IPv6]", "fails[IPv4]", "breaks[IPv6]")
    ]


def test_a_broken_file_is_an_error_of_collection(suite: Suite) -> None:
    suite.pytester.makepyfile(scenarios="from lab import scenario\n@scenario(\n")
    done = suite.run("--lab")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*scenarios.py:2: SyntaxError: *"])


UNTRIED = """
from lab import Inconclusive

@scenario(section="none", families=[4])
def nothing(lab: Lab) -> None:
    lab.kernel.listen(80)

@scenario(section="none", families=[4])
def slow(lab: Lab) -> None:
    raise Inconclusive("held up for 2 s")

@scenario(section="none", families=[4])
def skips(lab: Lab) -> None:
    import pytest
    pytest.skip("no")
"""


def test_what_was_not_tried_or_checked_fails(suite: Suite) -> None:
    suite.pytester.makepyfile(scenarios=SCENARIOS.partition("@scenario")[0] + UNTRIED)
    done = suite.run("--lab")
    done.assert_outcomes(failed=3)
    done.stdout.fnmatch_lines(
        [
            "ERROR scenarios.nothing  IPv4  none",
            "  it has no check, so it shows nothing: *",
            "INCONCLUSIVE scenarios.slow  IPv4  none",
            "  held up for 2 s",
            "ERROR scenarios.skips  IPv4  none",
            "  scenarios.py:17: Skipped: no",
            '    > pytest.skip("no")',
        ]
    )


def test_a_scenario_that_would_not_run_is_an_error_of_collection(suite: Suite) -> None:
    source = SCENARIOS.replace("def breaks", "async def breaks")
    suite.pytester.makepyfile(scenarios=source)
    done = suite.run("--lab")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*scenarios.py:13: the scenario 'breaks' is an `async def`, *"])


def test_a_slow_machine_is_no_skip_of_a_test(suite: Suite) -> None:
    suite.pytester.makepyfile("from lab import Inconclusive\ndef test_it(lab):\n    raise Inconclusive('held up')\n")
    done = suite.run("-k", "IPv4")
    done.assert_outcomes(failed=1, deselected=1)
    done.stdout.fnmatch_lines(["inconclusive: held up"])


def test_what_is_not_applicable_is_skipped_with_its_reason(suite: Suite) -> None:
    source = (
        SCENARIOS.partition("@scenario")[0]
        + """
from lab.session.errors import NotApplicable

@scenario(section="none", families=[4])
def newer(lab: Lab) -> None:
    raise NotApplicable("this kernel lacks it")
"""
    )
    suite.pytester.makepyfile(scenarios=source)
    done = suite.run("--lab", "-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*this kernel lacks it*"])


# Fixtures.


def test_a_kernel_and_a_peer_for_tests_of_others(suite: Suite) -> None:
    suite.pytester.makepyfile(
        """
        import pytest
        from lab import ANY

        def test_a_handshake(kernel, peer):
            peer.send("S")
            peer.expect("SA", seq=0, ack=1, options=[("MSS", ANY)])
            kernel.expect_state(peer, "SYN-RECEIVED")

        @pytest.mark.parametrize("lab", [6], indirect=True)
        def test_one_family(lab):
            assert lab.family == 6
        """
    )
    suite.run().assert_outcomes(passed=3)


def test_a_difference_in_a_test_is_the_labs_own_text(suite: Suite) -> None:
    suite.pytester.makepyfile('def test_it(peer):\n    peer.send("S")\n    peer.expect("SA", ack=2)\n')
    done = suite.run("-k", "IPv4")
    done.assert_outcomes(failed=1, deselected=1)
    done.stdout.fnmatch_lines(
        [
            "*_ test_it?IPv4? _*",
            "  at test_a_difference_in_a_test_is_the_labs_own_text.py:3",
            '    > peer.expect("SA", ack=2)',
            "    the expectation did not hold: the kernel sent a different segment",
            "    ack    2 (absolute *)  1 (absolute *)",
            "*<-- here",
        ]
    )
    assert "dialogue.py" not in done.stdout.str()


def test_what_nobody_expected_fails_at_the_end(suite: Suite) -> None:
    suite.pytester.makepyfile('def test_it(peer):\n    peer.send("S")\n')
    done = suite.run("-k", "IPv6")
    done.assert_outcomes(failed=1, deselected=1)
    done.stdout.fnmatch_lines(["    the kernel sent a segment where the scenario expects none"])


def test_an_ordinary_failure_is_pytests_own(suite: Suite) -> None:
    suite.pytester.makepyfile("def test_it(lab):\n    assert lab.family == 5\n")
    done = suite.run("-k", "IPv4")
    done.assert_outcomes(failed=1, deselected=1)
    done.stdout.fnmatch_lines([">       assert lab.family == 5", "E       *assert 4 == 5"])


def test_a_test_may_find_that_it_is_not_applicable(suite: Suite) -> None:
    suite.pytester.makepyfile(
        "from lab.session.errors import NotApplicable\ndef test_it(lab):\n    raise NotApplicable('no such thing')\n"
    )
    suite.run().assert_outcomes(skipped=2)


# Privileges.


def without_privileges(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Pytest of an ordinary user, in a folder that this user may read."""
    folder.chmod(0o755)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", "--lab-out", "", *arguments],
        cwd=folder,
        env={**environment(), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""},
        preexec_fn=as_an_ordinary_user(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


BESIDE_OTHERS = """
import os
import pytest

NETWORK = os.readlink("/proc/self/ns/net")

@pytest.fixture(scope="module")
def mine():
    yield os.getpid()
    print("mine has ended in", os.getpid())

def test_before(mine):
    assert mine == os.getpid()

def test_lab(lab, mine):
    assert os.geteuid() == 0
    assert lab.family == 4, "only one of the two"

def test_after(mine):
    assert mine == os.getpid()
    assert os.geteuid() != 0
    assert os.readlink("/proc/self/ns/net") == NETWORK
"""


def test_an_ordinary_user_needs_no_root_and_the_other_tests_notice_nothing() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which only its owner may enter
        Path(folder, "scenarios.py").write_text(SCENARIOS)
        Path(folder, "test_own.py").write_text(BESIDE_OTHERS)
        done = without_privileges(Path(folder), "--lab", "-rA")
    assert "3 failed, 5 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED scenarios.py::fails[IPv4] - segment: expected S, got none" in done.stdout
    assert "FAILED test_own.py::test_lab[IPv6] - AssertionError: only one of the two" in done.stdout
    assert done.stdout.count("mine has ended in") == 1


def test_where_user_namespaces_are_forbidden_it_is_an_error_that_says_what_to_do() -> None:
    forbidding = "import lab.host.user_namespace as it\n\ndef no(_):\n    raise PermissionError(1, 'Not allowed')\n\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "conftest.py").write_text(f"{forbidding}it.unshare = no\n")
        Path(folder, "scenarios.py").write_text(SCENARIOS)
        Path(folder, "test_own.py").write_text("def test_own(): pass\ndef test_lab(lab): pass\n")
        done = without_privileges(Path(folder), "--lab")
    assert "1 passed, 6 errors" in done.stdout, done.stdout + done.stderr
    assert "the lab cannot run here: this user is not root and cannot use a user namespace (Not allowed" in done.stdout
    assert "run the lab as root" in done.stdout


def test_a_test_whose_process_dies_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_own.py").write_text("import os\ndef test_lab(lab): os.kill(os.getpid(), 9)\n")
        done = without_privileges(Path(folder), "-k", "IPv4")
    assert "the process of this test has ended early (wait status 9)" in done.stdout, done.stdout + done.stderr


# What remains of a failure.


def test_a_failure_is_named_in_the_short_summary_and_its_recording_is_kept(suite: Suite) -> None:
    suite.pytester.makepyfile(
        scenarios=SCENARIOS, test_own='def test_it(peer):\n    peer.send("S")\n    peer.expect("SA", ack=2)\n'
    )
    done = suite.run("--lab", "-k", "IPv4")
    done.stdout.fnmatch_lines(
        [
            "lab show out/pytest/scenarios.py-fails-IPv4.json fails",
            "lab show out/pytest/test_own.py-test_it-IPv4.json test_it",
            "FAILED scenarios.py::fails?IPv4? - segment: expected S, got none",
            "FAILED test_own.py::test_it?IPv4? - ack: expected 2*, got 1*",
        ]
    )
    assert sorted(each.name for each in suite.pytester.path.glob("out/pytest/*")) == [
        "scenarios.py-fails-IPv4.json",
        "test_own.py-test_it-IPv4.json",
    ]
    shown = subprocess.run(
        [sys.executable, "-P", "-m", "lab", "show", "out/pytest/test_own.py-test_it-IPv4.json", "test_it"],
        cwd=suite.pytester.path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "SA" in shown.stdout


def test_recordings_go_where_the_option_says(suite: Suite) -> None:
    suite.pytester.makepyfile(scenarios=SCENARIOS)
    suite.run("--lab", "-k", "fails", "--lab-out", "kept/here", "scenarios.py")
    assert [each.name for each in suite.pytester.path.glob("kept/here/*")] == ["scenarios.py-fails-IPv4.json"]
    none = suite.run("--lab", "-k", "fails", "--lab-out", "", "scenarios.py")
    assert "lab show" not in none.stdout.str()
    assert not suite.pytester.path.joinpath("out").exists()
