"""TCP_INFO decoded: the kernel's own account of a connection, by the names of linux/tcp.h without their prefix."""

from __future__ import annotations

import struct

_FIELDS = (
    # (struct format, names): an older kernel returns a shorter structure, then the last ones are left out.
    ("BBBBBB", ("state", "ca_state", "retransmits", "probes", "backoff", "options")),
    ("BB", ("_scales", "_limited")),
    ("IIII", ("rto", "ato", "snd_mss", "rcv_mss")),
    ("IIIII", ("unacked", "sacked", "lost", "retrans", "fackets")),
    ("IIII", ("last_data_sent", "last_ack_sent", "last_data_recv", "last_ack_recv")),
    ("IIIIIIII", ("pmtu", "rcv_ssthresh", "rtt", "rttvar", "snd_ssthresh", "snd_cwnd", "advmss", "reordering")),
    ("III", ("rcv_rtt", "rcv_space", "total_retrans")),
    ("QQQQ", ("pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received")),
    ("II", ("segs_out", "segs_in")),
    ("IIII", ("notsent_bytes", "min_rtt", "data_segs_in", "data_segs_out")),
    ("QQQQ", ("delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited")),
    ("II", ("delivered", "delivered_ce")),
    ("QQ", ("bytes_sent", "bytes_retrans")),
    ("IIII", ("dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd")),
    ("II", ("rcv_wnd", "rehash")),
)
SIZE = struct.calcsize("=" + "".join(layout for layout, _ in _FIELDS))
"""Bytes of all the fields named here; the kernel cuts its answer to what was asked for."""

_OPTION_BITS = {1: "timestamps", 2: "sack", 4: "wscale", 8: "ecn", 16: "ecn_seen", 32: "syn_data"}


def decode(data: bytes) -> dict[str, int]:
    """Field names to numbers; `rto`, `rtt` and `ato` in us, `last_*` in ms, windows and MSS in bytes.

    The packed bits are spread out: `snd_wscale`, `rcv_wscale`, and one 0 or 1 for each option that was agreed on.
    """
    values: dict[str, int] = {}
    at = 0
    for layout, names in _FIELDS:
        size = struct.calcsize("=" + layout)
        if at + size > len(data):
            break
        values.update(zip(names, struct.unpack_from("=" + layout, data, at), strict=True))
        at += size
    scales = values.pop("_scales", 0)
    limited = values.pop("_limited", 0)
    values["snd_wscale"], values["rcv_wscale"] = scales & 15, scales >> 4
    values["delivery_rate_app_limited"] = limited & 1
    options = values.pop("options", 0)
    values.update({name: int(bool(options & bit)) for bit, name in _OPTION_BITS.items()})
    return values
