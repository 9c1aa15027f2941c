"""A TCP packet lab: open and close real connections with the Linux kernel, and check every segment and every state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "ANY",
    "ZERO",
    "Connection",
    "Inconclusive",
    "Kernel",
    "Lab",
    "Listener",
    "NotApplicable",
    "Peer",
    "scenario",
]

if TYPE_CHECKING:
    from lab.author.kernel import Kernel
    from lab.author.lab import Lab
    from lab.author.peer import Peer
    from lab.author.registry import scenario
    from lab.author.sockets import Connection, Listener
    from lab.record.expectation import ANY, ZERO
    from lab.session.errors import Inconclusive, NotApplicable
else:
    # Loaded at the first use: `lab --help` needs none of them.
    _MODULES = {
        "ANY": "lab.record.expectation",
        "ZERO": "lab.record.expectation",
        "Connection": "lab.author.sockets",
        "Inconclusive": "lab.session.errors",
        "Kernel": "lab.author.kernel",
        "Lab": "lab.author.lab",
        "Listener": "lab.author.sockets",
        "NotApplicable": "lab.session.errors",
        "Peer": "lab.author.peer",
        "scenario": "lab.author.registry",
    }

    # Hidden from type checkers, which would otherwise take a misspelt name for Any.
    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_MODULES[name]), name)
