"""Files in which a learner writes, beside the progress. Each begins as a skeleton in the learner's language."""

from __future__ import annotations

import os
from pathlib import Path

from lab.exercise.make.rungs import Rung
from lab.exercise.progress import FOLDER
from lab.record.saved.folder import ensure_folder, put

_MOST_BYTES = 1_000_000
_SKELETONS = Path(__file__).with_name("skeletons")


class NotReadable(Exception):
    """A learner's file cannot be read; the message names it and the reason in one line."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file}: {why}")


def file_of(rung: Rung) -> Path:
    """The file for a rung, relative to the working directory."""
    return FOLDER / "make" / rung.file


def ensure_file(rung: Rung, language: str) -> bool:
    """Write the skeleton unless the file is there; whether it was written. Raises NotWritable."""
    file = file_of(rung)
    if os.path.lexists(file):
        return False
    ensure_folder(file.parent)
    put(file.absolute(), [skeleton(rung, language).encode()])
    return True


def skeleton(rung: Rung, language: str) -> str:
    """The text with which a file begins."""
    return (_SKELETONS / language / rung.file).read_text(encoding="utf-8")


def read(rung: Rung) -> str:
    """The text of a rung's file. Raises NotReadable."""
    file = file_of(rung)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        text = data.decode()
    except OSError as refused:
        raise NotReadable(file, refused.strerror or str(refused)) from None
    except UnicodeDecodeError:
        raise NotReadable(file, "it is not text in UTF-8") from None
    if len(data) > _MOST_BYTES:
        raise NotReadable(file, "it is too large")
    return text
