"""Runs scenarios side by side, each in namespaces of its own; most of their time is waiting."""

from __future__ import annotations

import gc
import inspect
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import NamedTuple, ParamSpec

from lab.author.assertions import has_assert
from lab.author.containment import contained, is_interrupt, line_in, message_of
from lab.author.lab import Lab
from lab.author.registry import Runnable
from lab.author.settings import may_explain
from lab.host.addresses import AddressPool
from lab.host.errors import MachineError
from lab.host.tracepoint import StateTracer
from lab.record.events import CheckKind, FrameSeen, Recording
from lab.record.results import Outcome, Result
from lab.session.errors import Inconclusive, KernelDiffers, NotApplicable, ScenarioError
from lab.session.readings import Readings
from lab.session.switchboard import Waiting
from lab.session.tolerance import TRIES
from lab.wire import crafting

P = ParamSpec("P")

_AT_ONCE = 4
"""Scenarios at a time. They share one CPU (Python's lock): more would not be faster, and each would react later."""
_WAITING_AT_ONCE = 96
"""Scenarios at a time that wait for timers, which needs almost no CPU time."""
_BETWEEN_CALLS_S = 0.25
"""Interval between calls of `meanwhile`."""
_LIMIT_S = 120.0
"""Time limit of a scenario without its waits; most take a tenth of a second."""
_LIMIT_ALONE_S = 600.0
"""The same for a scenario that keeps the CPU busy for seconds: at a load of 30 these are minutes."""
_LONGER = "@scenario(limit=...) or `lab run --limit` sets another"
_NO_CHECK = "it has no check, so it shows nothing: add peer.expect(...), lab.verify(...) or another check"
_WAITS = 10
"""The time limit of a scenario grows by so many times its longest wait."""


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


class Interim(NamedTuple):
    """Progress of a run."""

    ended: int
    """Number of scenario runs that have ended; one over IPv4 and one over IPv6 are two."""
    total: int
    patient: list[Patient]


def families_of(scenario: Runnable, wanted: Iterable[int]) -> list[int]:
    """The wanted families that the scenario supports. If it supports none, all wanted ones: each gives a skip."""
    return sorted(set(wanted) & set(scenario.families) or set(wanted))


@dataclass(slots=True)
class _Running:
    """A scenario that runs at this moment."""

    scenario: Runnable
    family: int
    thread: int = field(default_factory=threading.get_ident)
    lab: Lab | None = None
    seen: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    """How long it has run, up to the monotonic time `seen` and without the time for which this process was stopped."""
    longest_wait: float = 0.0

    @property
    def waiting(self) -> Waiting | None:
        """The event that it waits for; None if it does not wait."""
        return self.lab.waiting if self.lab is not None else None


