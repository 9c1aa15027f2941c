"""A TCP packet lab: open and close real connections with the Linux kernel, and check every segment and every state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["ANY", "Lab", "scenario"]

if TYPE_CHECKING:
    from lab.author.lab import Lab
    from lab.author.registry import scenario
    from lab.record.expectation import ANY

_HOME = {"ANY": "lab.record.expectation", "Lab": "lab.author.lab", "scenario": "lab.author.registry"}


def __getattr__(name: str) -> Any:
    # Loaded at the first use: `lab --help` needs none of them, and they need pyroute2 and Scapy.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
