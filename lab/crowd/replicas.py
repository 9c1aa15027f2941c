"""The numbers of a crowd's members: what each sends next, and what it must hear.

A member is known by the port that tells it from the others. All are at the same point of their script, so no more is
to be remembered of one than the kernel's initial sequence number, and how many answers it has heard.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

from lab.crowd.script import Act
from lab.record.expectation import Bases
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints

NOBODY = 255
"""In the place of a number of answers: no member has this port."""
_MASK = 0xFFFF_FFFF
_STRIDE = 0x1_0001
"""Between the initial sequence numbers of members on neighbouring ports: each has its own."""


class Members:
    """All members of a crowd, past and present."""

    def __init__(self, peer_iss: int, fixed: int, *, kernel_opens: bool) -> None:
        """`fixed` is the port that all have in common: the peer's if the kernel opens, else the listener's."""
        self.heard = bytearray([NOBODY]) * 0x1_0000
        """How many of the answers the member on this port has heard."""
        self._kernel_iss = array("I", bytes(4 * 0x1_0000))
        self._peer_iss = peer_iss
        self._fixed = fixed
        self._kernel_opens = kernel_opens

    def of(self, ends: Endpoints) -> int | None:
        """The member to which the kernel sends with these ends, or could send; None if it can be none."""
        member, fixed = ends.source_port, ends.destination_port
        if not self._kernel_opens:
            member, fixed = fixed, member
        return member if fixed == self._fixed else None

    def ports(self, member: int) -> tuple[int, int]:
        """The kernel's and the peer's."""
        return (member, self._fixed) if self._kernel_opens else (self._fixed, member)

    def bases(self, member: int) -> Bases:
        """What its relative numbers are relative to."""
        return Bases(Seq(self._kernel_iss[member]), Seq(self._own_iss(member)))

    def learn(self, member: int, kernel_iss: int) -> None:
        """Take this for the kernel's initial sequence number."""
        self._kernel_iss[member] = kernel_iss

    def frames(self, act: Act, members: Iterable[int]) -> list[bytes]:
        """What these members send in `act`."""
        make, opens, fixed, isses = act.template.make, self._kernel_opens, self._fixed, self._kernel_iss
        seq = self._peer_iss + act.seq
        ack, unsaid = (act.ack, False) if act.ack is not None else (int(act.segment.ack), True)
        return [
            make(
                fixed if opens else member,
                member if opens else fixed,
                seq + member * _STRIDE & _MASK,
                ack if unsaid else isses[member] + ack & _MASK,
            )
            for member in members
        ]

    def is_answer(self, act: Act, member: int, data: bytes) -> bool:
        """Whether this is the kernel's segment in `act`, to that member."""
        numbers = act.template.read(data)
        ack = 0 if act.ack is None else self._own_iss(member) + act.ack & _MASK
        return numbers is not None and numbers[2:] == (self._kernel_iss[member] + act.seq & _MASK, ack)

    def hearer(self, act: Act, mark: int) -> Callable[[bytes], int]:
        """Tells which member has heard this answer, the one behind `mark` others, by this frame; -1 if none."""
        read, heard, isses, opens, fixed = (
            act.template.read,
            self.heard,
            self._kernel_iss,
            self._kernel_opens,
            self._fixed,
        )
        seq, ack, own_iss = act.seq, act.ack, self._peer_iss
        before = NOBODY if opens and not mark else mark

        def hearer(data: bytes) -> int:
            numbers = read(data)
            if numbers is None:
                return -1
            member, other, got_seq, got_ack = numbers
            if not opens:
                member, other = other, member
            if (
                other != fixed
                or heard[member] != before
                or got_ack != (0 if ack is None else own_iss + member * _STRIDE + ack & _MASK)
            ):
                return -1
            if not mark:
                isses[member] = got_seq - seq & _MASK
            elif got_seq != isses[member] + seq & _MASK:
                return -1
            heard[member] = mark + 1
            return member

        return hearer

    def _own_iss(self, member: int) -> int:
        return self._peer_iss + member * _STRIDE & _MASK
