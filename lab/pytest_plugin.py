"""The pytest plugin: scenario files as tests, and fixtures that give a kernel to other tests.

pytest loads this module wherever the lab is installed, so it imports other modules of the lab only when they are used.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lab.author.kernel import Kernel
    from lab.author.lab import Lab
    from lab.author.peer import Peer
    from lab.author.registry import Runnable
    from lab.author.runner import Runner
    from lab.report.screen import Screen

_RUNNER = pytest.StashKey["Runner"]()
_LAB = pytest.StashKey["Lab"]()
_HOW = "run pytest as root, or in namespaces of your own: unshare --user --map-root-user --net pytest"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting that select scenario files."""
    group = parser.getgroup("lab", "TCP packet lab")
    group.addoption("--lab", action="store_true", help="collect scenario files among the files and folders named")
    parser.addini("lab_scenarios", "folders and files whose scenarios are always collected", type="paths", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collector for a scenario file that is selected and not a test file."""
    config = parent.config
    folders: list[Path] = config.getini("lab_scenarios")
    asked = config.getoption("lab") or any(each == file_path or each in file_path.parents for each in folders)
    if not asked or file_path.suffix != ".py" or file_path.name == "conftest.py":
        return None
    is_test = any(fnmatch(file_path.name, pattern) for pattern in config.getini("python_files"))
    if is_test or b"@scenario" not in file_path.read_bytes():
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """A file with scenarios."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test for each scenario and address family."""
        from lab.author import registry

        found = registry.find([str(self.path)])
        for broken in found.broken:
            raise self.CollectError(f"{broken.file}:{broken.line}: {broken.why}")
        for scenario in found.scenarios:
            for family in scenario.families:
                name = f"{scenario.id.rpartition('.')[2]}[IPv{family}]"
                yield ScenarioItem.from_parent(self, name=name, scenario=scenario, family=family)


class ScenarioItem(pytest.Item):
    """One scenario over one address family."""

    def __init__(self, *, scenario: Runnable, family: int, **more: Any) -> None:
        super().__init__(**more)
        self._scenario = scenario
        self._family = family

    def setup(self) -> None:
        """Raise an error, which is not a verdict on the kernel, if this machine cannot run labs."""
        _runner(self.config)

    def runtest(self) -> None:
        """Run the scenario."""
        from lab.record.results import Outcome

        result = _runner(self.config).run(self._scenario, self._family)
        if result.outcome is Outcome.SKIP:
            pytest.skip(result.message)
        if result.outcome is not Outcome.PASS:
            raise _NotPassed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message that `lab run` prints, for a scenario that did not pass."""
        from lab.report.verdicts import result_lines

        if isinstance(excinfo.value, _NotPassed):
            return "\n".join(result_lines(excinfo.value.args[0], _screen(self.config), brief=True))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File, line and title of the scenario."""
        return self.path, self._scenario.line - 1, f"{self._scenario.id} IPv{self._family}"


class _NotPassed(Exception):
    """Raised with the result of a scenario that did not pass."""


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A kernel in a namespace of its own and a wire to it, over IPv4 and then over IPv6.

    At the end of a test that passes, every segment of the kernel except retransmissions must have been expected.
    """
    from lab.session.errors import NotApplicable

    with ExitStack() as undo:
        try:
            opened = undo.enter_context(_runner(request.config).lab(request.param))
        except NotApplicable as why:
            pytest.skip(str(why))
        request.node.stash[_LAB] = opened
        yield opened


@pytest.fixture
def kernel(lab: Lab) -> Kernel:
    """The kernel under test."""
    return lab.kernel


@pytest.fixture
def peer(lab: Lab) -> Peer:
    """A user-space endpoint that speaks to a listener of the kernel on port 80."""
    return lab.peer(to=lab.kernel.listen(port=80))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """End a test that has used a lab as a scenario ends: check that every segment was expected."""
    used = pyfuncitem.stash.get(_LAB, None)
    if used is None:
        return (yield)
    from lab.session.errors import NotApplicable

    try:
        result = yield
        used.finish()
    except NotApplicable as why:
        pytest.skip(str(why))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A difference is shown as the lab shows it, instead of a trace through the lab's own code."""
    report = yield
    raised = call.excinfo.value if call.excinfo is not None else None
    if raised is not None and "lab.session.errors" in sys.modules:
        from lab.host.errors import MachineError
        from lab.report.verdicts import difference_lines
        from lab.session.errors import Inconclusive, KernelDiffers

        used = item.stash.get(_LAB, None)
        if isinstance(raised, KernelDiffers) and used is not None:
            used.catch_up()
            lines = difference_lines(used.recording, raised.check, _screen(item.config))
            report.longrepr = "\n".join(lines)
        elif isinstance(raised, Inconclusive):
            report.longrepr = f"inconclusive: {raised}"
        elif isinstance(raised, MachineError):
            report.longrepr = f"the lab cannot run here: {raised.why}\n{raised.remedy}"
    return report


def _runner(config: pytest.Config) -> Runner:
    """Runner of the pytest session. MachineError if this machine cannot run labs."""
    runner = config.stash.get(_RUNNER, None)
    if runner is None:
        from lab.author.runner import Runner
        from lab.host.errors import MachineError
        from lab.host.user_namespace import may_make_namespaces

        # Becoming root of a new user namespace, as `lab run` does, would take the network from all other tests.
        if not may_make_namespaces():
            raise MachineError("this user may not make network namespaces", _HOW)
        runner = config.stash[_RUNNER] = Runner()
        config.add_cleanup(runner.close)
    return runner


def _screen(config: pytest.Config) -> Screen:
    from lab.report.screen import Screen

    return Screen(width=max(80, config.get_terminal_writer().fullwidth), most=None)
