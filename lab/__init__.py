"""A TCP packet lab: open and close real connections with the Linux kernel, and check every segment and every state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["ANY", "Lab", "scenario"]

if TYPE_CHECKING:
    from lab.scenario.expectation import ANY
    from lab.scenario.lab import Lab
    from lab.scenario.registry import scenario

_HOME = {"ANY": "lab.scenario.expectation", "Lab": "lab.scenario.lab", "scenario": "lab.scenario.registry"}


def __getattr__(name: str) -> Any:
    # Loaded at the first use: `lab --help` needs none of them, and they need pyroute2 and Scapy.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
