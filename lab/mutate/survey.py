"""Mutation testing: a scenario is run with one altered reading at a time, until each of its checks has failed.

A first run lists the readings between checks. Then, for each check, one of its readings is altered (`mutations`), and
that check has to fail, not an earlier one. Standing rules are off meanwhile; they are tested separately.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, zip_longest
from operator import attrgetter
from typing import NamedTuple

from lab.author.registry import Runnable
from lab.author.runner import Runner
from lab.mutate.mutant import Mutant, Mutation, Position, Reading
from lab.mutate.mutations import A_CLOCK, A_CONSTANT, MUTATIONS
from lab.record.events import CheckKind, CheckMade, FrameSeen, Recording, StepBegun
from lab.record.expectation import Expected
from lab.record.results import Outcome, Result
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints, decode

_AT_ONCE = 24
_MOST_MUTATIONS, _MOST_RECENT = 120, 80
"""At most so many mutations are tried on a check; at most so many of them alter a reading shortly before the check."""
_EARLIER_READINGS = 4
"""Number of readings from before the previous check that are tried, too."""
_AFTER = attrgetter("after")

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
_FIRST, _LAST = slice(None, 3), slice(-4, None)
_BY_KIND: dict[CheckKind, tuple[tuple[str, slice, tuple[str, ...]], ...]] = {
    CheckKind.DEVIATION: (("frame", _LAST, ("a TSecr of zero", "the whole window")),),
    CheckKind.NOTHING_LEFT: (("frame", _LAST, ("twice",)),),
    # The readings behind two compared values are unknown: try numbers, clocks, ports, counters of the whole scenario.
    CheckKind.VALUE: (
        ("counter", _LAST, ("ever more",)),
        ("frame", _LAST, (A_CONSTANT, "from another port", "the time since the start as TSval")),
        ("frame", _FIRST, (A_CLOCK,)),
        ("frame", slice(-16, None), ("seq far off",)),
    ),
}
"""Further mutations by kind of check: kind of readings, which of them, and names of mutations."""
_FIRST_TRIED = frozenset({CheckKind.DEVIATION, CheckKind.NOTHING_LEFT})
"""Kinds of check for which the mutations of `_BY_KIND` are tried first; for others they are tried last."""
_SILENCES = frozenset({CheckKind.SILENCE, CheckKind.NOTHING_LEFT})
_BACK_TO = {name: back for back, name in enumerate(MUTATIONS["fence"])}
_NEAREST = 8
"""Number of connections, nearest to that of the check, on which an extra segment is tried."""


class WhichCheck(NamedTuple):
    """Identity of a check, the same in every run of its scenario."""

    ordinal: int
    """Index among the scenario's checks."""
    subject: str
    line: int
    """Line of the scenario file; 0 for checks at the scenario's end."""


class Target(NamedTuple):
    """A check of a scenario, and the mutations to try on it."""

    scenario: str
    family: int
    check: WhichCheck
    claims: tuple[str, ...]
    """Claims that its step names."""
    mutations: tuple[Mutation, ...]


class Survey(NamedTuple):
    """Result of a scenario without any mutation, and the readings whose mutation each check could catch."""

    result: Result
    targets: list[Target]
    shapes: dict[str, Position]
    """Kinds of the kernel's segments (flags, options, data, retransmission), and the position of the first of each."""


class Tried(NamedTuple):
    """Result for a check; `killed_by` is the mutation that made it fail."""

    target: Target
    killed_by: Mutation | None


def survey(runner: Runner, scenario: Runnable, family: int) -> Survey:
    """Run a scenario without mutation, and list the mutations to try on each of its checks."""
    mutant = Mutant()
    result = runner.run(scenario, family, mutant)
    targets = []
    if result.outcome is Outcome.PASS and result.recording is not None:
        targets = list(_targets(scenario, family, result.recording, mutant.readings))
    return Survey(result, targets, _shapes(mutant.readings))


