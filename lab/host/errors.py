"""The error for a machine that cannot run the lab: the reason and a remedy."""

from __future__ import annotations


class MachineError(Exception):
    """The lab cannot run on this machine. `why` is the reason, `remedy` what to do; neither ends with a full stop."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why, remedy)  # both arguments, so that it can be pickled
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.why}; {self.remedy}"
