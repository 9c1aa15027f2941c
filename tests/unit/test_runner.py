"""Scenarios side by side: results in order, the first error at once, and who waits meanwhile."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from lab.author.registry import Runnable
from lab.author.runner import Runner
from lab.host.errors import MachineError
from lab.record.results import Outcome, Result

AT_MOST = 200
Body = Callable[[], object]


class RunnerOfBodies(Runner):
    """Carries out, instead of scenarios in a lab, what stands under their names."""

    bodies: Mapping[str, Body]

    def run(self, scenario: Runnable, family: int, _: object = None, *, tries: int = 1) -> Result:  # noqa: ARG002
        self.bodies[scenario.id]()
        return Result(scenario=scenario, family=family, outcome=Outcome.PASS, seconds=0.0, recording=None)


@pytest.fixture
def runner() -> Iterator[RunnerOfBodies]:
    with closing(RunnerOfBodies()) as made:
        yield made


def results(
    runner: RunnerOfBodies,
    bodies: Mapping[str, Body],
    meanwhile: Callable[[], None] = lambda: None,
    alone: str = "",
) -> list[str]:
    """The names of the scenarios in the order of their results."""
    runner.bodies = bodies
    found = runner.run_all(
        [runnable(name, alone=name == alone) for name in bodies], [4], lambda _: False, lambda _: meanwhile()
    )
    return [each.scenario.id for each in found]


def runnable(name: str, *, alone: bool) -> Runnable:
    return Runnable(
        id=name,
        title="",
        section="",
        families=(4,),
        sysctls={},
        short={},
        waits=name.startswith("waits"),
        router=False,
        file=Path("made_up.py"),
        line=1,
        alone=alone,
        function=lambda _: None,
    )


def test_results_come_in_the_order_of_the_scenarios(runner: RunnerOfBodies) -> None:
    second_is_done = Event()
    bodies: dict[str, Body] = {"one": second_is_done.wait, "two": second_is_done.set, "waits": lambda: None}
    assert results(runner, bodies) == ["one", "two", "waits"]


def test_who_waits_is_told_until_the_next_result_is_there(runner: RunnerOfBodies) -> None:
    go_on, calls = Event(), count(1)

    def meanwhile() -> None:
        if next(calls) == 3:
            go_on.set()

    assert results(runner, {"one": go_on.wait}, meanwhile) == ["one"]
    assert next(calls) == 4


def test_a_scenario_that_is_to_be_alone_begins_when_the_others_are_done(runner: RunnerOfBodies) -> None:
    done: list[str] = []
    bodies = {name: partial(done.append, name) for name in ("first", "other", "another")}
    assert results(runner, bodies, alone="first") == ["first", "other", "another"]
    assert done[-1] == "first"


@pytest.mark.parametrize("error", [MachineError("no veth", "load it"), MemoryError()])
@pytest.mark.parametrize("name", ["another", "waits"])
def test_an_error_ends_the_run_whichever_scenario_is_waited_for(
    runner: RunnerOfBodies, error: Exception, name: str
) -> None:
    go_on, calls = Event(), count()

    def fail() -> None:
        raise error

    def meanwhile() -> None:
        assert next(calls) < AT_MOST, "nobody has noticed"

    try:
        with pytest.raises(type(error)):
            results(runner, {"one": go_on.wait, name: fail}, meanwhile)
    finally:
        go_on.set()


def test_results_that_are_ready_come_before_an_error(runner: RunnerOfBodies) -> None:
    go_on, done = Event(), Event()

    def fail() -> None:
        done.wait()
        raise MachineError("no veth", "load it")

    runner.bodies = {"one": go_on.wait, "two": done.set, "three": fail}
    made = runner.run_all([runnable(name, alone=False) for name in runner.bodies], [4], lambda _: False)
    try:
        assert next(made).scenario.id == "two"
        with pytest.raises(MachineError):
            next(made)
    finally:
        go_on.set()


def test_without_threads_the_machine_is_to_blame(runner: RunnerOfBodies, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    with pytest.raises(MachineError, match="can't start new thread") as raised:
        results(runner, {"one": lambda: None})
    assert raised.value.remedy == "allow it more threads or memory: ulimit -u and -v show limits"


def test_what_the_machine_lacks_passes_from_one_process_to_another() -> None:
    raised = pickle.loads(pickle.dumps(MachineError("no veth", "load it")))
    assert (raised.why, raised.remedy, str(raised)) == ("no veth", "load it", "no veth; load it")
