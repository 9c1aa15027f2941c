"""Does every check look? Scenarios run again and again with a kernel that lies once, until each check has turned red.

A first run keeps account of what the kernel told between one check and the next. Then, check by check, one of those
readings is changed in one thing (`lies`), and the same check has to fail: not an earlier one, and not a standing rule,
which do not judge meanwhile. The rules have their own turn.
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
from lab.mutate.mutant import Liar, Lie, Reading, Spot
from lab.mutate.mutations import A_CLOCK, A_CONSTANT, LASTING, LIES
from lab.record.events import CheckMade, FrameSeen, Recording, StepBegun
from lab.record.expectation import Expected
from lab.record.results import Outcome, Result
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints, decode

_AT_ONCE = 24
_MOST_LIES = 60
_HEARD_BEFORE = 4
"""How many readings of before the last check are tried, too."""
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
_TELLING: tuple[tuple[str, str, slice, tuple[str, ...]], ...] = (
    ("numbers passed", "frame", slice(-16, None), ("seq far off",)),
    ("all of them near", "frame", _FIRST, (A_CLOCK,)),
    ("widest gap", "frame", _FIRST, (A_CLOCK,)),
    ("different numbers", "frame", _LAST, (A_CONSTANT,)),
    ("nothing until the end", "frame", _LAST, ("twice",)),
    ("from the port", "frame", _LAST, ("from another port",)),
    ("the port that", "frame", _LAST, ("from another port",)),
    ("documented deviation", "frame", _LAST, ("a TSecr of zero", "the whole window")),
    ("TSval is the time", "frame", _LAST, ("the time since the start as TSval",)),
    ("delayed ACKs", "counter", _LAST, ("ever more",)),
)
"""What to try on a check whose subject begins so: which readings of which kind, and which lies."""
_SILENCES = ("silence", "nothing else was sent")
_BACK_TO = {name: back for back, name in enumerate(LIES["fence"])}
_NEAREST = 8
"""One segment more is tried on the connection of such a check, and on so many that spoke before and after it."""


class WhichCheck(NamedTuple):
    """One check of a scenario, by what is the same in every run."""

    ordinal: int
    """Which of the scenario's checks it is."""
    subject: str
    line: int
    """Of the scenario file; 0 at the scenario's end."""


class Target(NamedTuple):
    """One check of one scenario, and the lies that it is meant to see."""

    scenario: str
    family: int
    check: WhichCheck
    claims: tuple[str, ...]
    """Those that its step names."""
    lies: tuple[Lie, ...]


class Survey(NamedTuple):
    """A scenario as it goes when nobody lies."""

    result: Result
    targets: list[Target]
    shapes: dict[str, Spot]
    """Which kinds of segments the kernel sends (flags, options, text, the first time or again); the first of each."""


class Tried(NamedTuple):
    """What became of a check."""

    target: Target
    killed_by: Lie | None


def survey(runner: Runner, scenario: Runnable, family: int) -> Survey:
    """Run a scenario once, and find out what each of its checks may rest on."""
    liar = Liar()
    result = runner.run(scenario, family, liar)
    targets = []
    if result.outcome is Outcome.PASS and result.recording is not None:
        targets = list(_targets(scenario, family, result.recording, liar.readings))
    return Survey(result, targets, _shapes(liar.readings))


def attack(runner: Runner, scenario: Runnable, targets: Sequence[Target]) -> list[Tried]:
    """Lie to each check until it notices.

    Where a check does not, the account of what the kernel told is made anew: on a busy machine the first one may have
    had a retransmission more, and then each lie was about another reading than the one that was meant.
    """
    tried = _lie_to_all(runner, scenario, targets)
    survivors = {each.target.check.ordinal for each in tried if each.killed_by is None}
    if not survivors:
        return tried
    anew = survey(runner, scenario, targets[0].family).targets
    second = _lie_to_all(runner, scenario, [target for target in anew if target.check.ordinal in survivors])
    found = {each.target.check.ordinal: each for each in second}
    return [found.get(each.target.check.ordinal, each) for each in tried]


def _lie_to_all(runner: Runner, scenario: Runnable, targets: Sequence[Target]) -> list[Tried]:
    """One lie to each check; then to each that has not noticed two more at a time, then four: most of it is waiting.

    What another check noticed first counts for that one.
    """
    noticed: dict[Lie, WhichCheck | None] = {}
    killed: dict[WhichCheck, Lie] = {}
    left, done, width = list(targets), 0, 1
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while left:
            lies = [lie for target in left for lie in target.lies[done : done + width]]
            lies = [lie for lie in dict.fromkeys(lies) if lie not in noticed]
            noticed.update(
                zip(lies, pool.map(lambda lie: _noticed(runner, scenario, targets[0].family, lie), lies), strict=True)
            )
            killed |= {by: lie for lie in reversed(lies) if (by := noticed[lie])}
            done, width = done + width, width * 2
            left = [target for target in left if target.check not in killed and len(target.lies) > done]
    return [Tried(target, killed.get(target.check)) for target in targets]


