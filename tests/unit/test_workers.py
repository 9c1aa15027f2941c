"""A worker that is lost is noticed, whoever is waited for; one that is slow is waited for."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import Future
from threading import Event

import pytest

from lab.author.workers import Workers, result_of
from lab.host.errors import MachineError

AT_MOST = 200


class NotNoticed(Exception):
    """It was looked for often enough."""


def counted() -> Iterator[None]:
    """Calls, of which there may be so many."""
    yield from [None] * AT_MOST
    raise NotNoticed


def no_memory(_: object) -> None:
    """What a worker that is done finds when it says so."""
    raise MemoryError


def test_the_result_of_a_worker_is_waited_for() -> None:
    go_on, calls = Event(), []

    def meanwhile() -> None:
        calls.append(1)
        if len(calls) == 3:
            go_on.set()

    with Workers(1) as workers:
        assert result_of(workers.begin(go_on.wait), [workers], meanwhile) is True
    assert len(calls) == 3


def test_what_it_raises_is_raised() -> None:
    with Workers(1) as workers, pytest.raises(ZeroDivisionError):
        result_of(workers.begin(divmod, 1, 0), [workers], lambda: None)


@pytest.mark.parametrize("raised_at", [0, 1])
def test_what_another_raises_is_raised(raised_at: int) -> None:
    """Whoever is waited for may wait for what that one has left undone."""
    never: Future[int] = Future()
    calls = counted()
    with Workers(1) as one, Workers(1) as two:
        (one, two)[raised_at].begin(divmod, 1, 0)
        with pytest.raises(ZeroDivisionError):
            result_of(never, [one, two], lambda: next(calls))


@pytest.mark.parametrize("lost_at", [0, 1])
@pytest.mark.parametrize("own", [True, False])
def test_a_lost_worker_is_noticed(lost_at: int, own: bool) -> None:
    """By whoever waits for what it does, or for another."""
    go_on, calls = Event(), counted()
    with Workers(2) as two, Workers(1) as one:
        doing = (two, one)[lost_at].begin(go_on.wait)
        doing.set_result = no_memory  # type: ignore[method-assign, assignment]
        go_on.set()
        other: Future[bool] = Future()
        with pytest.raises(MemoryError):
            result_of(doing if own else other, [two, one], lambda: next(calls))


def test_without_threads_the_machine_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    with pytest.raises(MachineError, match="can't start new thread"):
        Workers(1).begin(str)


def test_what_the_machine_lacks_passes_from_one_process_to_another() -> None:
    raised = pickle.loads(pickle.dumps(MachineError("no veth", "load it")))
    assert (raised.why, raised.remedy, str(raised)) == ("no veth", "load it", "no veth; load it")
