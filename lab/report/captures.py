"""Capture files of recordings for Wireshark, with each frame's step and checks as comments.

Frames stand in the order of the recording: their numbers are the same in `lab claims` and `lab show -v`.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from lab.record.events import CheckMade, FrameSeen, Recording, StepBegun
from lab.record.results import Outcome, Result, Run
from lab.report.i18n import Translator, translator
from lab.wire import pcapng
from lab.wire.frames import why_no_segment
from lab.wire.icmp import reply_in

_KERNEL, _PEER = 0, 1
_LONGEST_NAME = 150
_UNUSUAL = re.compile(r"[^\w.+-]+", re.ASCII)
_VERDICTS = {
    Outcome.PASS: "the kernel did as documented",
    Outcome.CHANGED: "the given settings have changed the kernel's answer",
    Outcome.FAIL: "an expectation did not hold",
    Outcome.ERROR: "the scenario could not do its part",
    Outcome.INCONCLUSIVE: "this machine was too slow to try",
    Outcome.SKIP: "not applicable here",
}
_REQUEST = "echo request of the lab: its reply follows everything that the kernel sent in answer to earlier frames"
_REPLY = "echo reply to the lab: everything that the kernel sent in answer to earlier frames stands before it"


def captures(run: Run, language: str = "en") -> Iterator[tuple[str, list[bytes]]]:
    """Yield file name (`closing.half_close-IPv4.pcapng`) and pcapng blocks of each recording with frames.

    Comments are in this language.
    """
    used: Counter[str] = Counter()
    for result in run.results:
        blocks = list(capture(run, result, language))
        if blocks:
            name = file_name(result)
            used[name] += 1
            yield f"{name}-{used[name]}.pcapng" if used[name] > 1 else f"{name}.pcapng", blocks


def file_name(result: Result) -> str:
    """File name of a result, without a suffix. It has no separators and no leading dot."""
    return _UNUSUAL.sub("_", result.scenario.id).lstrip(".")[:_LONGEST_NAME] + f"-IPv{result.family}"


def data_url(run: Run, result: Result) -> str:
    """The capture of a result as a data URL, for a page that is passed on alone; "" for none."""
    data = b"".join(capture(run, result))
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode('ascii')}" if data else ""


def name_beside(page: Path, result: Result) -> str:
    """URL of the capture of a result, if it is in the same folder as the page; else ""."""
    name = f"{file_name(result)}.pcapng"
    return quote(name) if page.with_name(name).is_file() else ""


def capture(run: Run, result: Result, language: str = "en") -> Iterator[bytes]:
    """Yield the pcapng blocks of one capture; none for a recording without frames."""
    recording = result.recording
    if recording is None or not any(isinstance(event, FrameSeen) for event in recording.events):
        return
    scenario = result.scenario
    translate = translator(language, scenario.translations)
    text = translate.text
    head = f"{text(f'{scenario.id} over IPv{result.family}')}{text(': ')}{text(_VERDICTS[result.outcome])}"
    about = f"{head}\n{translate.own(scenario.title)}\n{scenario.section}"
    environment = run.environment
    yield pcapng.section(f"TCP packet lab {run.version}", f"Linux {environment.get('kernel', '')}".rstrip(), about)
    yield pcapng.interface("kernel", text("what the kernel under test sent"))
    yield pcapng.interface("peer", text("what the user-space endpoint sent"))
    comments = _comments(recording, translate)
    for at, event in recording.in_order:
        if isinstance(event, FrameSeen):
            sender = _PEER if event.from_peer else _KERNEL
            wall_ns = max(0, event.time_ns + run.wall_clock_offset_ns)
            yield pcapng.packet(sender, wall_ns, event.data, "\n".join(comments[at]))


def _comments(recording: Recording, translate: Translator) -> dict[int, list[str]]:
    """Comments by index of the frame's event. A check without a frame belongs to the frame before it."""
    comments: dict[int, list[str]] = {}
    text, last = translate.text, None
    step = text("before the first step")
    for at, event in recording.in_order:
        if isinstance(event, StepBegun):
            step = f"{text('step')}{text(': ')}{translate.own(event.title)}"
        elif isinstance(event, FrameSeen):
            last = at
            comments[at] = [step, *map(text, _notes(event))]
        elif isinstance(event, CheckMade) and event.where is not None:
            about = event.frame if event.frame is not None else last
            if about is not None:
                comments[about].append(_verdict(recording, event, text))
    return comments


def _notes(seen: FrameSeen) -> list[str]:
    if seen.segment is None:
        if seen.from_peer and seen.connection is None:
            return [_REQUEST]
        return [_REPLY if reply_in(seen.data) else f"it carries no segment: {why_no_segment(seen.data)}"]
    notes = ["a retransmission"] * seen.retransmission
    if seen.lost or (seen.connection is not None and seen.peer_state is None):
        notes.append("the wire lost it")
    how = "wrong on purpose" if seen.from_peer else "wrong"
    return notes + [f"{how}: {fault}" for fault in seen.segment.faults]


def _verdict(recording: Recording, check: CheckMade, text: Callable[[str], str]) -> str:
    """The expectation of a check, and its verdict."""
    rows = recording.rows(check)
    # Left out: values that are absent as expected, and a subject that is also the name of a field.
    named = [row for row in rows if not (row.agrees and row.expected == "none")]
    parts = [row.expected if row.field == "flags" else f"{text(row.field)} {text(row.expected)}" for row in named]
    is_named = any(check.subject in {row.field, row.expected} for row in named)
    shown = [text(check.subject)] * (not is_named) + [text(", ").join(parts)] * bool(parts)
    expectation = f"{text('expected')} {text(': ').join(shown)}"
    at = f"   {Path(check.where.file).name}:{check.where.line}" if check.where else ""
    if check.passed:
        return f"{text('ok')}{text(': ')}{expectation}{at}"
    got = text(", ").join(f"{text(row.field)} {text(row.got)}" for row in rows if not row.agrees)
    return f"{text('FAIL')}{text(': ')}{expectation}{text('; ')}{text('got')} {got}{at}"