class Runner:
    """Shared resources of one run: the address pool, and the tracepoint where the machine has one."""

    def __init__(
        self,
        *,
        full: bool = False,
        sysctls: Mapping[str, str] | None = None,
        limit: float | None = None,
        missing: str = "",
    ) -> None:
        """`full`: timers run their whole length. `sysctls` apply to every scenario that does not set them itself.

        `limit` is the time limit in seconds of every scenario without one of its own. By default it grows with the
        waits of the scenario. `missing`: why this kernel cannot have the `sysctls`, so that every scenario is skipped.
        MachineError if this machine cannot run labs.
        """
        self._limit = limit
        self._missing = missing
        self.not_begun = 0
        """Number of scenario runs that `run_all` has not begun because one was over its time limit."""
        self._sysctls = dict(sysctls or {})
        crafting.load_scapy()
        _raise_descriptor_limit()
        self._full = full
        self._going_on: dict[int, _Running] = {}
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
        now = [(each.scenario.id, each.family, each.waiting) for each in list(self._going_on.values())]
        return [Patient(scenario, family, waiting) for scenario, family, waiting in now if waiting is not None]

    def run_all(
        self,
        scenarios: Iterable[Runnable],
        families: Iterable[int],
        stop: Callable[[Result], bool],
        meanwhile: Callable[[Interim], None] | None = None,
    ) -> Iterator[Result]:
        """Yield the results in the order of the scenarios. After a result for which `stop` is true, no scenario begins.

        While the next result is not ready, `meanwhile` is called a few times a second. A
        MachineError in any scenario ends the run, after the results that are ready. After a scenario that is over its
        time limit no other begins; its thread goes on until the process ends.
        """
        wanted = set(families)
        jobs = [(each, family) for each in scenarios for family in families_of(each, wanted)]
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
            over: dict[tuple[int, int], Result] = {}
            for at, (scenario, family) in enumerate(jobs):
                try:
                    result = self._result(running, at, (id(scenario), family), over, meanwhile)
                except (MachineError, MemoryError):
                    later = [running[number] for number in range(at + 1, len(jobs))]
                    ready = [each for each in later if each.done() and not each.cancelled()]
                    yield from (each.result() for each in ready if each.exception() is None)
                    raise
                if result is None:
                    self.not_begun += 1
                    continue
                yield result
                if stop(result):
                    return
        finally:
            for pool in working, waiting, alone:
                pool.shutdown(wait=False, cancel_futures=True)

    def _result(
        self,
        running: Mapping[int, Future[Result]],
        at: int,
        key: tuple[int, int],
        over: dict[tuple[int, int], Result],
        meanwhile: Callable[[Interim], None] | None,
    ) -> Result | None:
        """Wait for a result; None if another scenario went over its time limit before this one began.

        Results of those over their limit are added to `over`. Raises the error of any scenario run.
        """
        while not wait([running[at]], _BETWEEN_CALLS_S).done and key not in over:
            failed = next(filter(None, map(_error_of, running.values())), None)
            if failed is not None:
                raise failed
            over.update(self._over_limit())
            if over:
                for each in running.values():
                    each.cancel()
                if key not in over and key not in self._keys():
                    return None
            if meanwhile is not None:
                meanwhile(Interim(sum(each.done() for each in running.values()), len(running), self.patient))
        if key in over or running[at].cancelled():
            return over.get(key)
        return running[at].result()

    def lab(
        self,
        family: int,
        *,
        sysctls: Mapping[str, str] | None = None,
        readings: Readings | None = None,
        router: bool = False,
        baseline: bool = False,
    ) -> Lab:
        """A lab with the shared resources; not entered yet. With `baseline` the settings of the run are left out."""
        return Lab(
            family,
            pool=self._pool,
            tracer=self._tracer,
            sysctls={**({} if baseline else self._sysctls), **(sysctls or {})},
            full=self._full,
            readings=readings,
            router=router,
        )

    def _run_after(self, others: list[Future[Result]], scenario: Runnable, family: int) -> Result:
        wait(others)
        return self.run(scenario, family)

    def run(self, scenario: Runnable, family: int, readings: Readings | None = None, *, tries: int = TRIES) -> Result:
        """Run one scenario, reading the kernel through `readings`, if given.

        While it is inconclusive it is run again, `tries` times in all. An exception of the scenario becomes a result.
        But a MachineError ends the run, and a MemoryError becomes a MachineError.
        """
        why = self._missing if family in scenario.families else "the scenario is for the other address family"
        if why:
            return Result(scenario, family, Outcome.SKIP, seconds=0.0, recording=None, message=why)
        running = _Running(scenario, family)
        self._going_on[id(running)] = running
        try:
            for _ in range(tries):
                result = self._try(running, readings)
                if result.outcome is not Outcome.INCONCLUSIVE:
                    break
            if self._sysctls and result.outcome in (Outcome.FAIL, Outcome.ERROR) and may_explain(self._sysctls, result):
                self._compare_with_baseline(running, result)
        finally:
            del self._going_on[id(running)]
        return result

    def _compare_with_baseline(self, running: _Running, result: Result) -> None:
        """Run a scenario without the given settings. If it passes, the result is that the settings have changed it."""
        if self._try(running, None, baseline=True).outcome is Outcome.PASS:
            settings = ", ".join(f"{name}={value}" for name, value in self._sysctls.items())
            why = f": {result.message}" if result.message else ""
            result.outcome, result.message = Outcome.CHANGED, f"with {settings}{why}"

    def _try(self, running: _Running, readings: Readings | None, *, baseline: bool = False) -> Result:
        scenario = running.scenario
        result = Result(scenario, running.family, Outcome.PASS, seconds=0.0, recording=None)
        began = time.monotonic()
        settings = {**scenario.sysctls, **({} if self._full else scenario.short)}
        lab = self.lab(running.family, sysctls=settings, readings=readings, router=scenario.router, baseline=baseline)
        try:
            with lab:
                result.recording = lab.recording
                running.lab = lab
                try:
                    with contained():
                        _call(scenario, lab)
                    lab.finish()
                finally:
                    running.lab = None
                    lab.catch_up()
            if not _has_checked(lab.recording) and not has_assert(scenario.function):
                result.outcome, result.message = Outcome.ERROR, _NO_CHECK
        except KernelDiffers as difference:
            result.outcome, result.difference = Outcome.FAIL, difference.check
        except (Inconclusive, NotApplicable) as why:
            result.outcome = Outcome.INCONCLUSIVE if isinstance(why, Inconclusive) else Outcome.SKIP
            result.message = str(why)
        except MachineError:
            raise
        except MemoryError as raised:
            raise _out_of_memory(scenario, raised) from None
        except BaseException as raised:  # whatever a scenario does, the others still run
            if is_interrupt(raised):
                raise
            result.outcome = Outcome.ERROR
            result.message, result.where = message_of(raised, scenario.file)
        result.seconds = time.monotonic() - began
        return result

    def _keys(self) -> set[tuple[int, int]]:
        """The scenarios that run at this moment, each with its address family."""
        return {(id(each.scenario), each.family) for each in list(self._going_on.values())}

    def _over_limit(self) -> Iterator[tuple[tuple[int, int], Result]]:
        """Yield the results of the running scenarios that are over their time limits."""
        now = time.monotonic()
        for each in list(self._going_on.values()):
            each.seconds += min(now - each.seen, 2 * _BETWEEN_CALLS_S)
            each.seen = now
            waiting, scenario, lab = each.waiting, each.scenario, each.lab
            if waiting is not None:
                each.longest_wait = max(each.longest_wait, (waiting.until_ns - waiting.since_ns) / 1e9)
            usual = (_LIMIT_ALONE_S if scenario.alone else _LIMIT_S) + _WAITS * each.longest_wait
            limit = scenario.limit or self._limit or usual
            if each.seconds > limit:
                where = line_in(scenario.file, sys._current_frames().get(each.thread))  # noqa: SLF001  # documented
                why = f"it has not ended within {limit:g} s, its time limit; {_LONGER}"
                recording = lab.recording if lab is not None else None
                if recording is not None:  # its thread may go on
                    recording = replace(recording, events=list(recording.events))
                result = Result(scenario, each.family, Outcome.ERROR, each.seconds, recording, message=why, where=where)
                yield (id(scenario), each.family), result