def attack_rules(runner: Runner, scenario: Runnable, family: int, frame: Spot) -> dict[str, str]:
    """Tell each lie about this frame of a scenario, with the standing rules as judges; what broke which."""
    lies = [Lie("frame", frame, name) for name in LIES["frame"]]
    broken: dict[str, str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for lie, rules in zip(lies, pool.map(lambda lie: _broken_by(runner, scenario, family, lie), lies), strict=True):
            for rule in rules:
                broken.setdefault(rule, f"{lie} in {scenario.id}")
    return broken


def _shapes(readings: list[Reading]) -> dict[str, Spot]:
    shapes: dict[str, Spot] = {}
    sent: set[tuple[Endpoints, Seq, bytes]] = set()
    for reading in readings:
        received = decode(reading.value[0].data) if reading.kind == "frame" else None  # type: ignore[index]
        if received is not None:
            ends, segment = received
            names = ",".join(str(name) for name, _ in segment.options)
            text = (ends, segment.seq, segment.payload)
            kind = ("" if text not in sent else " again") + " text" if segment.payload else ""
            shapes.setdefault(f"{segment.letters} <{names}>{kind}", reading.spot)
            sent.add(text)
    return shapes


def _broken_by(runner: Runner, scenario: Runnable, family: int, lie: Lie) -> set[str]:
    result = runner.run(scenario, family, _liar(lie, judged=True))
    difference = result.difference
    if difference is None or not difference.subject.startswith("standing rule"):
        return set()
    return {row.field for row in difference.rows}


def _noticed(runner: Runner, scenario: Runnable, family: int, lie: Lie) -> WhichCheck | None:
    """The check that fails when the lie is told."""
    result = runner.run(scenario, family, _liar(lie))
    failed = result.difference
    if failed is None or result.recording is None:
        return None
    return WhichCheck(len(result.recording.checks) - 1, failed.subject, _line(failed))


def _liar(lie: Lie, *, judged: bool = False) -> Liar:
    lasting = not LASTING.isdisjoint({lie.kind, lie.name})
    return Liar(LIES[lie.kind][lie.name], lie.kind, lie.spot, lasting=lasting, judged=judged)


def _targets(scenario: Runnable, family: int, recording: Recording, readings: list[Reading]) -> Iterator[Target]:
    claims: tuple[str, ...] = ()
    ordinal = began = begun = 0
    for at, event in enumerate(recording.events):
        if isinstance(event, StepBegun):
            claims = event.claims
        elif isinstance(event, FrameSeen):
            begun = max(begun, (event.connection or 0) + 1)
        elif isinstance(event, CheckMade):
            lies = tuple(dict.fromkeys(islice(_lies_for(event, began, at, readings, ordinal, begun), 2 * _MOST_LIES)))
            lies = lies[:_MOST_LIES]
            yield Target(scenario.id, family, WhichCheck(ordinal, event.subject, _line(event)), claims, lies)
            ordinal, began = ordinal + 1, at


def _lies_for(
    check: CheckMade, began: int, at: int, readings: list[Reading], turn: int, connections: int
) -> Iterator[Lie]:
    """What to try on a check, the most telling first; `turn` makes that another field from check to check.

    So many `connections` had begun by then.
    """
    first, end, end_meant = (
        bisect_left(readings, event, key=_AFTER) for event in (began, at + 1, (check.frame or 0) + 1)
    )
    if check.expected is not None and check.frame is not None:
        meant = next(each for each in _backwards(readings, end_meant) if each.kind == "frame")
        yield from _told_of(meant, _names_for(check.expected, turn))
    if check.subject in _SILENCES and check.connection is not None:
        fences = (each for each in _backwards(readings, end) if each.kind == "fence")
        later = connections - 1 - check.connection
        nearest = sorted(LIES["fence"], key=lambda name: abs(_BACK_TO[name] - later))[:_NEAREST]
        yield from (lie for fence in islice(fences, 3) for lie in _told_of(fence, nearest))
    for subject, kind, which, names in _TELLING:
        if check.subject.startswith(subject):
            telling = [each for each in readings[:end] if each.kind == kind][which]
            yield from (lie for reading in reversed(telling) for lie in _told_of(reading, names))
    # A comparison of two values may rest on what was heard long before.
    by_kind: dict[str, list[Lie]] = {}
    for reading in _in_turn(readings, first, end):
        by_kind.setdefault(reading.kind, []).extend(_told_of(reading))
    yield from (lie for turn in zip_longest(*by_kind.values()) for lie in turn if lie)


def _in_turn(readings: list[Reading], first: int, end: int) -> Iterator[Reading]:
    """Those since the last check: the last, the first (how many there are may vary), the rest; then a few before."""
    recent = islice(_backwards(readings, end), min(end - first, _MOST_LIES))
    yield from islice(recent, 1)
    yield from readings[first : min(first + 1, end)]
    yield from recent
    yield from islice(_backwards(readings, first), _HEARD_BEFORE)


def _backwards(readings: list[Reading], end: int) -> Iterator[Reading]:
    return (readings[at] for at in range(end - 1, -1, -1))


def _told_of(reading: Reading, names: Iterable[str] | None = None) -> Iterator[Lie]:
    """The lies about one reading, all that there are unless they are named."""
    return (Lie(reading.kind, reading.spot, name) for name in names or LIES[reading.kind])


def _names_for(expected: Expected, turn: int) -> list[str]:
    fields = ["flags", *(name for name in _OF_FIELDS if name != "flags" and getattr(expected, name) is not None)]
    names = [name for field in fields for name in _OF_FIELDS[field]]
    first = turn % len(names)
    return [*names[first:], *names[:first], *_OF_ANY_SEGMENT]


def _line(check: CheckMade) -> int:
    return check.where.line if check.where is not None else 0
