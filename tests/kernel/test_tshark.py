"""What Wireshark's own programs make of the captures of a whole run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kernel.helpers import DEADLINE_S, WholeRun, run_lab

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark: sudo scripts/test installs it")

SUMS = ("ip", "tcp", "icmp", "icmpv6")
WRONG = " || ".join(["_ws.malformed", *(f'{name}.checksum.status == "Bad"' for name in SUMS)])
# Wireshark checks those of ICMPv6 always.
CHECKING = [word for name in SUMS[:2] for word in ("-o", f"{name}.check_checksum:TRUE")]
BROKEN_ON_PURPOSE: dict[str, str] = {}
"""Scenarios whose peer sends what is no sound packet, and what is wrong with it."""


class Captures(NamedTuple):
    """The captures of a whole run, and all of them in one."""

    files: list[Path]
    counts: list[int]
    merged: Path

    def file_of(self, number: int) -> Path:
        """Which of them the frame with this number in the merged one comes from."""
        for file, count in zip(self.files, self.counts, strict=True):
            if number <= count:
                return file
            number -= count
        raise IndexError


def output_of(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fields(capture: Path, wanted: str, *names: str) -> list[list[str]]:
    """These fields of the frames that a display filter lets through."""
    columns = [word for name in names for word in ("-e", name)]
    lines = output_of("tshark", "-n", "-r", capture, *CHECKING, "-Y", wanted, "-T", "fields", *columns).splitlines()
    return [line.split("\t") for line in lines]


@pytest.fixture(scope="module")
def captures(whole: WholeRun, merged: Path) -> Captures:
    files = sorted(whole.folder.glob("*.pcapng"))
    counted = re.findall(r"Number of packets: +(\d+)$", output_of("capinfos", "-M", "-c", *files), re.MULTILINE)
    return Captures(files, [int(each) for each in counted], merged)


def test_capinfos_reads_every_capture(captures: Captures) -> None:
    told = output_of("capinfos", *captures.files)
    assert len(captures.counts) == len(captures.files) > 0
    assert told.count("File timestamp precision:  nanoseconds (9)") == len(captures.files)
    assert told.count("Number of interfaces in file: 2") == len(captures.files)
    assert re.findall(r"Name = (\w+)", told) == ["kernel", "peer"] * len(captures.files)
    assert told.count("Capture application: TCP packet lab ") == len(captures.files)


def test_no_frame_is_malformed_and_every_checksum_is_right(captures: Captures) -> None:
    rows = fields(captures.merged, WRONG, "frame.number", "frame.interface_name", "_ws.col.Info")
    # 0xFFFF is zero in ones' complement too, and Linux sends either. Wireshark marks it so if the sum is right.
    wrong = [
        (captures.file_of(int(number)).name, sender, told)
        for number, sender, told in rows
        if "[TCP CHECKSUM 0xFFFF]" not in told
    ]
    known = [
        each for each in wrong if each[0].rpartition("-")[0] in BROKEN_ON_PURPOSE and each[1] == "peer"
    ]  # the kernel's are never excused
    assert wrong == known
    assert {each[0].rpartition("-")[0] for each in known} == set(BROKEN_ON_PURPOSE)


def test_wireshark_would_have_noticed(captures: Captures, tmp_path: Path) -> None:
    [capture] = [file for file in captures.files if file.name == "handshake.kernel_as_server-IPv4.pcapng"]
    data = bytearray(capture.read_bytes())
    at = data.index(b"\x9c\x41\x00\x50")  # ports 40001 to 80: the peer's first segment
    data[at + 16] ^= 0xFF
    (tmp_path / "wrong.pcapng").write_bytes(data)
    assert fields(tmp_path / "wrong.pcapng", WRONG, "frame.number") == [["1"]]


def test_every_frame_has_a_sender_a_direction_and_a_comment(captures: Captures) -> None:
    names = ("frame.interface_name", "frame.packet_flags_direction", "frame.comment")
    rows = fields(captures.merged, "frame", *names)
    assert len(rows) == sum(captures.counts)
    assert {(sender, direction) for sender, direction, _ in rows} == {
        (sender, "0x00000002") for sender in ("kernel", "peer")
    }
    assert all(comment for _, _, comment in rows)
    assert any("ok: expected SA, seq 0, ack 1" in comment for _, _, comment in rows)


def test_frames_are_numbered_as_the_lab_numbers_them(captures: Captures) -> None:
    [capture] = [file for file in captures.files if file.name == "closing.kernel_closes_first-IPv6.pcapng"]
    shown = run_lab("show", captures.files[0].parent, "-v", "-6", "closing.kernel_closes_first").stdout
    lengths = re.findall(r"^  frame (\d+)  (\w+) > \w+  (\d+) bytes", shown, re.MULTILINE)
    assert fields(capture, "frame", "frame.number", "frame.interface_name", "frame.len") == [
        list(each) for each in lengths
    ]