def attack(runner: Runner, scenario: Runnable, targets: Sequence[Target]) -> list[Tried]:
    """Try the mutations of each check until it fails.

    For checks that never fail the scenario is surveyed again: on a busy machine the first survey can have an extra
    retransmission, so that mutations were applied to other readings than the intended ones.
    """
    tried = _try_all(runner, scenario, targets)
    survivors = {each.target.check.ordinal for each in tried if each.killed_by is None}
    if not survivors:
        return tried
    anew = survey(runner, scenario, targets[0].family).targets
    second = _try_all(runner, scenario, [target for target in anew if target.check.ordinal in survivors])
    found = {each.target.check.ordinal: each for each in second}
    return [found.get(each.target.check.ordinal, each) for each in tried]


def _try_all(runner: Runner, scenario: Runnable, targets: Sequence[Target]) -> list[Tried]:
    """Try one mutation for each check, then two for each that has not failed, then four: runs mostly wait.

    A mutation that makes another check fail counts for that check.
    """
    noticed: dict[Mutation, WhichCheck | None] = {}
    killed: dict[WhichCheck, Mutation] = {}
    left, done, width = list(targets), 0, 1
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while left:
            mutations = [mutation for target in left for mutation in target.mutations[done : done + width]]
            mutations = [mutation for mutation in dict.fromkeys(mutations) if mutation not in noticed]
            checks = pool.map(lambda mutation: _failing_check(runner, scenario, targets[0].family, mutation), mutations)
            noticed.update(zip(mutations, checks, strict=True))
            killed |= {by: mutation for mutation in reversed(mutations) if (by := noticed[mutation])}
            done, width = done + width, width * 2
            left = [target for target in left if target.check not in killed and len(target.mutations) > done]
    return [Tried(target, killed.get(target.check)) for target in targets]


