"""Driver: hands the kernel's segments and expired timers to a learner's endpoint, and keeps each step that it did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.exercise.make.sandbox import LearnerProcess, Reply, Trouble
from lab.tcp.flow import Flow
from lab.tcp.rules import Breach, judge
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

TIMER = "handle_timer"
"""The call of an expired timer."""
_LATEST_TIMER_S = 1e6


@dataclass(slots=True)
class Step:
    """One call of the endpoint, and what it did."""

    call: str
    """The method's name: `receive`, `handle_timer`, or a user call."""
    time: float
    """In seconds after the start."""
    before: str
    """The endpoint's state before it."""
    after: str = ""
    arrived: Segment | None = None
    """The kernel's segment, for `receive`."""
    again: bool = False
    """Whether everything in that segment has arrived before."""
    data: bytes = b""
    """For `send`."""
    result: bytes = b""
    """For `read`."""
    sent: Sequence[Segment] = ()
    timer: float | None = None
    """When the endpoint's timer expires after this step, in seconds after the start."""
    breaches: list[Breach] = field(default_factory=list)
    """Standing rules that its segments break."""
    trouble: Trouble | None = None
    """A fault in the learner's code."""
    printed: str = ""


class Driver:
    """An endpoint in a learner's process, as the engine of a peer."""

    def __init__(self, process: LearnerProcess, default_mss: int) -> None:
        """`default_mss`: 536 over IPv4, 1220 over IPv6."""
        self._process = process
        self._began = time.monotonic()
        self._flow = Flow(default_mss)
        self._owed: list[Segment] = []
        self._timer: float | None = None
        self._state = "CLOSED"
        self._newest: Seq | None = None
        """The end of all that has arrived."""
        self.steps: list[Step] = []
        self.is_over = False
        """The rung has ended: nothing is handed over any more."""
        self.has_clock = False
        """Running timers expire. Only where a rung is about them: a busy machine would let others expire."""

    # As an engine.

    def receive(self, segment: Segment, now: float) -> None:
        """Hand over a segment of the kernel."""
        if self.is_over:
            return
        again = bool(segment.length and self._newest is not None and segment.end <= self._newest)
        if segment.length and not again:
            self._newest = segment.end
        self._flow.sent(segment)
        step = Step("receive", now - self._began, self._state, arrived=segment, again=again)
        self._take(step, segment=_fields(segment))

    def segments_to_send(self, now: float) -> list[Segment]:  # noqa: ARG002  # the endpoint was asked with its last call
        """The segments that the endpoint owes."""
        owed, self._owed = self._owed, []
        return owed

    def timer(self) -> float | None:
        """When the endpoint's timer expires."""
        if self.is_over or self._timer is None or self._timer > _LATEST_TIMER_S:
            return None
        if not self.has_clock and self._timer > self.steps[-1].time:  # one in the past is a fault in any rung
            return None
        return self._began + self._timer

    def handle_timer(self, now: float) -> None:
        """Hand over an expired timer."""
        due = self._timer
        step = Step(TIMER, now - self._began, self._state)
        self._take(step)
        if self._timer is not None and due is not None and self._timer <= due:
            step.trouble = Trouble("timer_stays", seconds=f"{self._timer:.3f}")
            raise step.trouble

    # As the user.

    def call(self, name: str, data: bytes | None = None) -> Step:
        """Make a user call; `data` is for `send`."""
        step = Step(name, time.monotonic() - self._began, self._state, data=data or b"")
        given: dict[str, object] = {} if data is None else {"data": data.hex()}
        self._take(step, **given)
        return step

    def _take(self, step: Step, **given: object) -> None:
        """Make the call of a step, and complete the step. Raises Trouble."""
        self.steps.append(step)
        try:
            reply = self._process.call(step.call, round(step.time, 6), **given)
        except Trouble as trouble:
            step.trouble, step.printed = trouble, trouble.printed
            raise
        self._complete(step, reply)

    def _complete(self, step: Step, reply: Reply) -> None:
        step.after, step.sent, step.timer, step.result = reply.state, reply.segments, reply.timer, reply.result
        step.printed = reply.printed
        for segment in reply.segments:
            breaches = judge(self._flow, segment)
            step.breaches += breaches
            self._owed += [] if breaches else [segment]
        self._timer, self._state = reply.timer, reply.state


def _fields(segment: Segment) -> list[object]:
    """A segment as JSON carries it: bytes as hexadecimal texts."""
    options = [[name, value.hex() if isinstance(value, bytes) else value] for name, value in segment.options]
    return [int(segment.seq), int(segment.ack), segment.flags, segment.window, options, segment.payload.hex()]
