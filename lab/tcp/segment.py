"""One TCP segment as a value: the fields of RFC 9293 3.1 without ports and checksum."""

from __future__ import annotations

from typing import NamedTuple

from lab.tcp.flags import FIN, SYN, letters
from lab.tcp.options import Options
from lab.tcp.sequence import Seq


class Segment(NamedTuple):
    """A segment. `window`, `urgent` and `reserved` are the header fields as on the wire; no window scale is applied."""

    seq: Seq
    ack: Seq
    flags: int
    window: int = 0
    options: Options = ()
    payload: bytes = b""
    urgent: int = 0
    reserved: int = 0
    faults: tuple[str, ...] = ()
    """Malformed parts that the decoder found: a wrong checksum, an option that overruns the header, ..."""

    @property
    def letters(self) -> str:
        """The control bits as Scapy prints them: "SA"."""
        return letters(self.flags)

    @property
    def length(self) -> int:
        """SEG.LEN: how many sequence numbers it occupies, payload plus one each for SYN and FIN (RFC 9293 3.4)."""
        return len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def text_start(self) -> Seq:
        """The sequence number of the first byte of the payload, after the SYN if there is one."""
        return self.seq + bool(self.flags & SYN)

    @property
    def end(self) -> Seq:
        """The sequence number after the last one that the segment occupies."""
        return self.seq + self.length
