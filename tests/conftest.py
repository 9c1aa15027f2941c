"""What all tests share: the kernel tests' privileges, that nothing is skipped unseen, and the labs they work with."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lab.author.lab import Lab
from lab.host.addresses import AddressPool
from lab.host.tracepoint import StateTracer
from lab.host.user_namespace import may_make_namespaces
from tests.kernel.helpers import WholeRun, run_everything

KERNEL_TESTS = Path(__file__).parent / "kernel"


def pytest_configure() -> None:
    """A shell starts what is to go on behind it (`scripts/test &`) deaf to Ctrl-C, and processes inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("LC_ALL", None)  # tests compare English texts, whatever the tester's language is
    os.environ["LC_MESSAGES"] = "C.UTF-8"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    privileged = may_make_namespaces()
    for item in items:
        if KERNEL_TESTS in item.path.parents:
            item.add_marker("kernel")
            if not privileged:
                item.add_marker(pytest.mark.skip(reason="needs root: sudo scripts/test"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything can run, what was skipped was not tested: the run fails."""
    if _skipped(session.config) and _nothing_may_be_skipped() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    _tell_what_was_explored(terminalreporter)
    count = _skipped(config)
    if count and _nothing_may_be_skipped():
        terminalreporter.write_line(f"FAILED: {count} skipped, and as root or with CI=true nothing may be", red=True)


def _tell_what_was_explored(reporter: pytest.TerminalReporter) -> None:
    """Figures that a test has found (`record_property("explored", ...)`): an exhaustive test says how much it did."""
    for report in reporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == "explored":
                reporter.write_line(f"explored {value}: {report.nodeid.rpartition('::')[2]}")


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0


def _nothing_may_be_skipped() -> bool:
    return os.geteuid() == 0 or os.environ.get("CI") == "true"


@pytest.fixture
def whole_machine() -> Iterator[None]:
    """For tests that change or compare what the whole machine has: one at a time, when tests run side by side."""
    checkout = os.open(Path(__file__).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(checkout, fcntl.LOCK_EX)
        yield
    finally:
        os.close(checkout)


@pytest.fixture(scope="session")
def pool() -> Iterator[AddressPool]:
    with closing(AddressPool()) as opened:
        yield opened


@pytest.fixture(scope="session")
def tracer() -> Iterator[StateTracer]:
    with closing(StateTracer()) as opened:
        yield opened


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    """For all tests that look at what a run of everything says and leaves; nobody changes it."""
    return run_everything(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def merged(whole: WholeRun) -> Path:
    """All captures of the whole run in one, in the order of their names."""
    file = whole.folder.with_name("all.pcapng")
    captures = sorted(whole.folder.glob("*.pcapng"))
    subprocess.run(["mergecap", "-a", "-w", file, *captures], check=True, timeout=120)
    return file


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def family(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture
def lab(family: int, pool: AddressPool, tracer: StateTracer) -> Iterator[Lab]:
    with Lab(family, pool=pool, tracer=tracer) as ready:
        yield ready


@pytest.fixture
def lab4(pool: AddressPool, tracer: StateTracer) -> Iterator[Lab]:
    with Lab(4, pool=pool, tracer=tracer) as ready:
        yield ready
