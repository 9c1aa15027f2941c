"""One rung at work: the words in which rungs are written, and what fails them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lab.author.lab import Lab
from lab.author.sockets import Connection
from lab.exercise.make.driver import TIMER, Driver, Step
from lab.exercise.make.sandbox import LearnerProcess
from lab.host.socket_options import Value
from lab.record.expectation import ANY, Bases, Expected, Row, compare, payload_text
from lab.session.tolerance import DEADLINE_S
from lab.tcp.flags import PSH, bits, letters
from lab.tcp.rules import Breach
from lab.tcp.segment import Segment
from lab.tcp.state import State

PORT = 80
MSL_S = 30.0
"""The maximum segment lifetime that the skeleton names, in seconds."""
_TIMER_TOLERANCE = 0.1
"""Share by which a timer of the endpoint may differ."""


class Answer(NamedTuple):
    """A segment that the endpoint must send: its control bits without PSH, and numbers relative to each side's ISS."""

    letters: str
    seq: int
    ack: int | None = None
    payload: bytes = b""


class AnyOf(NamedTuple):
    """One of these segments, as the endpoint likes."""

    answers: tuple[Answer, ...]


class Failure(Exception):
    """The endpoint did not do what the rung demands.

    `key` names the summary in `words.toml`, which has these values, `why` the reason in `rungs.toml`. `step` is the
    step at fault.
    """

    def __init__(
        self,
        key: str,
        step: Step | None,
        rows: Sequence[Row] = (),
        *,
        why: str = "",
        breach: Breach | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(key)
        self.key = key
        self.step = step
        self.rows = tuple(rows)
        self.why = why
        self.breach = breach
        self.values = values or {}
        self.printed = ""
        """Output of the learner's code before it failed without a step."""


class Play:
    """The kernel at one end and a learner's endpoint at the other, with the words of rungs."""

    def __init__(self, lab: Lab, process: LearnerProcess, *, active: bool) -> None:
        """`active`: the endpoint opens the connection, not the kernel."""
        self.lab = lab
        self.driver = Driver(process, 1220 if lab.family == 6 else 536)
        self._server = lab.kernel.listen(port=PORT) if active else None
        self.peer = lab.peer(to=self._server, port=None if active else PORT)
        lab.switchboard.automatic.engage(self.peer.conversation, self.driver)
        self._next = 0
        """Index of the first step that no word has looked at."""

    @property
    def bases(self) -> Bases:
        """Both ISS, for numbers relative to the sender of a segment of the endpoint."""
        kernel, peer = self.peer.conversation.bases
        return Bases(kernel=peer, peer=kernel)

    @property
    def steps(self) -> list[Step]:
        """All steps so far."""
        return self.driver.steps

    # What the kernel's application does.

    def kernel_connects(self, options: Mapping[str, Value] | None = None) -> Connection:
        """The kernel connects to the endpoint, from a socket with these options."""
        return self.lab.kernel.connect(to=self.peer, options=options)

    def kernel_accepts(self) -> Connection:
        """The kernel's listener accepts the connection that the endpoint has opened."""
        assert self._server is not None
        return self._server.accept(of=self.peer)

    def kernel_reads(self, connection: Connection, data: bytes) -> None:
        """The kernel's application must read these bytes."""
        got = b""
        while len(got) < len(data) and (part := connection.recv(len(data) - len(got), error=ANY)):
            got += part
        self._judge()
        if got != data:
            row = Row("data", payload_text(data), payload_text(got), agrees=False)
            raise Failure("kernel_reads_other", self.steps[-1], [row], why="reads_all")

    def opened(self, options: Mapping[str, Value] | None = None) -> Connection:
        """A connection that the kernel has opened."""
        self.calls("listen", state=State.LISTEN, why="listen")
        connection = self.kernel_connects(options)
        self.arrives("S", Answer("SA", 0, 1), state=State.SYN_RECEIVED, why="answer_to_syn")
        self.arrives("A", state=State.ESTABLISHED, why="third_segment")
        return connection

    # What the endpoint must do.

    def calls(
        self, name: str, *answers: Answer | AnyOf, why: str, state: State | None = None, data: bytes | None = None
    ) -> Step:
        """Make a user call, which must send these segments and lead to this state."""
        step = self.driver.call(name, data)
        self._check(step, answers, state, why)
        self._send()
        return step

    def calls_freely(self, name: str, data: bytes | None = None) -> None:
        """Make a user call; what it sends is judged by the standing rules alone."""
        step = self.driver.call(name, data)
        self._check(step, None, None, "")
        self._send()

    def reads(self, data: bytes, why: str) -> None:
        """read() must return these bytes."""
        step = self.driver.call("read")
        self._send()
        if step.result != data:
            raise Failure("other_data", step, [Row.of("data", data, step.result)], why=why)
        self._check(step, None, None, why)

    def arrives(
        self, letters: str, *answers: Answer | AnyOf, why: str, state: State | None = None, again: bool = False
    ) -> Step:
        """The next segment of the kernel must have these bits, and the endpoint must answer so.

        A segment that has arrived before is passed over, unless `again`: then it is what must come.
        """
        step = self._wait(lambda step: step.arrived is not None and step.again == again, letters)
        assert step.arrived is not None
        if step.arrived.flags & ~PSH != bits(letters):
            raise Failure("other_segment", step, why=why, values={"expected": letters})
        self._check(step, answers, state, why)
        return step

    def timer_expires(self, *answers: Answer | AnyOf, after: float, why: str) -> None:
        """The endpoint's timer must be set to so many seconds from its last segment on, and send these segments."""
        self.runs_timer(after, why)
        self.driver.has_clock = True
        self._check(self._wait(lambda step: step.call == TIMER, "timer", after + DEADLINE_S), answers, None, why)

    def runs_timer(self, seconds: float | None, why: str) -> None:
        """The endpoint's timer must be set to so many seconds from its last segment on; None: it must not run."""
        step = self.steps[-1]
        last = next((each for each in reversed(self.steps) if each.sent), step)
        got = None if step.timer is None else step.timer - last.time
        agrees = got is seconds
        if got is not None and seconds is not None:
            agrees = abs(got - seconds) <= _TIMER_TOLERANCE * seconds
        if not agrees:
            row = Row("timer", _seconds(seconds), _seconds(got), agrees=False)
            raise Failure("other_timer", step, [row], why=why)

    def acknowledges(self, number: int, why: str) -> None:
        """The endpoint must acknowledge everything of the kernel up to this relative number, some time."""

        def is_so() -> bool:
            wanted = self.peer.conversation.bases.kernel + number
            return any(each.ack == wanted for step in self.steps for each in step.sent)

        self.lab.switchboard.serve_until(is_so, time.monotonic() + DEADLINE_S)
        self._judge()
        if not is_so():
            row = Row("ack", str(number), "none", agrees=False)
            raise Failure("never_acknowledged", self.steps[-1], [row], why=why)

    def end(self) -> None:
        """Wait until the kernel has taken everything; judge what the endpoint has sent to it last."""
        self.lab.settle()
        self._judge()

    def _send(self) -> None:
        self.lab.switchboard.automatic.send_owed(self.peer.conversation)

    def _wait(self, is_wanted: Callable[[Step], bool], what: str, within: float = DEADLINE_S) -> Step:
        """The next step that is wanted; those before it are passed over."""
        deadline = time.monotonic() + within
        while True:
            while self._next < len(self.steps):
                step = self.steps[self._next]
                self._next += 1
                if is_wanted(step):
                    return step
            self.lab.switchboard.serve_until(lambda: self._next < len(self.steps), deadline)
            if self._next == len(self.steps):
                raise Failure("nothing_came", self.steps[-1] if self.steps else None, values={"expected": what})

    def _check(self, step: Step, answers: Sequence[Answer | AnyOf] | None, state: State | None, why: str) -> None:
        """Compare what a step has sent, and its state; then the standing rules."""
        if answers is not None:
            rows = self._rows(answers, step.sent)
            if rows:
                raise Failure("other_answer", step, rows, why=why)
        if state is not None and State.called(step.after) is not state:
            raise Failure("other_state", step, [Row("state", state, step.after, agrees=False)], why=why)
        self._judge()

    def _judge(self) -> None:
        for step in self.steps:
            if step.breaches:
                raise Failure("rule", step, breach=step.breaches[0])

    def _rows(self, answers: Sequence[Answer | AnyOf], sent: Sequence[Segment]) -> list[Row]:
        for at in range(max(len(answers), len(sent))):
            if at >= len(sent) or at >= len(answers):
                expected = _letters(answers[at]) if at < len(answers) else "none"
                got = letters(sent[at].flags) if at < len(sent) else "none"
                return [Row("segment", expected, got, agrees=False)]
            wanted = answers[at]
            rows = [
                self._differing(each, sent[at]) for each in (wanted.answers if isinstance(wanted, AnyOf) else [wanted])
            ]
            if all(rows):
                return rows[0]
        return []

    def _differing(self, answer: Answer, segment: Segment) -> list[Row]:
        expected = Expected(bits(answer.letters), answer.seq, answer.ack, payload=answer.payload)
        rows = compare(expected, segment._replace(flags=segment.flags & ~PSH), self.bases)
        return [each for each in rows if not each.agrees]


def _letters(answer: Answer | AnyOf) -> str:
    return (answer.answers[0] if isinstance(answer, AnyOf) else answer).letters


def _seconds(time: float | None) -> str:
    return "None" if time is None else f"{time:.2f} s"
