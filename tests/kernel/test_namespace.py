"""A thread that makes or enters a namespace comes home and leaves no descriptor, whatever fails on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lab.host import namespace
from lab.host.errors import MachineError
from lab.host.namespace import Namespace


class Refused(OSError):
    """What the kernel did not do."""


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """One that may get lost."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def own_namespace() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def descriptors() -> set[str]:
    return {each.name for each in Path("/proc/self/fd").iterdir()}


def fails(monkeypatch: pytest.MonkeyPatch, where: object, name: str, nth: int) -> None:
    """The nth call from now on, and each after it, is refused."""
    works: Callable[..., Any] = getattr(where, name)
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= nth:
            raise Refused
        return works(*arguments, **named)

    monkeypatch.setattr(where, name, call)


def test_entered_brings_the_thread_home_whatever_happens() -> None:
    home = own_namespace()
    with closing(Namespace()) as inside:
        with pytest.raises(RuntimeError) as raised, inside.entered():
            raise RuntimeError(own_namespace())
        assert str(raised.value) != home
        assert own_namespace() == home


def test_a_namespace_that_cannot_be_opened_is_left_again(
    monkeypatch: pytest.MonkeyPatch, thread: ThreadPoolExecutor
) -> None:
    def make() -> str:
        with monkeypatch.context() as patch:
            fails(patch, os, "open", 2)
            with pytest.raises(Refused):
                Namespace()
        return own_namespace()

    before = descriptors()
    assert thread.submit(make).result() == own_namespace()
    assert descriptors() == before


@pytest.mark.parametrize("nth", [1, 2], ids=["going in", "coming home"])
def test_no_descriptor_is_left_when_a_thread_cannot_change_its_namespace(
    monkeypatch: pytest.MonkeyPatch, thread: ThreadPoolExecutor, nth: int
) -> None:
    def make() -> None:
        with monkeypatch.context() as patch:
            fails(patch, namespace, "setns", 1)
            with pytest.raises(Refused):
                Namespace()

    def enter(inside: Namespace) -> None:
        with monkeypatch.context() as patch:
            fails(patch, namespace, "setns", nth)
            with pytest.raises(Refused), inside.entered():
                pass

    thread.submit(str).result()
    with closing(Namespace()) as inside:
        before = descriptors()
        thread.submit(enter, inside).result()
        assert descriptors() == before
        thread.submit(make).result()
        assert descriptors() == before


def test_without_the_right_to_make_one_the_machine_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> None:
        raise PermissionError

    before = descriptors()
    monkeypatch.setattr(namespace, "unshare", refused)
    with pytest.raises(MachineError, match="making a network namespace is not permitted"):
        Namespace()
    assert descriptors() == before
