"""Every way in which a wire can treat two endpoints, up to a number of faults: exhaustive, on a virtual clock.

A world is two endpoints, what is on its way between them, and what their users still want to do. Its next moves are
all that could happen: a segment arrives, in the order of sending or (a fault) before an older one, is lost or doubled
(faults), a user acts, a timer runs out (a fault while something is on its way, since that has then been late). Worlds
that were met before are not explored again, but every way to reach them counts as a schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import NamedTuple

from lab.tcp.diagram import CLOSE_WAIT, ESTABLISHED
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.input import segment_arrives
from lab.tcp.output import segments_owed
from lab.tcp.segment import Segment
from lab.tcp.state import State

MAX_DEPTH = 400
OPEN = (ESTABLISHED, CLOSE_WAIT)
Action = tuple[str, bytes]
"""("send", text) or ("close", b""): what a user does once the connection is open."""


class OnItsWay(NamedTuple):
    """A segment between the endpoints."""

    to: int
    """0 for the left endpoint, 1 for the right one."""
    segment: Segment


class World:
    """One moment of a conversation."""

    __slots__ = ("ends", "faults", "got", "now", "plans", "wire")

    def __init__(self, ends: tuple[Endpoint, Endpoint], plans: tuple[tuple[Action, ...], ...], faults: int) -> None:
        self.ends, self.plans, self.faults = ends, plans, faults
        self.now = 0.0
        self.wire: tuple[OnItsWay, ...] = ()
        self.got = (b"", b"")
        """What the users have read."""

    def copy(self) -> World:
        """A world that can go another way."""
        twin = World((_copy(self.ends[0]), _copy(self.ends[1])), self.plans, self.faults)
        twin.now, twin.wire, twin.got = self.now, self.wire, self.got
        return twin

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for worlds that have the same future."""
        return (*(print_of(end, self.now) for end in self.ends), self.plans, self.faults, self.wire, self.got)

    def settle(self) -> None:
        """Let out what is owed, and let the users read."""
        for number, end in enumerate(self.ends):
            self.wire += tuple(OnItsWay(1 - number, segment) for segment in segments_owed(end, self.now))
        self.got = (self.got[0] + self.ends[0].read(), self.got[1] + self.ends[1].read())


class Explorer:
    """Walks through all worlds; `check` looks at each of them, and is told whether anything is left to happen."""

    def __init__(self, check: Callable[[World, bool], None]) -> None:
        self._check = check
        self._schedules: dict[tuple[object, ...], int] = {}
        self.ends: set[tuple[State, State]] = set()

    @property
    def worlds(self) -> int:
        """How many different ones there were."""
        return len(self._schedules)

    def explore(self, world: World, depth: int = 0) -> int:
        """The number of schedules that begin here."""
        assert depth < MAX_DEPTH, f"no end in sight: {told(world)}"
        key = world.key
        known = self._schedules.get(key)
        if known is not None:
            return known
        count = 0
        for child in _moves(world):
            child.settle()
            count += self.explore(child, depth + 1)
        self._check(world, not count)
        if not count:
            self.ends.add((world.ends[0].state, world.ends[1].state))
            count = 1
        self._schedules[key] = count
        return count


def begin(
    left: Config, right: Config, plans: tuple[tuple[Action, ...], ...], faults: int, *, both_open: bool = False
) -> World:
    """A connection that the left side opens, to a listener or to a side that opens as well."""
    world = World((Endpoint(left), Endpoint(right)), plans, faults)
    if both_open:
        world.ends[1].connect(0.0)
    else:
        world.ends[1].listen()
    world.ends[0].connect(0.0)
    world.settle()
    return world


def _moves(world: World) -> Iterator[World]:
    """Everything that can happen next."""
    for at, (to, segment) in enumerate(world.wire):
        if segment in [each.segment for each in world.wire[:at] if each.to == to]:
            continue  # its twin
        overtakes = any(each.to == to for each in world.wire[:at])
        if overtakes <= world.faults:
            yield _arrives(world, at, overtakes)
        if world.faults:
            yield _is_lost(world, at)
            yield _is_doubled(world, at)
    for number in (0, 1):
        if world.plans[number] and world.ends[number].state in OPEN:
            yield _acts(world, number)
    child = _time_passes(world)
    if child is not None:
        yield child


def _arrives(world: World, at: int, fault: int) -> World:
    child = world.copy()
    to, segment = world.wire[at]
    child.wire = world.wire[:at] + world.wire[at + 1 :]
    child.faults -= fault
    segment_arrives(child.ends[to], segment, child.now)
    return child


def _is_lost(world: World, at: int) -> World:
    child = world.copy()
    child.wire = world.wire[:at] + world.wire[at + 1 :]
    child.faults -= 1
    return child


def _is_doubled(world: World, at: int) -> World:
    child = world.copy()
    child.wire = (*world.wire, world.wire[at])
    child.faults -= 1
    return child


def _acts(world: World, number: int) -> World:
    child = world.copy()
    (what, text), *later = world.plans[number]
    end = child.ends[number]
    if what == "send":
        end.send(text, child.now)
    else:
        end.close(child.now)
    child.plans = (tuple(later), world.plans[1]) if number == 0 else (world.plans[0], tuple(later))
    return child


def _time_passes(world: World) -> World | None:
    """The next timer runs out. Nothing is on its way for longer than an MSL, so TIME-WAIT outlasts it."""
    waiting = [end for end in world.ends if end.next_timeout() is not None]
    if world.wire:
        waiting = [end for end in waiting if end.time_wait_until is None] if world.faults else []
    if not waiting:
        return None
    child = world.copy()
    child.faults -= bool(world.wire)
    child.now = max(world.now, min(end.next_timeout() or 0.0 for end in waiting))
    for end in child.ends:
        if end.time_wait_until is None or not world.wire:
            end.handle_timeout(child.now)
    return child


def _copy(end: Endpoint) -> Endpoint:
    twin = copy(end)
    twin.walked, twin.replies, twin.ahead = end.walked[-1:], end.replies[:], end.ahead[:]
    twin.outgoing, twin.received = end.outgoing[:], end.received[:]
    twin.unacknowledged = [copy(entry) for entry in end.unacknowledged]
    twin.reassembly, twin.rto = copy(end.reassembly), copy(end.rto)
    twin.reassembly.blocks = end.reassembly.blocks[:]
    return twin


def print_of(end: Endpoint, now: float) -> tuple[object, ...]:
    """What decides about an endpoint's future; times count from now."""
    queue = tuple((entry.segment, entry.retransmitted, entry.sent_at - now) for entry in end.unacknowledged)
    rto = end.rto
    return (
        end.state, end.error, end.passive, end.iss, end.snd_una, end.snd_nxt, end.snd_wnd, end.snd_wl1, end.snd_wl2,
        end.max_snd_wnd, end.rcv_nxt, end.rcv_wnd, end.fin_end, end.fin_owed, end.syn_owed, end.ack_owed,
        end.probe_owed, end.retransmission_owed, end.reset_owed, bytes(end.outgoing), queue, tuple(end.replies),
        tuple(end.reassembly.blocks), end.reassembly.fin, rto.value, rto.timeouts, rto.srtt, rto.rttvar,
        None if end.retransmit_at is None else end.retransmit_at - now,
        None if end.time_wait_until is None else end.time_wait_until - now,
    )  # fmt: skip


def told(world: World) -> str:
    """Where a world stands, for a message."""
    states = " / ".join(end.state.value for end in world.ends)
    return f"{states}, on the way {world.wire}, plans {world.plans}, read {world.got}"
