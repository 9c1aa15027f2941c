"""What is done with a run that is over: writing all of its views, and opening a very large one."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from lab.claims.catalogue import catalogue
from lab.record.events import CheckMade, CrossingOver, Event, FrameSeen, Recording
from lab.record.results import Result, Run
from lab.record.saved.document import lines_of, load
from lab.record.saved.folder import RUN_FILE, RunFolder
from lab.report.captures import captures
from lab.report.html.page import page
from lab.report.i18n import translator
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Ladder
from lab.report.plain import sentences
from lab.report.screen import Screen
from lab.report.svg import svg
from lab.report.text import ladder_lines, mermaid


class Written(NamedTuple):
    """All views of a run."""

    seconds: float
    report_bytes: int


def write_views(file: Path) -> Written:
    """Write what `lab run` leaves for the run saved in that file, its page, and each ladder in every format."""
    run = load(file)
    for result in run.results:
        _frames_of(result)  # read now, not while the time is taken
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        with RunFolder(Path(place, "run")) as folder:
            for name, blocks in captures(run):
                folder.write(name, blocks)
            folder.write(RUN_FILE, (line.encode() for line in lines_of(run)))
            text = page(run, catalogue())
            folder.write("report.html", [text.encode()])
            for result in run.results:
                if result.recording is not None:
                    _write_ladders(folder, f"{result.scenario.id}-{result.family}", ladder_of(result.recording))
        return Written(time.perf_counter() - began, len(text.encode()))


def _write_ladders(folder: RunFolder, name: str, ladder: Ladder) -> None:
    translate = translator("en")
    folder.write(f"{name}.svg", [svg(ladder, translate).encode()])
    folder.write(f"{name}.mmd", [mermaid(ladder, translate).encode()])
    folder.write(f"{name}.txt", (f"{line}\n".encode() for line in ladder_lines(ladder, Screen())))
    folder.write(f"{name}.plain.txt", (f"{line}\n".encode() for line in sentences(ladder, translate)))


def enlarge(file: Path, frames: int, larger: Path) -> str:
    """Write the saved run again, with its largest recording repeated until that has so many frames; whose that is."""
    run = load(file)
    largest = max(run.results, key=_frames_of)
    if largest.recording is not None:
        _repeat(largest.recording, -(-frames // _frames_of(largest)))
    larger.write_text("".join(lines_of(Run(results=run.results, environment=run.environment))))
    return largest.scenario.id


def _frames_of(result: Result) -> int:
    events = result.recording.events if result.recording else []
    return sum(isinstance(event, FrameSeen) for event in events)


def _repeat(recording: Recording, times: int) -> None:
    once = recording.events
    length_ns = max(event.time_ns for event in once) - min(event.time_ns for event in once) + 1
    recording.events = [_moved(each, n * len(once), n * length_ns) for n in range(times) for each in once]


def _moved(event: Event, by: int, later_ns: int) -> Event:
    event = event._replace(time_ns=event.time_ns + later_ns)
    match event:
        case CheckMade(frame=int(frame)):
            return event._replace(frame=frame + by)
        case CrossingOver(frames=frames):
            return event._replace(frames=tuple(frame + by for frame in frames))
        case _:
            return event
