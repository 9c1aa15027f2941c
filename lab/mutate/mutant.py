"""A kernel that lies: one thing that the lab hears from it is not as it was.

Everything that the lab learns of the kernel passes here as a reading: frames, look-ups, results of system calls,
counters. They are numbered by kind from check to check, so that a second run of the same scenario can be told another
value at the same place. That a check turns red then is what shows that it looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from lab.host.inet_diag import StateLookup
from lab.mutate.mutations import LIES
from lab.record.events import CheckMade
from lab.record.kernel_state import KernelState
from lab.session.patience import DEADLINE_S, OF_A_LIAR_S
from lab.tcp.state import State
from lab.wire.faults import carries_tcp
from lab.wire.link import Frame, Link, receive_all, send_all

T = TypeVar("T")


class Spot(NamedTuple):
    """Where in a scenario something is told: from check to check, as what comes between two of them may vary."""

    check: int
    """How many checks were made before."""
    number: int
    """How many readings of its kind have come since the last of them."""


class Reading(NamedTuple):
    """Something that the kernel has told."""

    kind: str
    """A key of `lies.LIES`."""
    spot: Spot
    after: int
    """How many events the recording had by then."""
    value: object


class Lie(NamedTuple):
    """What the kernel tells instead at one place: `name` is a key of `lies.LIES[kind]`."""

    kind: str
    spot: Spot
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind} {self.spot.number + 1} before check {self.spot.check + 1})"


@dataclass(slots=True)
class Liar:
    """Passes on what the kernel tells, except from one place on; without a lie it only keeps account."""

    change: Callable[[Any], Any] | None = None
    kind: str = ""
    spot: Spot | None = None
    lasting: bool = False
    """It sticks to its lie."""
    judged: bool = False
    """The standing rules judge what it says; otherwise every check has to see for itself."""
    told: bool = False
    """The lie has been told."""
    readings: list[Reading] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    """Those of the recording; set when there is one."""
    _counted: int = 0
    """So many of the events were looked at for checks."""
    _checks: int = 0
    _since: Counter[str] = field(default_factory=Counter)

    def patience(self, within: float) -> float:
        """What the lie takes away does not come; what a timer brings is waited for as long as its author says."""
        return within if self.change is None or within != DEADLINE_S else OF_A_LIAR_S

    def hear(self, kind: str, value: T) -> T:
        """What the lab gets to hear of this value."""
        spot = self._spot(kind)
        if self.change is None:
            self.readings.append(Reading(kind, spot, len(self.events), value))
        elif kind == self.kind and self.spot and (spot == self.spot or (spot > self.spot and self.lasting)):
            self.told = True
            value = self.change(value)
        return value

    def _spot(self, kind: str) -> Spot:
        checks = sum(isinstance(event, CheckMade) for event in self.events[self._counted :])
        self._counted = len(self.events)
        if checks:
            self._checks += checks
            self._since.clear()
        self._since[kind] += 1
        return Spot(self._checks, self._since[kind] - 1)


class LyingLink:
    """A link whose received frames, TCP's alone, pass by a liar; and which a liar can make deliver one more."""

    def __init__(self, link: Link, liar: Liar) -> None:
        self._link = link
        self._liar = liar
        self._waiting: list[Frame] = []
        self._sent: dict[bytes, bytes] = {}
        """The last frame sent on each connection, the one spoken on last at the end.

        Where none was sent yet, what would be answered by something like what was heard there.
        """

    def send(self, data: bytes) -> int:
        """Send a frame as it is. One that is not TCP is a fence: a liar may say something before the answer."""
        if carries_tcp(data):
            self._sent.pop(_ends(data), None)
            self._sent[_ends(data)] = data
            return self._link.send(data)
        back = self._liar.hear("fence", 0)
        time_ns = self._link.send(data)
        if 0 < back <= len(self._sent):
            self._waiting.append(Frame(time_ns, _answer_to(list(self._sent.values())[-back])))
        return time_ns

    def send_all(self, frames: Sequence[bytes]) -> int:
        """Send frames of TCP as they are."""
        self._sent[_MANY] = frames[-1]
        return send_all(self._link, frames)

    def receive_all(self, deadline_ns: int) -> list[Frame]:
        """The next frames that the kernel says it has sent."""
        heard, self._waiting = self._waiting, []
        while not heard:
            frames = receive_all(self._link, deadline_ns)
            if not frames:
                return []
            for frame in frames:
                heard += self._liar.hear("frame", [frame]) if carries_tcp(frame.data) else [frame]
        return heard

    def receive(self, deadline_ns: int) -> Frame | None:
        """The next frame that the kernel says it has sent."""
        while not self._waiting:
            frame = self._link.receive(deadline_ns)
            if frame is None:
                return None
            if not carries_tcp(frame.data):
                return frame
            question = _answer_to(_WITH_ACK_OR_NOT([frame])[0].data)
            self._sent.setdefault(_ends(question), question)
            self._waiting = list(self._liar.hear("frame", [frame]))
        return self._waiting.pop(0)

    def close(self) -> None:
        """Close the link underneath."""
        self._link.close()


class LyingLookup:
    """inet_diag's answers by way of a liar."""

    def __init__(self, lookup: StateLookup, liar: Liar) -> None:
        self._lookup = lookup
        self._liar = liar

    def of(self, family: int, local: str, local_port: int, remote: str, remote_port: int) -> KernelState:
        """See `StateLookup.of`."""
        return self._liar.hear("look", self._lookup.of(family, local, local_port, remote, remote_port))

    def ask(self, request: bytes) -> KernelState:
        """See `StateLookup.ask`."""
        return self._liar.hear("look", self._lookup.ask(request))

    def tcp_info(self, request: bytes) -> dict[str, int]:
        """See `StateLookup.tcp_info`."""
        return self._liar.hear("info", self._lookup.tcp_info(request))

    def all_in(self, family: int, *states: State) -> list[Any]:
        """See `StateLookup.all_in`."""
        return self._liar.hear("count", list(self._lookup.all_in(family, *states)))

    def close(self) -> None:
        """See `StateLookup.close`."""
        self._lookup.close()


_MANY = b"the last of many"
_ADDRESSES_AT = {b"\x86\xdd": 22, b"\x08\x00": 26}


_WITH_ACK_OR_NOT = LIES["frame"]["without ACK, or with it"]


def _ends(frame: bytes) -> bytes:
    return frame[_ADDRESSES_AT[frame[12:14]] : _ports_at(frame) + 4]


def _ports_at(frame: bytes) -> int:
    return 54 if frame[12:14] == b"\x86\xdd" else 14 + (frame[14] & 15) * 4


def _answer_to(frame: bytes) -> bytes:
    """The same frame back: addresses and ports change places, which leaves every checksum right."""
    at, ports = _ADDRESSES_AT[frame[12:14]], _ports_at(frame)
    size = 16 if frame[12:14] == b"\x86\xdd" else 4
    return (
        frame[6:12] + frame[:6] + frame[12:at]
        + frame[at + size : at + 2 * size] + frame[at : at + size] + frame[at + 2 * size : ports]
        + frame[ports + 2 : ports + 4] + frame[ports : ports + 2] + frame[ports + 4 :]
    )  # fmt: skip
