"""The rules of the suite itself, shown on small suites that pytest runs with our conftest."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests import conftest

pytest_plugins = ["pytester"]

A_SKIP = "import pytest\n\ndef test_a():\n    pytest.skip('no reason')\n\ndef test_b():\n    pass\n"
A_SKIPPED_MODULE = "import pytest\npytest.skip('no reason', allow_module_level=True)\n"
A_TEST_OF_CTRL_C = """
import subprocess

def test_a():
    assert subprocess.run(["sh", "-c", "kill -INT $$"]).returncode == -2
"""
A_KERNEL_TEST = "def test_a(request):\n    assert request.node.get_closest_marker('kernel')\n"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(Path(conftest.__file__).read_text())
    pytester.makeini("[pytest]\nmarkers = kernel: in a namespace\naddopts = --strict-markers -p no:cacheprovider\n")
    return pytester


def be(monkeypatch: pytest.MonkeyPatch, user: int, ci: str, privileged: bool = True) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("lab.host.user_namespace.may_make_namespaces", lambda: privileged)


@pytest.mark.parametrize(
    ("user", "ci", "allowed"),
    [(1000, "", True), (1000, "true", False), (0, "", False), (0, "true", False)],
    ids=["user", "user in CI", "root", "root in CI"],
)
@pytest.mark.parametrize("source", [A_SKIP, A_SKIPPED_MODULE], ids=["test", "module"])
def test_where_everything_can_run_a_skip_fails_the_run(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str, user: int, ci: str, allowed: bool
) -> None:
    be(monkeypatch, user, ci)
    suite.makepyfile(test_one=source, test_two="def test_c():\n    pass\n")
    result = suite.runpytest_inprocess()
    assert result.ret == (pytest.ExitCode.OK if allowed else pytest.ExitCode.TESTS_FAILED)
    assert ("FAILED: 1 skipped, and as root or with CI=true nothing may be" in result.outlines) is not allowed


def test_an_expected_failure_is_no_skip(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, 0, "true")
    suite.makepyfile("import pytest\n\n@pytest.mark.xfail\ndef test_a():\n    assert False\n")
    assert suite.runpytest_inprocess().ret == pytest.ExitCode.OK


@pytest.mark.parametrize("privileged", [True, False])
def test_kernel_tests_are_marked_and_say_what_they_need(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, privileged: bool
) -> None:
    be(monkeypatch, 1000, "", privileged)
    suite.mkdir("kernel").joinpath("test_a.py").write_text(A_KERNEL_TEST)
    result = suite.runpytest_inprocess("-rs")
    result.assert_outcomes(passed=privileged, skipped=not privileged)
    assert any("needs root: sudo scripts/test" in line for line in result.outlines) is not privileged


def test_other_tests_need_no_privileges(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, 1000, "", privileged=False)
    suite.makepyfile(test_kernel="def test_a(request):\n    assert not request.node.get_closest_marker('kernel')\n")
    suite.runpytest_inprocess().assert_outcomes(passed=1)


def test_what_tests_start_can_be_interrupted_also_where_pytest_itself_can_not(suite: pytest.Pytester) -> None:
    suite.makepyfile(A_TEST_OF_CTRL_C)
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        suite.runpytest_inprocess().assert_outcomes(passed=1)
    finally:
        signal.signal(signal.SIGINT, usual)
