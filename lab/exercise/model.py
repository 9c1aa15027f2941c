"""An exercise as data, on top of a scenario function in the author's words.

The learner answers questions before a run (predict) and after it (investigate). A second round changes one number
(modify). The true answer is read from the recording of the run; what the author knows is checked in the scenario, so a
kernel that behaves differently is told apart from a wrong prediction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lab.claims.catalogue import Text
from lab.record.events import Recording

if TYPE_CHECKING:
    from lab.author.lab import Lab

HINTS = 3


class Seen(NamedTuple):
    """A true answer, and the index of the event in the recording that shows it."""

    value: object
    event: int


Reading = Callable[[Recording], Seen | None]
"""Reads a true answer; None if the recording does not show what is asked.

It may have an attribute `field`, which says what of a segment it reads: a key of `readings.FIELDS`, or `readings.TIME`.
"""


class Numbers(Mapping[str, int]):
    """The learner's own numbers by name: `own.x`, `own["x"]`."""

    def __init__(self, values: Mapping[str, int]) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> int:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"the exercise draws no number {name!r}")
        return self._values[name]

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Learner:
    """Whose numbers an exercise has. Both may be empty."""

    student: str = ""
    token: str = ""
    """The token of the class, which the teacher hands out before the work."""

    def but(self, student: str | None, token: str | None) -> Learner:
        """This learner with another id or token; None keeps what it is."""
        return Learner(self.student if student is None else student, self.token if token is None else token)


class Kind(Protocol):
    """Kind of an answer: how it is typed, and how it is shown."""

    @property
    def how(self) -> str:
        """Key of the text in `words.toml` that says how it is typed."""

    @property
    def options(self) -> Sequence[Text]:
        """The answers to choose from; empty for other kinds."""

    def parse(self, typed: str, own: Numbers) -> object:
        """The value of a typed answer. Raises NotUnderstood for anything that is no answer of this kind."""

    def show(self, value: object) -> str:
        """The value in a notation that `parse` understands."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and what is known of its answers."""

    id: str
    """Unique in its exercise; `--answers` files use it."""
    text: Text
    kind: Kind
    seen: Reading
    """Reads the true answer from the recording of the run."""
    known: Callable[[Numbers], object]
    """The answer that the kernel is known to give."""
    why: Text
    """Reason for the answer, with the section of the documents."""
    wrong: Mapping[str, Callable[[Numbers], object]] = field(default_factory=dict)
    """Typical wrong answers by the id of their misconception in `misconceptions.toml`."""


@dataclass(frozen=True, slots=True)
class Round:
    """One run of the kernel, with the questions before and after it."""

    text: Text
    """What is about to happen. `{name}` is replaced by the learner's number of this name."""
    predict: tuple[Question, ...]
    investigate: tuple[Question, ...] = ()
    """Questions about the segments of this run."""
    change: Mapping[str, int] = field(default_factory=dict)
    """Numbers that differ from those of the first round: the knob that a second round turns."""
    hint: Text | None = None
    """For a second round, to which the hints of the exercise do not lead."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions of the round."""
        return self.predict + self.investigate


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise; its file has it under the name EXERCISE."""

    id: str
    title: Text
    goal: Text
    """What the learner can do afterwards."""
    minutes: int
    section: str
    """Sections of the documents."""
    article: str
    """Section of the article."""
    run: Callable[[Lab, Numbers], None]
    """The scenario, with the learner's numbers."""
    rounds: tuple[Round, ...]
    hints: tuple[Text, Text, Text]
    """From a direction to almost the answer."""
    learned: Text
    """Summary in one or two sentences."""
    draw: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """The learner's numbers: from each sequence one is chosen."""
    derive: Mapping[str, Callable[[Numbers], int]] = field(default_factory=dict)
    """Further numbers, computed from these."""
    version: int = 1
    """Raise it when old answers no longer fit the questions."""
    families: tuple[int, ...] = (4, 6)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    waits: bool = False
    """It waits for timers of the kernel."""
    router: bool = False
    """A router is between the kernel and the learner's side: `lab.router`."""
    mystery: bool = False
    """The run comes first: the learner gets its packets without the states, and says what happened."""
    file: Path | None = None
    """The file that a command line has named; None for an exercise of the lab. Set when it is loaded."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions in order."""
        return tuple(question for each in self.rounds for question in each.questions)

    def numbers(self, learner: Learner, attempt: int = 1) -> Numbers:
        """The numbers of a learner for this attempt: the same ones each time, and others for everybody else."""
        return Numbers({name: _choose(values, self.id, learner, attempt, name) for name, values in self.draw.items()})

    def numbers_of(self, round_: Round, own: Numbers, family: int = 4) -> Numbers:
        """The numbers of a round over an address family, which is the number `family`: 4 or 6."""
        drawn = Numbers({**own, "family": family, **round_.change})
        return Numbers({**drawn, **{name: compute(drawn) for name, compute in self.derive.items()}})


def _choose(values: Sequence[int], exercise: str, learner: Learner, attempt: int, name: str) -> int:
    key = "\0".join((learner.token, learner.student, exercise, str(attempt), name))
    return values[int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()) % len(values)]
