"""The pytest plugin: scenario files as tests, and fixtures that give a kernel to other tests.

pytest loads this module wherever the lab is installed, so it imports other modules of the lab only when they are used.
"""

from __future__ import annotations

import json
import os
import re
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
    from lab.record.results import Result
    from lab.report.screen import Screen

_RUNNER = pytest.StashKey["Runner"]()
_LAB = pytest.StashKey["Lab"]()
_RECORDINGS = "out/pytest"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting that select scenario files."""
    group = parser.getgroup("lab", "TCP packet lab")
    group.addoption("--lab", action="store_true", help="collect scenario files among the files and folders named")
    group.addoption(
        "--lab-out",
        metavar="DIR",
        default=_RECORDINGS,
        help="folder for the recordings of tests that fail, which `lab show FILE` shows; '' keeps none"
        " (default: %(default)s)",
    )
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
    """After a test that has used a lab, check that every segment was expected, as at the end of a scenario."""
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
    """Show a difference as the lab does, instead of a trace through the code of the lab, and keep its recording."""
    report = yield
    if call.excinfo is None or not report.failed or "lab.host.errors" not in sys.modules:
        return report
    from lab.host.errors import MachineError
    from lab.report.verdicts import difference_in_a_line, result_lines

    raised = call.excinfo.value
    result = _result_of(item, raised)
    if isinstance(raised, MachineError):
        lines = [f"the lab cannot run here: {raised.why}", raised.remedy]
        _show(report, call.excinfo, lines, raised.why)
    elif result is not None:
        if isinstance(item, ScenarioItem):
            lines = list(result_lines(result, _screen(item.config), brief=True))
        else:
            lines = list(_lines_of(result, item.config))
        if lines:
            outcome = "" if result.difference is not None else f"{result.outcome.value}: "
            _show(report, call.excinfo, lines, outcome + difference_in_a_line(result))
        _keep(item, result, report)
    return report


def _result_of(item: pytest.Item, raised: BaseException) -> Result | None:
    """The result of a test that has run a lab; None if it has not."""
    from lab.record.results import Outcome, Result, Scenario
    from lab.session.errors import Inconclusive, KernelDiffers

    if isinstance(raised, _NotPassed):
        failed: Result = raised.args[0]
        return failed
    used = item.stash.get(_LAB, None)
    if used is None:
        return None
    used.catch_up()
    file, line, _ = item.location
    family = used.family
    named = Scenario(item.nodeid, item.name, "", (family,), {}, {}, False, False, Path(file), (line or 0) + 1)
    result = Result(named, family, Outcome.ERROR, 0.0, used.recording, message=f"{type(raised).__name__}: {raised}")
    if isinstance(raised, KernelDiffers):
        result.outcome, result.difference, result.message = Outcome.FAIL, raised.check, ""
    elif isinstance(raised, Inconclusive):
        result.outcome, result.message = Outcome.INCONCLUSIVE, str(raised)
    return result


def _lines_of(result: Result, config: pytest.Config) -> Iterator[str]:
    """The lab's text about a test with the fixtures. No lines for the test's own exceptions: pytest shows these."""
    from lab.record.results import Outcome
    from lab.report.verdicts import difference_lines

    if result.difference is not None and result.recording is not None:
        yield from difference_lines(result.recording, result.difference, _screen(config))
    elif result.outcome is Outcome.INCONCLUSIVE:
        yield f"inconclusive: {result.message}"


def _show(report: pytest.TestReport, raised: pytest.ExceptionInfo[BaseException], lines: list[str], short: str) -> None:
    """Replace the text of a report by these lines, and its line in pytest's short summary by `short`."""
    shown: Any = raised.getrepr(style="native")
    [text] = shown.reprtraceback.reprentries
    text.lines = [f"{line}\n" for line in lines]
    shown.reprcrash.message = short
    report.longrepr = shown


def _keep(item: pytest.Item, result: Result, report: pytest.TestReport) -> None:
    """Save the recording of a failed test, and say in its report how to look at it."""
    from lab.author.environment import environment_of, new_run
    from lab.record.saved.document import lines_of
    from lab.record.saved.folder import NotWritable, ensure_folder, put
    from lab.report.screen import printable

    place: str = item.config.getoption("--lab-out")
    if not place or result.recording is None:
        return
    folder = Path(item.config.invocation_params.dir, place)
    name = re.sub(r"[^\w.]+", "-", item.nodeid).strip("-") + ".json"
    run = new_run()
    run.results, run.environment = [result], environment_of([result])
    try:
        put(ensure_folder(folder) / name, (line.encode() for line in lines_of(run)))
        text = f"lab show {os.path.relpath(folder / name)} {item.name.partition('[')[0]}"
    except NotWritable as why:
        text = str(why)
    report.sections.append(("recording", printable(text)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test that needs a lab in a process of its own, if this process may not make namespaces.

    That process can become root of a user namespace, as `lab run` does, without any effect on the other tests.
    """
    if not _needs_lab(item):
        return None
    from lab.host.user_namespace import may_make_namespaces

    if may_make_namespaces():
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _reports_of_child(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    item.session._setupstate.teardown_exact(nextitem)  # noqa: SLF001  # what pytest itself does after each test
    return True


def _needs_lab(item: pytest.Item) -> bool:
    """Whether the test is a scenario, or uses the fixture `lab` of this module and not one of the same name."""
    if isinstance(item, ScenarioItem):
        return True
    fixtures = getattr(item, "_fixtureinfo", None)
    found = fixtures.name2fixturedefs.get("lab", ()) if fixtures is not None else ()
    return any(each.func.__module__ == __name__ for each in found[-1:])


def _reports_of_child(item: pytest.Item) -> list[pytest.TestReport]:
    from _pytest.runner import runtestprotocol

    hook, config = item.config.hook, item.config
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(readable)
            # Fixtures of more than one test stay as they are: the parent ends them.
            reports = runtestprotocol(item, log=False, nextitem=item.parent)  # type: ignore[arg-type]
            data = [hook.pytest_report_to_serializable(config=config, report=each) for each in reports]
            with os.fdopen(writable, "w", encoding="utf-8") as pipe:
                json.dump(data, pipe, default=str)
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, encoding="utf-8") as pipe:
        written = pipe.read()
    _, status = os.waitpid(child, 0)
    try:
        data = json.loads(written)
    except ValueError:
        why = f"the process of this test has ended early (wait status {status})"
        return [pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")]
    return [hook.pytest_report_from_serializable(config=config, data=each) for each in data]


def _runner(config: pytest.Config) -> Runner:
    """Runner of the pytest session. MachineError if this machine cannot run labs."""
    runner = config.stash.get(_RUNNER, None)
    if runner is None:
        from lab.author.runner import Runner
        from lab.host.user_namespace import become_root_of_own_user_namespace, may_make_namespaces

        if not may_make_namespaces():
            become_root_of_own_user_namespace()  # this is the process of one test
        runner = config.stash[_RUNNER] = Runner()
        config.add_cleanup(runner.close)
    return runner


def _screen(config: pytest.Config) -> Screen:
    from lab.report.screen import Screen

    return Screen(width=max(80, config.get_terminal_writer().fullwidth), most=None)
