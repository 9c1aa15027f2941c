"""The sentence behind a difference: which rule of the documents the segment breaks, and where it stands.

Chosen by the first differing field and the control bits that were expected.
"""

from __future__ import annotations

from lab.tcp import flags

_REASONS: tuple[tuple[str, int, str], ...] = (
    # field, control bits that must be expected (0: any), sentence
    ("ack", flags.SYN, "a SYN takes up one sequence number, so its answer has ack = its seq + 1   RFC 9293 3.4"),
    ("ack", flags.RST, "a reset that answers a segment without ACK has ack = its seq + its length   RFC 9293 3.5.2"),
    (
        "ack",
        0,
        "ack is the next sequence number expected: all bytes before it came, SYN and FIN count one each   RFC 9293 3.4",
    ),
    ("seq", flags.SYN, "a SYN carries the initial sequence number, and every copy of it the same   RFC 9293 3.4.1"),
    ("seq", flags.RST, "a reset that answers a segment with ACK takes its seq from that ack   RFC 9293 3.5.2"),
    ("seq", 0, "a segment starts where the one before it ended; SYN and FIN take one number each   RFC 9293 3.4"),
    ("flags", flags.SYN | flags.ACK, "a listener answers a SYN with SYN and ACK in one segment   RFC 9293 3.10.7.2"),
    ("flags", flags.FIN, "closing sends FIN, always together with ACK   RFC 9293 3.6, 3.10.4"),
    ("flags", flags.RST, "what arrives for no connection is answered with a reset   RFC 9293 3.5.2"),
    ("flags", 0, "after the first SYN every segment carries ACK   RFC 9293 3.1"),
    ("window", flags.SYN, "the window of a segment with SYN is never scaled   RFC 7323 2.2"),
    ("window", 0, "the window is what the receiver takes beyond ack, shifted right by its scale   RFC 7323 2.3"),
    (
        "options",
        flags.SYN,
        "each side says its own MSS; the others come back only if offered   RFC 9293 3.7.1, RFC 7323",
    ),
    ("options", 0, "after the SYNs only timestamps and SACK blocks are left   RFC 7323 3.2, RFC 2018 3"),
    ("payload", 0, "bytes arrive once, in order and unchanged   RFC 9293 3.4"),
    ("urgent", 0, "the urgent pointer means something only with URG   RFC 9293 3.1"),
)


def reason(field: str, expected_flags: int) -> str:
    """One sentence and its section for a field that differs; "" when there is none to tell."""
    for name, needed, sentence in _REASONS:
        if name == field and expected_flags & needed == needed:
            return sentence
    return ""
