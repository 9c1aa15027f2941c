"""What can be missing on this machine: said in two lines, why and what to do."""

from __future__ import annotations


class MachineError(Exception):
    """The lab cannot run here. `why` says what is missing, `remedy` how to get it; neither ends with a full stop."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why, remedy)  # as they are given, so that it passes from one process to another
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.why}; {self.remedy}"
