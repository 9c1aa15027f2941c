"""Independent witnesses: tshark and ss look at what the lab looked at, and must say the same.

What tshark dissects is compared with the model's segments field by field, for every segment of a whole run. Where its
guesses at retransmissions differ from what the lab calls one, the reason stands in `LEGITIMATE`.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.author.lab import Lab
from lab.record.saved.document import load
from lab.record.saved.folder import RUN_FILE
from lab.tcp import flags
from lab.tcp.segment import Segment
from tests.kernel.helpers import DEADLINE_S, WholeRun
from tests.kernel.witness import (
    ANALYSIS,
    FIELDS,
    Seen,
    dissected,
    frames_of,
    said_by_the_model,
    with_addresses_of_their_own,
)

tshark_is_here = pytest.mark.skipif(
    shutil.which("tshark") is None, reason="needs tshark: sudo scripts/test installs it"
)
ss_is_here = pytest.mark.skipif(shutil.which("ss") is None, reason="needs ss: apt install iproute2")

SENT_AGAIN = set(ANALYSIS) - {"duplicate_ack"}
"""What tshark calls a segment whose numbers were sent before."""
NAMES_OF_SS = {"SYN-RECEIVED": "SYN-RECV", "ESTABLISHED": "ESTAB"}
"""ss(8); the other states are spelled as in RFC 9293."""


class Witnessed(NamedTuple):
    """The frames of a whole run in the order of its captures, and all of those in one file."""

    seen: list[Seen]
    merged: Path


@pytest.fixture(scope="module")
def witnessed(whole: WholeRun, merged: Path) -> Witnessed:
    return Witnessed(list(frames_of(load(whole.folder / RUN_FILE))), merged)


def differences(seen: Sequence[Seen], found: dict[int, tuple[str, ...]]) -> list[str]:
    """Where tshark and the model do not say the same, a line for each field."""
    lines = []
    for at, each in enumerate(seen, start=1):
        where = f"{each.scenario} IPv{each.family} frame {each.number}"
        if (each.frame.segment is None) != (at not in found):
            lines.append(f"{where}: a segment for one of them only")
        elif each.frame.segment is not None:
            model = said_by_the_model(each.frame.segment, each.family)
            pairs = zip(FIELDS, model, without_padding(found[at]), strict=True)
            lines += [f"{where}: {field} {ours}, tshark {theirs}" for field, ours, theirs in pairs if ours != theirs]
    return lines


def without_padding(values: tuple[str, ...]) -> tuple[str, ...]:
    """Tshark lists zeros behind the last option as ends of the list; the model leaves padding out."""
    at = FIELDS.index("tcp.option_kind")
    kinds = values[at].split(",")
    while kinds[-1:] == ["0"]:
        kinds.pop()
    return (*values[:at], ",".join(kinds), *values[at + 1 :])


@tshark_is_here
def test_tshark_dissects_what_the_model_says(witnessed: Witnessed) -> None:
    found = dissected(witnessed.merged, FIELDS, "tcp.analyze_sequence_numbers:FALSE")
    assert len(found) > 1000
    assert differences(witnessed.seen, found) == []


@tshark_is_here
def test_one_altered_value_is_seen(witnessed: Witnessed) -> None:
    """In each field."""
    found = dissected(witnessed.merged, FIELDS, "tcp.analyze_sequence_numbers:FALSE")
    for at, field in enumerate(FIELDS):
        number = next((number for number, values in found.items() if values[at]), min(found))
        values = list(found[number])
        values[at] += "1"
        (told,) = differences(witnessed.seen, {**found, number: tuple(values)})
        assert f": {field} " in told
    gone = dict(found)
    del gone[number]
    assert len(differences(witnessed.seen, gone)) == 1


class Legitimate(NamedTuple):
    """A case in which tshark says that numbers were sent again, and the lab does not call that a retransmission."""

    says: str
    why: str
    holds: Callable[[Segment, Sequence[Seen]], bool]
    """Of the segment, and of what came before it on its connection, the latest first."""


def _repeats_its_syn(segment: Segment, before: Sequence[Seen]) -> bool:
    own = [each.frame.segment for each in before if not each.frame.from_peer]
    syns = [each for each in own if each is not None and each.flags == flags.SYN and each.seq == segment.seq]
    answers = [each for each in own if each is not None and each.flags == segment.flags]
    return segment.flags == flags.SYN | flags.ACK and bool(syns) and not answers


def _answers_a_repeated_syn(segment: Segment, before: Sequence[Seen]) -> bool:
    last = before[0].frame
    return (
        segment.flags == flags.SYN | flags.ACK
        and last.from_peer
        and last.segment is not None
        and last.segment.flags == flags.SYN
    )


def _completes_a_fast_open(segment: Segment, before: Sequence[Seen]) -> bool:
    last = before[0].frame
    answer = last.segment
    return bool(segment.payload and last.from_peer and answer and answer.flags == flags.SYN | flags.ACK)


def _follows_a_reset_with_a_foreign_number(segment: Segment, before: Sequence[Seen]) -> bool:
    own = [each.frame.segment for each in before if not each.frame.from_peer and each.frame.segment is not None]
    return not segment.payload and any(each.flags == flags.RST and each.seq > segment.seq for each in own)


LEGITIMATE = (
    Legitimate(
        "retransmission",
        "in a simultaneous open the SYN+ACK has the number of the SYN and acknowledges the other one's: a segment with"
        " something new to say (RFC 9293 3.5 figure 7)",
        _repeats_its_syn,
    ),
    Legitimate(
        "retransmission",
        "a SYN that comes again is answered again: the lab calls that the answer, no timer ran out",
        _answers_a_repeated_syn,
    ),
    Legitimate(
        "retransmission",
        "text of a SYN that the SYN+ACK does not acknowledge is sent again at once: the answer (RFC 7413 4.1.3)",
        _completes_a_fast_open,
    ),
    Legitimate(
        "keep_alive",
        "a reset takes its number from the ACK that it refuses (RFC 9293 3.10.7.3); tshark takes it for one of its own",
        _follows_a_reset_with_a_foreign_number,
    ),
)


def of_two_minds(seen: Sequence[Seen], analysed: dict[int, tuple[str, ...]]) -> tuple[list[str], set[Legitimate]]:
    """Where tshark and the lab differ about what the kernel sent again, without and with a good reason."""
    lines: list[str] = []
    reasons: set[Legitimate] = set()
    for at, each in enumerate(seen, start=1):
        segment = each.frame.segment
        if each.frame.from_peer or segment is None or at not in analysed:
            continue
        says = {word for word, value in zip(ANALYSIS, analysed[at], strict=True) if value}
        if each.frame.retransmission == bool(says & SENT_AGAIN):
            continue
        before = [
            other
            for other in reversed(seen[at - each.number : at - 1])
            if other.frame.connection == each.frame.connection and other.frame.segment is not None
        ]
        found = [case for case in LEGITIMATE if case.says in says and case.holds(segment, before)]
        reasons.update(found[:1])
        if each.frame.retransmission or not found:
            lines.append(f"{each.scenario} IPv{each.family} frame {each.number}: tshark says {sorted(says)}")
    return lines, reasons


@pytest.fixture(scope="module")
def analysed(witnessed: Witnessed, tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[str, ...]]:
    file = tmp_path_factory.mktemp("analysed") / "own.pcapng"
    with_addresses_of_their_own(witnessed.seen, file)
    return dissected(file, [f"tcp.analysis.{word}" for word in ANALYSIS], "tcp.analyze_sequence_numbers:TRUE")


@tshark_is_here
def test_tshark_and_the_lab_agree_on_what_was_sent_again(
    witnessed: Witnessed, analysed: dict[int, tuple[str, ...]]
) -> None:
    lines, reasons = of_two_minds(witnessed.seen, analysed)
    assert lines == []
    assert reasons == set(LEGITIMATE), "a reason that nothing needs any more"
    assert sum(each.frame.retransmission for each in witnessed.seen) > 10


@tshark_is_here
def test_a_missed_retransmission_would_be_seen(witnessed: Witnessed, analysed: dict[int, tuple[str, ...]]) -> None:
    """One that the lab does not call so, and one that it calls so without reason."""
    for was in (True, False):
        at, each = next(
            (at, each)
            for at, each in enumerate(witnessed.seen)
            if not each.frame.from_peer and each.frame.retransmission is was
            and each.frame.segment is not None and not each.frame.segment.flags & flags.SYN
        )  # fmt: skip
        altered = list(witnessed.seen)
        altered[at] = each._replace(frame=each.frame._replace(retransmission=not was))
        lines, _ = of_two_minds(altered, analysed)
        assert len(lines) == 1


@tshark_is_here
def test_a_duplicate_acknowledgement_acknowledges_nothing_new(
    witnessed: Witnessed, analysed: dict[int, tuple[str, ...]]
) -> None:
    which = ANALYSIS.index("duplicate_ack")
    found = 0
    for at, each in enumerate(witnessed.seen, start=1):
        segment = each.frame.segment
        if segment is None or each.frame.from_peer or not analysed.get(at, ("",) * len(ANALYSIS))[which]:
            continue
        found += 1
        acks = {
            other.frame.segment.ack
            for other in witnessed.seen[at - each.number : at - 1]
            if other.frame.segment is not None
            and other.frame.connection == each.frame.connection
            and not other.frame.from_peer
        }
        assert (segment.flags, segment.payload) == (flags.ACK, b""), each
        assert segment.ack in acks, each
    assert found > 0


def told_by_ss(lab: Lab) -> dict[tuple[int, int], str]:
    """Its word for each connection, by the kernel's port and the peer's (0 for a listener)."""
    with lab.network.kernel.entered():  # the child begins where this thread is
        done = subprocess.run(["ss", "-Htan"], capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    ports = [[address.rpartition(":")[2] for address in row[3:5]] for row in rows]
    return {
        (int(own), 0 if other == "*" else int(other)): row[0] for row, (own, other) in zip(rows, ports, strict=True)
    }


@ss_is_here
def test_ss_agrees_with_the_states(lab: Lab) -> None:
    """All states that a connection can be looked at in, one of each at the same time."""
    server = lab.kernel.listen(port=80)
    expected = {(80, 0): "LISTEN"}
    ways = ("syn_received", "established", "close_wait", "last_ack", "fin_wait_1", "fin_wait_2", "closing", "time_wait")
    for number, way in enumerate(ways, start=50001):
        peer = lab.peer(to=server, port=number)
        if way not in {"syn_received", "established"}:
            peer.open()
        getattr(peer, way)()
        state = way.upper().replace("_", "-")
        lab.kernel.expect_state(peer, state)
        expected[80, number] = NAMES_OF_SS.get(state, state)
    waiting = lab.peer(port=7)
    lab.kernel.connect(to=waiting, port=5000)
    waiting.expect("S")
    lab.kernel.expect_state(waiting, "SYN-SENT")
    expected[5000, 7] = "SYN-SENT"
    told = told_by_ss(lab)
    assert told == expected
    assert len(set(told.values())) == 10
    told[80, 50001] = "ESTAB"
    assert told != expected


@ss_is_here
def test_ss_looks_into_the_labs_namespace_and_not_at_the_host(lab4: Lab) -> None:
    lab4.kernel.listen(port=81)
    assert told_by_ss(lab4) == {(81, 0): "LISTEN"}
    own = Path("/proc/thread-self/ns/net").readlink()
    with lab4.network.kernel.entered():
        assert Path("/proc/thread-self/ns/net").readlink() != own
