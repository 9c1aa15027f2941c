"""Sequence numbers of a crowd's connections: what each replica sends next, and what it must receive.

A replica is known by the port that tells it from the others. All are at the same point of their script, so no more is
to be remembered of one than the kernel's initial sequence number, and how many answers it has received.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from lab.crowd.script import Act
from lab.record.expectation import Bases
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints

NO_REPLICA = 255
"""In the place of a number of answers: no replica has this port."""
_MASK = 0xFFFF_FFFF
_STRIDE = 0x1_0001
"""Between the initial sequence numbers of replicas on neighbouring ports: each has its own."""


class Replicas:
    """All replicas of a crowd, past and present."""

    def __init__(self, peer_iss: int, fixed: int, *, kernel_opens: bool) -> None:
        """`fixed` is the port that all have in common: the peer's if the kernel opens, else the listener's."""
        self.received = bytearray([NO_REPLICA]) * 0x1_0000
        """How many of the answers the replica on this port has received."""
        self._kernel_iss = array("I", bytes(4 * 0x1_0000))
        self._peer_iss = peer_iss
        self._fixed = fixed
        self._kernel_opens = kernel_opens

    def of(self, ends: Endpoints) -> int | None:
        """The replica to which the kernel sends with these ends, or could send; None if it can be none."""
        replica, fixed = ends.source_port, ends.destination_port
        if not self._kernel_opens:
            replica, fixed = fixed, replica
        return replica if fixed == self._fixed else None

    def ports(self, replica: int) -> tuple[int, int]:
        """The kernel's and the peer's."""
        return (replica, self._fixed) if self._kernel_opens else (self._fixed, replica)

    def bases(self, replica: int) -> Bases:
        """What its relative numbers are relative to."""
        return Bases(Seq(self._kernel_iss[replica]), Seq(self._own_iss(replica)))

    def learn(self, replica: int, kernel_iss: int) -> None:
        """Take this for the kernel's initial sequence number."""
        self._kernel_iss[replica] = kernel_iss

    def frames(self, act: Act, replicas: Iterable[int]) -> list[bytes]:
        """What these replicas send in `act`."""
        make, opens, fixed, isses = act.template.make, self._kernel_opens, self._fixed, self._kernel_iss
        seq = self._peer_iss + act.seq
        ack, unsaid = (act.ack, False) if act.ack is not None else (int(act.segment.ack), True)
        return [
            make(
                fixed if opens else replica,
                replica if opens else fixed,
                seq + replica * _STRIDE & _MASK,
                ack if unsaid else isses[replica] + ack & _MASK,
            )
            for replica in replicas
        ]

    def is_answer(self, act: Act, replica: int, data: bytes) -> bool:
        """Whether this is the kernel's segment in `act`, to that replica."""
        numbers = act.template.read(data)
        return numbers is not None and numbers[2:] == self._numbers(act, replica)

    def receiver(self, act: Act, answer: int, data: bytes) -> int | None:
        """Which replica receives this frame as the kernel's segment in `act`, after `answer` others; None if none."""
        numbers = act.template.read(data)
        if numbers is None:
            return None
        replica, other, seq, _ = numbers
        if not self._kernel_opens:
            replica, other = other, replica
        before = NO_REPLICA if self._kernel_opens and not answer else answer
        if other != self._fixed or self.received[replica] != before:
            return None
        if not answer:
            self.learn(replica, seq - act.seq & _MASK)
        if numbers[2:] != self._numbers(act, replica):
            return None
        self.received[replica] = answer + 1
        return replica

    def _numbers(self, act: Act, replica: int) -> tuple[int, int]:
        """Seq and ack of the kernel's segment in `act` to that replica."""
        ack = 0 if act.ack is None else self._own_iss(replica) + act.ack & _MASK
        return self._kernel_iss[replica] + act.seq & _MASK, ack

    def _own_iss(self, replica: int) -> int:
        return self._peer_iss + replica * _STRIDE & _MASK
