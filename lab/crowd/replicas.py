"""Sequence numbers of a crowd's connections: frames that replicas send, and frames that they must receive.

A replica is identified by the port in which it differs from the others. All replicas are at the same point of the
script, so the state of each is only the kernel's initial sequence number and the number of answers received.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from lab.crowd.script import ScriptedSegment
from lab.record.expectation import Bases
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints

NO_REPLICA = 255
"""Stored instead of a number of answers for a port that no replica has."""
_MASK = 0xFFFF_FFFF
_STRIDE = 0x1_0001
"""Difference of the initial sequence numbers of replicas on neighbouring ports."""


class Replicas:
    """All replicas of a crowd, including finished ones."""

    def __init__(self, peer_iss: int, fixed: int, *, kernel_opens: bool) -> None:
        """`fixed` is the port that all share: the peer's if the kernel opens, otherwise the kernel's listening port."""
        self.received = bytearray([NO_REPLICA]) * 0x1_0000
        """By port: number of answers that the replica has received."""
        self._kernel_iss = array("I", bytes(4 * 0x1_0000))
        self._peer_iss = peer_iss
        self._fixed = fixed
        self._kernel_opens = kernel_opens

    def of(self, ends: Endpoints) -> int | None:
        """The replica, existing or not, that gets a kernel segment with these ends; None if the shared port differs."""
        replica, fixed = ends.source_port, ends.destination_port
        if not self._kernel_opens:
            replica, fixed = fixed, replica
        return replica if fixed == self._fixed else None

    def ports(self, replica: int) -> tuple[int, int]:
        """The kernel's and the peer's port of a replica."""
        return (replica, self._fixed) if self._kernel_opens else (self._fixed, replica)

    def bases(self, replica: int) -> Bases:
        """The initial sequence numbers of a replica's connection."""
        return Bases(Seq(self._kernel_iss[replica]), Seq(self._own_iss(replica)))

    def set_kernel_iss(self, replica: int, kernel_iss: int) -> None:
        """Store the kernel's initial sequence number."""
        self._kernel_iss[replica] = kernel_iss

    def frames(self, entry: ScriptedSegment, replicas: Iterable[int]) -> list[bytes]:
        """The frames that these replicas send for a segment of the script."""
        make, opens, fixed, isses = entry.template.make, self._kernel_opens, self._fixed, self._kernel_iss
        seq = self._peer_iss + entry.seq
        ack, as_recorded = (entry.ack, False) if entry.ack is not None else (int(entry.segment.ack), True)
        return [
            make(
                fixed if opens else replica,
                replica if opens else fixed,
                seq + replica * _STRIDE & _MASK,
                ack if as_recorded else isses[replica] + ack & _MASK,
            )
            for replica in replicas
        ]

    def is_answer(self, entry: ScriptedSegment, replica: int, data: bytes) -> bool:
        """Whether a frame is the kernel's segment `entry` to that replica."""
        numbers = entry.template.read(data)
        return numbers is not None and numbers[2:] == self._numbers(entry, replica)

    def receiver(self, entry: ScriptedSegment, answer: int, data: bytes) -> int | None:
        """The replica to which this frame is answer number `answer`, the kernel's segment `entry`; None without one.

        Counts the answer as received.
        """
        numbers = entry.template.read(data)
        if numbers is None:
            return None
        replica, other, seq, _ = numbers
        if not self._kernel_opens:
            replica, other = other, replica
        before = NO_REPLICA if self._kernel_opens and not answer else answer
        if other != self._fixed or self.received[replica] != before:
            return None
        if not answer:
            self.set_kernel_iss(replica, seq - entry.seq & _MASK)
        if numbers[2:] != self._numbers(entry, replica):
            return None
        self.received[replica] = answer + 1
        return replica

    def _numbers(self, entry: ScriptedSegment, replica: int) -> tuple[int, int]:
        """Sequence and acknowledgment number of the kernel's segment `entry` to that replica."""
        ack = 0 if entry.ack is None else self._own_iss(replica) + entry.ack & _MASK
        return self._kernel_iss[replica] + entry.seq & _MASK, ack

    def _own_iss(self, replica: int) -> int:
        return self._peer_iss + replica * _STRIDE & _MASK
