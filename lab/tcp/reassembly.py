"""Text that arrived ahead of RCV.NXT, kept until the gap before it is filled (RFC 9293 3.10.7.4, SHLD-31)."""

from __future__ import annotations

from lab.tcp.sequence import Seq

_MAX_SACK_BLOCKS = 3  # as many as fit beside a timestamps option (RFC 2018 3)


class Reassembly:
    """Separate blocks of text, the most recently changed one first, and the position of the FIN once it has arrived."""

    def __init__(self) -> None:
        self.blocks: list[tuple[Seq, bytes]] = []
        """Start and text of each block."""
        self.fin: Seq | None = None
        """The sequence number that the FIN occupies; None until one arrives."""

    def __bool__(self) -> bool:
        return bool(self.blocks) or self.fin is not None

    def add(self, start: Seq, text: bytes) -> None:
        """Keep `text`, merged with every block that it overlaps or touches. Its bytes replace those kept before."""
        if not text:
            return
        apart = []
        for at, kept in self.blocks:
            if at > start + len(text) or at + len(kept) < start:
                apart.append((at, kept))
                continue
            before, after = max(0, start - at), max(0, (at + len(kept)) - (start + len(text)))
            text = kept[:before] + text + kept[len(kept) - after :]
            start += -before
        self.blocks = [(start, text), *apart]

    def take(self, rcv_nxt: Seq) -> bytes:
        """Remove and return the text that starts at `rcv_nxt` and has no gaps."""
        for block in self.blocks:
            start, text = block
            if start <= rcv_nxt:
                self.blocks.remove(block)
                return text[rcv_nxt - start :] or self.take(rcv_nxt)
        return b""

    def sack_blocks(self) -> tuple[int, ...]:
        """Edges of the blocks that changed last, newest first: left, right, left, right, ... (RFC 2018 4)."""
        edges: list[int] = []
        for start, text in self.blocks[:_MAX_SACK_BLOCKS]:
            edges += (int(start), int(start + len(text)))
        return tuple(edges)
