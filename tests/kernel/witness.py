"""What tshark says of each segment of a run, and what the model says of the same one, as rows that can be compared."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lab.record.events import FrameSeen
from lab.record.results import Run
from lab.report.captures import file_name
from lab.tcp.options import Option
from lab.tcp.segment import Segment
from lab.wire import pcapng

KINDS = {"EOL": 0, "NOP": 1, "MSS": 2, "WScale": 3, "SAckOK": 4, "SAck": 5, "Timestamp": 8, "TFO": 34}
"""By the registry of IANA, not by the lab's own table."""
FIELDS = (
    "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.window_size_value", "tcp.urgent_pointer", "tcp.len", "tcp.payload",
    "tcp.option_kind", "tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.timestamp.tsval",
    "tcp.options.timestamp.tsecr", "tcp.options.sack_le", "tcp.options.sack_re", "tcp.checksum.status",
    "ip.checksum.status",
)  # fmt: skip
ANALYSIS = (
    "retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "keep_alive", "duplicate_ack",
)  # fmt: skip
GOOD, BAD = "1", "0"
_SETTINGS = (
    "tcp.check_checksum:TRUE", "ip.check_checksum:TRUE", "tcp.relative_sequence_numbers:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
)  # fmt: skip


class Seen(NamedTuple):
    """A frame of a run, and where it was."""

    scenario: str
    family: int
    number: int
    """In the recording and in the capture file, from 1."""
    frame: FrameSeen


def frames_of(run: Run) -> Iterator[Seen]:
    """All of them, in the order of the capture files' names."""
    for result in sorted(run.results, key=lambda each: f"{file_name(each)}.pcapng"):
        frames = (
            [event for _, event in result.recording.in_order if isinstance(event, FrameSeen)]
            if result.recording
            else []
        )
        for number, frame in enumerate(frames, start=1):
            yield Seen(result.scenario.id, result.family, number, frame)


def dissected(capture: Path, fields: Iterable[str], *settings: str) -> dict[int, tuple[str, ...]]:
    """By a frame's number in the file: what tshark found for these fields; of several values all, by commas."""
    chosen = [word for setting in (*_SETTINGS, *settings) for word in ("-o", setting)]
    columns = [word for name in ("frame.number", *fields) for word in ("-e", name)]
    done = subprocess.run(
        ["tshark", "-n", "-r", capture, *chosen, "-Y", "tcp && !icmp && !icmpv6", "-T", "fields", *columns],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {int(number): tuple(values) for number, *values in rows}


def said_by_the_model(segment: Segment, family: int) -> tuple[str, ...]:
    """The same fields as tshark would write them, from the model's segment alone."""
    options = segment.options
    checksum = BAD if any("TCP checksum" in fault for fault in segment.faults) else GOOD
    header = BAD if any("header checksum" in fault for fault in segment.faults) else GOOD
    return (
        str(int(segment.seq)),
        str(int(segment.ack)),
        f"0x{segment.reserved << 9 | segment.flags:04x}",
        str(segment.window),
        str(segment.urgent),
        str(len(segment.payload)),
        segment.payload.hex(),
        _each(KINDS.get(str(name), name) for name, _ in options),
        _values(options, "MSS"),
        _values(options, "WScale"),
        _values(options, "Timestamp", slice(0, 1)),
        _values(options, "Timestamp", slice(1, 2)),
        _values(options, "SAck", slice(0, None, 2)),
        _values(options, "SAck", slice(1, None, 2)),
        checksum,
        header if family == 4 else "",
    )


def _values(options: Iterable[Option], wanted: str, which: slice = slice(None)) -> str:
    found: list[tuple[object, ...]] = [
        value if isinstance(value, tuple) else (value,) for name, value in options if name == wanted
    ]
    return _each(each for value in found for each in value[which])


def _each(values: Iterable[object]) -> str:
    return ",".join(map(str, values))


def with_addresses_of_their_own(seen: Iterable[Seen], file: Path) -> None:
    """A capture in which each result's addresses are nobody else's: labs lease the same ones one after the other.

    Checksums do not fit any more; what tshark makes of sequences does not ask for them.
    """
    numbers: dict[tuple[str, int], int] = {}
    with file.open("wb") as out:
        out.write(pcapng.section("tests", "", "") + pcapng.interface("wire", ""))
        for each in seen:
            mark = numbers.setdefault((each.scenario, each.family), len(numbers)).to_bytes(2, "big")
            data = bytearray(each.frame.data)
            for at in {b"\x08\x00": (27, 31), b"\x86\xdd": (26, 42)}.get(bytes(data[12:14]), ()):
                data[at : at + 2] = mark
            out.write(pcapng.packet(0, each.frame.time_ns, bytes(data)))
