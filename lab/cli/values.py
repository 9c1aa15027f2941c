"""Values as `lab shell` prints them: a segment as in the ladder; a kernel, peer or socket by state, ends and queues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab.author.kernel import Kernel
from lab.author.lab import Lab
from lab.author.peer import Peer
from lab.author.sockets import Connection, Listener
from lab.record.events import FrameSeen
from lab.record.expectation import Bases
from lab.report.evidence import segment_text
from lab.report.i18n import Translator
from lab.report.screen import printable
from lab.session.conversation import Conversation
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.ip import written


class Values:
    """Texts of the values of one lab."""

    def __init__(self, lab: Lab, names: Mapping[str, object], translate: Translator) -> None:
        """`names` are those of the shell: its listeners and peers are found there."""
        self._lab = lab
        self._names = names
        self._words = translate

    def lines(self, value: object) -> Iterator[str]:
        """Yield the lines that show a value."""
        match value:
            case Segment():
                yield self._segment(value)
            case State():
                yield value.both_names
            case Peer():
                yield self._peer(value)
            case Kernel():
                yield from self._kernel()
            case Listener():
                yield self._listener(value)
            case Connection() if owner := self._peer_of(value):
                yield self._connection(owner.conversation)
            case Lab():
                yield self._words("shell_lab", family=value.family)
            case _:
                yield printable(repr(value))

    def _segment(self, segment: Segment) -> str:
        events = reversed(self._lab.recording.events)
        seen = next((each for each in events if isinstance(each, FrameSeen) and each.segment is segment), None)
        bases, from_peer = (seen.bases, seen.from_peer) if seen else (Bases(Seq(0), Seq(0)), False)
        return f"{segment.letters or '-'} {printable(segment_text(segment, bases, from_peer))}"

    def _peer(self, peer: Peer) -> str:
        talk, events = peer.conversation, self._lab.recording.events
        segments = [events[at] for at in talk.inbox]
        unread = [self._segment(each.segment) for each in segments if isinstance(each, FrameSeen) and each.segment]
        if count := len(talk.endpoint.received):
            unread.append(self._words("shell_bytes", count=count))
        return self._line(talk.endpoint.state, _end(peer.address, peer.port), _kernel_end(talk), unread)

    def _kernel(self) -> Iterator[str]:
        for each in self._names.values():
            if isinstance(each, Listener) and each.descriptor >= 0:
                yield self._listener(each)
        for talk in self._lab.switchboard.conversations.values():
            yield self._connection(talk)

    def _listener(self, listener: Listener) -> str:
        seen = self._lab.switchboard.kernel_states.observe_listener(listener.address, listener.port)
        end = _end(listener.address, listener.port)
        return self._words("shell_listener", state=seen.state, end=end, count=seen.receive_queue)

    def _connection(self, talk: Conversation) -> str:
        seen = self._lab.switchboard.kernel_states.observe_change(talk.number)
        unread = [self._words("shell_bytes", count=seen.receive_queue)] * bool(seen.receive_queue)
        return self._line(seen.state, _kernel_end(talk), _end(talk.address, talk.port), unread)

    def _line(self, state: State, own: str, other: str, unread: list[str]) -> str:
        line = self._words("shell_end" if other else "shell_waits", state=state.both_names, own=own, other=other)
        return line + (self._words("shell_unread", what=", ".join(unread)) if unread else "")

    def _peer_of(self, socket: Connection) -> Peer | None:
        peers = (each for each in self._names.values() if isinstance(each, Peer))
        return next((peer for peer in peers if peer.socket is socket), None)


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _kernel_end(talk: Conversation) -> str:
    """The kernel's end of a connection; "" while the peer waits for one."""
    return "" if talk.ends is None else _end(written(talk.ends.source), talk.ends.source_port)
