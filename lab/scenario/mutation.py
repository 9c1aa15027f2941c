"""Does every check look? Scenarios run again and again with a kernel that lies once, until each check has turned red.

A first run keeps account of what the kernel told between one check and the next. Then, check by check, one of those
readings is changed in one thing (`lies`), and the same check has to fail: not an earlier one, and not a standing rule,
which do not judge meanwhile. The rules have their own turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from lab.scenario.expectation import Expected
from lab.scenario.lies import LIES
from lab.scenario.lying import Liar, Lie, Reading
from lab.scenario.recording import CheckMade, Recording, StepBegun
from lab.scenario.registry import Runnable
from lab.scenario.result import Outcome, Result
from lab.scenario.runner import Runner
from lab.wire.frames import decode

_AT_ONCE = 24
_MOST_LIES = 60

_OF_FIELDS = {
    "flags": (
        "without ACK, or with it", "with PSH, or without it", "with FIN, or without it", "with RST, or without it",
        "with URG, or without it", "with SYN, or without it", "with ECE, or without it",
    ),
    "seq": ("seq + 1", "seq far off"),
    "ack": ("ack + 1", "ack far off"),
    "window": ("another window", "no window"),
    "options": (
        "other values of options", "an option missing", "an option more", "options in another order", "another TSecr",
    ),
    "payload": ("another payload", "a byte less"),
    "urgent": ("an urgent pointer",),
}  # fmt: skip
_OF_ANY_SEGMENT = ("a wrong checksum", "from another port", "never")
_SILENCES = ("silence", "nothing else was sent")


class Target(NamedTuple):
    """One check of one scenario, and the lies that it is meant to see."""

    scenario: str
    family: int
    ordinal: int
    """Which of the scenario's checks it is."""
    subject: str
    line: int
    """Of the scenario file; 0 at the scenario's end."""
    claims: tuple[str, ...]
    """Those that its step names."""
    lies: tuple[Lie, ...]


class Survey(NamedTuple):
    """A scenario as it goes when nobody lies."""

    result: Result
    targets: list[Target]
    shapes: dict[str, int]
    """Which kinds of segments the kernel sends (flags, options, text or none), and the first frame of each."""


class Tried(NamedTuple):
    """What became of a check."""

    target: Target
    killed_by: Lie | None
    tried: int


def survey(runner: Runner, scenario: Runnable, family: int) -> Survey:
    """Run a scenario once, and find out what each of its checks may rest on."""
    liar = Liar()
    result = runner.run(scenario, family, liar)
    targets = []
    if result.outcome is Outcome.PASS and result.recording is not None:
        targets = list(_targets(scenario, family, result.recording, liar.readings))
    return Survey(result, targets, _shapes(liar.readings))


def attack(runner: Runner, scenario: Runnable, targets: Sequence[Target]) -> Iterator[Tried]:
    """Lie to each check until it notices.

    Where a check does not, the account of what the kernel told is made anew: on a busy machine the first one may have
    had a retransmission more, and then each lie was about another reading than the one that was meant.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for tried in pool.map(lambda target: _lie_to(runner, scenario, target), targets):
            if tried.killed_by is None:
                again = survey(runner, scenario, tried.target.family).targets[tried.target.ordinal :][:1]
                yield _lie_to(runner, scenario, again[0]) if again else tried
            else:
                yield tried


def attack_rules(runner: Runner, scenario: Runnable, family: int, frames: Sequence[int]) -> dict[str, str]:
    """Tell each lie about each of these frames of a scenario, with the standing rules as judges; what broke which."""
    lies = [Lie("frame", number, name) for number in frames for name in LIES["frame"]]
    broken: dict[str, str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for lie, rules in zip(lies, pool.map(lambda lie: _broken_by(runner, scenario, family, lie), lies), strict=True):
            for rule in rules:
                broken.setdefault(rule, f"{lie} in {scenario.id}")
    return broken


def _shapes(readings: list[Reading]) -> dict[str, int]:
    shapes: dict[str, int] = {}
    for reading in readings:
        received = decode(reading.value[0].data) if reading.kind == "frame" else None  # type: ignore[index]
        if received is not None:
            segment = received.segment
            names = ",".join(str(name) for name, _ in segment.options)
            shapes.setdefault(f"{segment.letters} <{names}> {bool(segment.payload)}", reading.number)
    return shapes


def _broken_by(runner: Runner, scenario: Runnable, family: int, lie: Lie) -> set[str]:
    result = runner.run(scenario, family, _liar(lie, judged=True))
    difference = result.difference
    if difference is None or not difference.subject.startswith("standing rule"):
        return set()
    return {row.field for row in difference.rows}


def _lie_to(runner: Runner, scenario: Runnable, target: Target) -> Tried:
    for count, lie in enumerate(target.lies, 1):
        result = runner.run(scenario, target.family, _liar(lie))
        failed = result.difference
        if failed is None or result.recording is None:
            continue
        ordinal = len(result.recording.checks) - 1
        if (ordinal, failed.subject, _line(failed)) == (target.ordinal, target.subject, target.line):
            return Tried(target, lie, count)
    return Tried(target, None, len(target.lies))


def _liar(lie: Lie, *, judged: bool = False) -> Liar:
    return Liar(LIES[lie.kind][lie.name], lie.kind, lie.number, judged=judged)


def _targets(scenario: Runnable, family: int, recording: Recording, readings: list[Reading]) -> Iterator[Target]:
    claims: tuple[str, ...] = ()
    ordinal = began = 0
    for at, event in enumerate(recording.events):
        if isinstance(event, StepBegun):
            claims = event.claims
        elif isinstance(event, CheckMade):
            lies = tuple(dict.fromkeys(_lies_for(event, began, at, readings, ordinal)))[:_MOST_LIES]
            yield Target(scenario.id, family, ordinal, event.subject, _line(event), claims, lies)
            ordinal, began = ordinal + 1, at


def _lies_for(check: CheckMade, began: int, at: int, readings: list[Reading], turn: int) -> Iterator[Lie]:
    """What to try on a check, the most telling first; `turn` makes that another field from check to check."""
    before = [reading for reading in readings if reading.after <= at]
    recent = [reading for reading in before if reading.after >= began]
    if check.expected is not None:
        for reading in reversed(before):
            if reading.kind == "frame" and reading.after == check.frame:
                yield from (Lie("frame", reading.number, name) for name in _names_for(check.expected, turn))
                break
    if check.subject in _SILENCES:
        fences = [reading for reading in before if reading.kind == "fence"]
        yield from (Lie("fence", fences[-1].number, name) for name in LIES["fence"] if fences)
    for reading in reversed(recent):
        yield from (Lie(reading.kind, reading.number, name) for name in LIES[reading.kind])
    # A comparison of two values may rest on what was heard long before.
    for reading in [each for each in reversed(before) if each not in recent][:4]:
        yield from (Lie(reading.kind, reading.number, name) for name in LIES[reading.kind])


def _names_for(expected: Expected, turn: int) -> list[str]:
    fields = ["flags", *(name for name in _OF_FIELDS if name != "flags" and getattr(expected, name) is not None)]
    names = [name for field in fields for name in _OF_FIELDS[field]]
    first = turn % len(names)
    return [*names[first:], *names[:first], *_OF_ANY_SEGMENT]


def _line(check: CheckMade) -> int:
    return check.where.line if check.where is not None else 0
