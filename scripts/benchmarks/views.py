"""What is done with a run that is over: writing all of its views, and opening a very large one."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from lab.report.captures import captures
from lab.saved.document import lines_of, load
from lab.saved.folder import RUN_FILE, RunFolder
from lab.scenario.recording import CheckMade, CrossingOver, Event, FrameSeen, Recording
from lab.scenario.result import Result, Run


def writing_seconds(file: Path) -> float:
    """How long it takes to write what `lab run` leaves, for the run saved in that file."""
    run = load(file)
    for result in run.results:
        _frames_of(result)  # read now, not while the time is taken
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        with RunFolder(Path(place, "run")) as folder:
            for name, blocks in captures(run):
                folder.write(name, blocks)
            folder.write(RUN_FILE, (line.encode() for line in lines_of(run)))
        return time.perf_counter() - began


def enlarge(file: Path, frames: int, larger: Path) -> None:
    """Write the saved run again, with its largest recording repeated until that has so many frames."""
    run = load(file)
    largest = max(run.results, key=_frames_of)
    if largest.recording is not None:
        _repeat(largest.recording, -(-frames // _frames_of(largest)))
    larger.write_text("".join(lines_of(Run(results=run.results, environment=run.environment))))


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