def attack_rules(runner: Runner, scenario: Runnable, family: int, frame: Position) -> dict[str, str]:
    """Try each mutation of one frame. Returns the standing rules broken, each with the first mutation that broke it."""
    mutations = [Mutation("frame", frame, name) for name in MUTATIONS["frame"]]
    broken: dict[str, str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        broken_by = pool.map(lambda mutation: _broken_by(runner, scenario, family, mutation), mutations)
        for mutation, rules in zip(mutations, broken_by, strict=True):
            for rule in rules:
                broken.setdefault(rule, f"{mutation} in {scenario.id}")
    return broken


def _shapes(readings: list[Reading]) -> dict[str, Position]:
    shapes: dict[str, Position] = {}
    sent: set[tuple[Endpoints, Seq, bytes]] = set()
    for reading in readings:
        received = decode(reading.value[0].data) if reading.kind == "frame" else None  # type: ignore[index]
        if received is not None:
            ends, segment = received
            names = ",".join(str(name) for name, _ in segment.options)
            text = (ends, segment.seq, segment.payload)
            kind = ("" if text not in sent else " again") + " text" if segment.payload else ""
            shapes.setdefault(f"{segment.letters} <{names}>{kind}", reading.position)
            sent.add(text)
    return shapes


def _broken_by(runner: Runner, scenario: Runnable, family: int, mutation: Mutation) -> set[str]:
    result = runner.run(scenario, family, Mutant(mutation, judged=True), tries=1)
    difference = result.difference
    if difference is None or difference.kind is not CheckKind.RULE:
        return set()
    return {row.field for row in difference.rows}


def _failing_check(runner: Runner, scenario: Runnable, family: int, mutation: Mutation) -> WhichCheck | None:
    """The check that fails with this mutation, None if none does."""
    result = runner.run(scenario, family, Mutant(mutation), tries=1)
    failed = result.difference
    if failed is None or result.recording is None:
        return None
    return WhichCheck(len(result.recording.checks) - 1, failed.subject, _line(failed))


def _targets(scenario: Runnable, family: int, recording: Recording, readings: list[Reading]) -> Iterator[Target]:
    claims: tuple[str, ...] = ()
    ordinal = began = begun = 0
    for at, event in enumerate(recording.events):
        if isinstance(event, StepBegun):
            claims = event.claims
        elif isinstance(event, FrameSeen):
            begun = max(begun, (event.connection or 0) + 1)
        elif isinstance(event, CheckMade):
            candidates = dict.fromkeys(_candidates(event, began, at, readings, ordinal, begun))
            mutations = tuple(islice(candidates, _MOST_MUTATIONS))
            yield Target(scenario.id, family, WhichCheck(ordinal, event.subject, _line(event)), claims, mutations)
            ordinal, began = ordinal + 1, at


def _candidates(
    check: CheckMade, began: int, at: int, readings: list[Reading], turn: int, connections: int
) -> Iterator[Mutation]:
    """Mutations to try on a check, most promising first.

    `turn` is the index of the check: it decides which field is altered first. `connections` is the number of
    connections that exist at this check.
    """
    first, end, end_frame = (
        bisect_left(readings, event, key=_AFTER) for event in (began, at + 1, (check.frame or 0) + 1)
    )
    if check.expected is not None and check.frame is not None:
        compared = next(each for each in _backwards(readings, end_frame) if each.kind == "frame")
        yield from _mutations_of(compared, _names_for(check.expected, turn))
    if check.kind in _SILENCES and check.connection is not None:
        fences = (each for each in _backwards(readings, end) if each.kind == "fence")
        later = connections - 1 - check.connection
        nearest = sorted(MUTATIONS["fence"], key=lambda name: abs(_BACK_TO[name] - later))[:_NEAREST]
        yield from (each for fence in islice(fences, 3) for each in _mutations_of(fence, nearest))
    by_kind = list(_by_kind(check.kind, readings[:end]))
    if check.kind in _FIRST_TRIED:
        yield from by_kind
    # A comparison of two values can depend on much earlier readings.
    recent: dict[str, list[Mutation]] = {}
    for reading in _in_turn(readings, first, end):
        recent.setdefault(reading.kind, []).extend(_mutations_of(reading))
    yield from islice((each for turn in zip_longest(*recent.values()) for each in turn if each), _MOST_RECENT)
    yield from by_kind


def _by_kind(kind: CheckKind, readings: list[Reading]) -> Iterator[Mutation]:
    for of_kind, which, names in _BY_KIND.get(kind, ()):
        telling = [each for each in readings if each.kind == of_kind][which]
        yield from (each for reading in reversed(telling) for each in _mutations_of(reading, names))


def _in_turn(readings: list[Reading], first: int, end: int) -> Iterator[Reading]:
    """Readings since the last check: last, first (their number can vary), the others; then some earlier ones."""
    recent = islice(_backwards(readings, end), min(end - first, _MOST_MUTATIONS))
    yield from islice(recent, 1)
    yield from readings[first : min(first + 1, end)]
    yield from recent
    yield from islice(_backwards(readings, first), _EARLIER_READINGS)


def _backwards(readings: list[Reading], end: int) -> Iterator[Reading]:
    return (readings[at] for at in range(end - 1, -1, -1))


def _mutations_of(reading: Reading, names: Iterable[str] | None = None) -> Iterator[Mutation]:
    """Mutations of a reading: those named, else all; for a fence only the one on the last used connection."""
    known = islice(MUTATIONS[reading.kind], 1 if reading.kind == "fence" else None)
    return (Mutation(reading.kind, reading.position, name) for name in names or known)


def _names_for(expected: Expected, turn: int) -> list[str]:
    fields = ["flags", *(name for name in _OF_FIELDS if name != "flags" and getattr(expected, name) is not None)]
    names = [name for field in fields for name in _OF_FIELDS[field]]
    first = turn % len(names)
    return [*names[first:], *names[:first], *_OF_ANY_SEGMENT]


def _line(check: CheckMade) -> int:
    return check.where.line if check.where is not None else 0