def _call(scenario: Runnable, lab: Lab) -> None:
    """Call the function of a scenario; ScenarioError if that has not run its body."""
    returned: object = scenario.function(lab)  # type: ignore[func-returns-value]  # an author may be wrong
    if inspect.iscoroutine(returned):
        returned.close()  # else Python warns of it later
    if inspect.isawaitable(returned) or inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        raise ScenarioError(
            f"its body has not run: the function returned {returned!r}; write it without async and yield"
        )


def _has_checked(recording: Recording) -> bool:
    """Whether the scenario has a check of its own, or its peer sent a segment, so that `finish` checks the rest."""
    return any(
        isinstance(event, FrameSeen) and event.from_peer and event.segment is not None for event in recording.events
    ) or any(check.kind is not CheckKind.NOTHING_LEFT for check in recording.checks)


def _raise_descriptor_limit() -> None:
    """Raise the soft limit to the hard one (setrlimit(2)): many labs side by side need more than the usual 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _submit(pool: ThreadPoolExecutor, run: Callable[P, Result], *args: P.args, **named: P.kwargs) -> Future[Result]:
    """As `pool.submit`; MachineError when no thread can be started."""
    try:
        return pool.submit(run, *args, **named)
    except RuntimeError as refused:  # "can't start new thread"
        raise MachineError(str(refused), "allow it more threads or memory: ulimit -u and -v show limits") from None


def _error_of(future: Future[Result]) -> BaseException | None:
    """The exception with which a scenario run has ended, if any."""
    return future.exception() if future.done() and not future.cancelled() else None


def _out_of_memory(scenario: Runnable, raised: MemoryError) -> MachineError:
    _, where = message_of(raised, scenario.file)
    at = f" in {scenario.id!r}" + (f", line {where.line}" if where is not None else "")
    return MachineError(f"it has run out of memory{at}", "allow it more: ulimit -v shows a limit")


def _open_tracer(undo: ExitStack) -> tuple[StateTracer | None, str]:
    try:
        tracer = StateTracer()
    except MachineError as missing:
        return None, missing.why
    undo.callback(tracer.close)
    return tracer, ""
