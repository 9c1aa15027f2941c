"""Runs scenarios side by side, each in namespaces of its own; most of their time is waiting."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, ParamSpec

from lab.author.lab import Lab
from lab.author.mistakes import described
from lab.author.registry import Runnable
from lab.host.addresses import AddressPool
from lab.host.errors import MachineError
from lab.host.tracepoint import StateTracer
from lab.record.events import Executed
from lab.record.results import Outcome, Result, Scenario
from lab.session.errors import KernelDiffers, NotApplicable
from lab.session.readings import Readings
from lab.session.switchboard import Waiting
from lab.wire import crafting

P = ParamSpec("P")

_AT_ONCE = 4
"""Scenarios at a time. They share one CPU (Python's lock): more would not be faster, and each would react later."""
_WAITING_AT_ONCE = 96
"""Scenarios at a time that wait for timers, which needs almost no CPU time."""
_BETWEEN_CALLS_S = 0.25
"""Interval between calls of `meanwhile`."""


def settle_garbage_collector() -> None:
    """Collect garbage less often: imported modules live as long as the process, and recordings only grow.

    With Python's default thresholds the collector takes an eighth of a run to visit them again and again.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


class Patient(NamedTuple):
    """A scenario that waits at this moment, and the event that it waits for."""

    scenario: str
    """The scenario's id."""
    family: int
    waiting: Waiting


class Runner:
    """Shared resources of one run: the address pool, and the tracepoint where the machine has one."""

    def __init__(self, *, full: bool = False, sysctls: Mapping[str, str] | None = None) -> None:
        """`full`: timers run their whole length. `sysctls` apply to every scenario that does not set them itself.

        MachineError if this machine cannot run labs.
        """
        self._sysctls = dict(sysctls or {})
        crafting.load_scapy()
        _raise_descriptor_limit()
        self._full = full
        self._going_on: dict[int, tuple[Scenario, int, Lab]] = {}
        with ExitStack() as undo:
            self._pool = AddressPool()
            undo.callback(self._pool.close)
            self._tracer, self.untraced = _open_tracer(undo)
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Release everything."""
        self._undo.close()

    @property
    def patient(self) -> list[Patient]:
        """Scenarios that wait at this moment, in no particular order."""
        now = [(scenario.id, family, lab.waiting) for scenario, family, lab in list(self._going_on.values())]
        return [Patient(scenario, family, waiting) for scenario, family, waiting in now if waiting is not None]

    def run_all(
        self,
        scenarios: Iterable[Runnable],
        families: Iterable[int],
        stop: Callable[[Result], bool],
        meanwhile: Callable[[list[Patient]], None] | None = None,
    ) -> Iterator[Result]:
        """Yield the results in the order of the scenarios. After one for which `stop` is true no other begins.

        While the next result is not ready, `meanwhile` is called a few times a second with the scenarios that wait. A
        MachineError in any scenario ends the run.
        """
        wanted = set(families)
        jobs = [(each, family) for each in scenarios for family in sorted(wanted & set(each.families) or wanted)]
        working = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="scenario")
        waiting = ThreadPoolExecutor(_WAITING_AT_ONCE, thread_name_prefix="waiting")
        alone = ThreadPoolExecutor(1, thread_name_prefix="alone")
        running: dict[int, Future[Result]] = {}
        busy: list[Future[Result]] = []
        try:
            # Scenarios that wait for timers begin first: the others run while they wait.
            for at, job in sorted(enumerate(jobs), key=lambda each: (each[1][0].alone, not each[1][0].waits)):
                if job[0].alone:
                    running[at] = _submit(alone, self._run_after, busy, *job)
                else:
                    running[at] = _submit(waiting if job[0].waits else working, self.run, *job)
                    busy += [] if job[0].waits else [running[at]]
            for at in range(len(jobs)):
                while not wait([running[at]], _BETWEEN_CALLS_S).done:
                    _raise_error(running.values())
                    if meanwhile is not None:
                        meanwhile(self.patient)
                result = running[at].result()
                yield result
                if stop(result):
                    return
        finally:
            for pool in working, waiting, alone:
                pool.shutdown(wait=False, cancel_futures=True)

    def lab(
        self,
        family: int,
        *,
        sysctls: Mapping[str, str] | None = None,
        readings: Readings | None = None,
        router: bool = False,
    ) -> Lab:
        """A lab with the shared resources; not entered yet."""
        return Lab(
            family,
            pool=self._pool,
            tracer=self._tracer,
            sysctls={**self._sysctls, **(sysctls or {})},
            full=self._full,
            readings=readings,
            router=router,
        )

    def _run_after(self, others: list[Future[Result]], scenario: Runnable, family: int) -> Result:
        wait(others)
        return self.run(scenario, family)

    def run(self, scenario: Runnable, family: int, readings: Readings | None = None) -> Result:
        """Run one scenario, reading the kernel through `readings`, if given.

        An exception of the scenario becomes a result. MachineError is raised, and so is MemoryError, as a MachineError.
        """
        result = Result(scenario=scenario, family=family, outcome=Outcome.PASS, seconds=0.0, recording=None)
        if family not in scenario.families:
            result.outcome, result.message = Outcome.SKIP, "the scenario is for the other address family"
            return result
        began = time.monotonic()
        settings = {**scenario.sysctls, **({} if self._full else scenario.short)}
        lab = self.lab(family, sysctls=settings, readings=readings, router=scenario.router)
        try:
            with lab:
                result.recording = lab.recording
                self._going_on[id(lab)] = scenario, family, lab
                try:
                    scenario.function(lab)
                    lab.finish()
                finally:
                    del self._going_on[id(lab)]
                    lab.catch_up()
        except KernelDiffers as difference:
            result.outcome, result.difference = Outcome.FAIL, difference.check
        except NotApplicable as why:
            result.outcome, result.message = Outcome.SKIP, str(why)
        except MachineError:
            raise
        except MemoryError as raised:
            raise _out_of_memory(scenario, raised) from None
        except (Exception, SystemExit) as raised:  # noqa: BLE001  # whatever a scenario does, the others still run
            result.outcome, result.message = Outcome.ERROR, described(raised)
            result.where = _where(scenario.file, raised)
        result.seconds = time.monotonic() - began
        return result


def _raise_descriptor_limit() -> None:
    """The soft limit becomes the hard one (setrlimit(2)): many labs side by side need more than the usual 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _submit(pool: ThreadPoolExecutor, run: Callable[P, Result], *args: P.args, **named: P.kwargs) -> Future[Result]:
    """As `pool.submit`; MachineError when no thread can be started."""
    try:
        return pool.submit(run, *args, **named)
    except RuntimeError as refused:  # "can't start new thread"
        raise MachineError(str(refused), "allow it more threads or memory: ulimit -u and -v show limits") from None


def _raise_error(running: Iterable[Future[Result]]) -> None:
    """Raise the exception of a finished scenario run, if there is one."""
    for each in running:
        if each.done():
            each.result()


def _out_of_memory(scenario: Runnable, raised: MemoryError) -> MachineError:
    where = _where(scenario.file, raised)
    at = f" in {scenario.id!r}" + (f", line {where.line}" if where is not None else "")
    return MachineError(f"it has run out of memory{at}", "allow it more: ulimit -v shows a limit")


def _open_tracer(undo: ExitStack) -> tuple[StateTracer | None, str]:
    try:
        tracer = StateTracer()
    except MachineError as missing:
        return None, missing.why
    undo.callback(tracer.close)
    return tracer, ""


def _where(file: Path, raised: BaseException) -> Executed | None:
    found, trace = None, raised.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == str(file):
            found = Executed(code, trace.tb_lasti)
        trace = trace.tb_next
    return found
