"""Suggestions for misspelt names of the lab's API, made from the exception that Python raises."""

from __future__ import annotations

import inspect
import re

import lab
from lab.author.kernel import Kernel
from lab.author.lab import Attempt, Lab
from lab.author.peer import Peer
from lab.author.router import Router
from lab.author.sockets import Connection, Listener, Process, Socket
from lab.record.nearest import did_you_mean

_CLASSES = {each.__name__: each for each in (Lab, Attempt, Kernel, Peer, Router, Socket, Listener, Connection, Process)}
_ARGUMENT = re.compile(r"(?:(\w+)\.)?(\w+)\(\) got an unexpected keyword argument '(\w+)'")
_IMPORT = re.compile(r"cannot import name '(\w+)' from 'lab'")


def nearest(raised: BaseException) -> str:
    """The nearest name of the lab's API to the one that is unknown: "; did you mean ...?". "" if there is none."""
    if isinstance(raised, AttributeError) and type(raised.obj).__name__ in _CLASSES:
        return did_you_mean(raised.name, (name for name in dir(raised.obj) if not name.startswith("_")))
    if isinstance(raised, ImportError) and (found := _IMPORT.match(str(raised))):
        return did_you_mean(found[1], lab.__all__)
    if isinstance(raised, TypeError) and (found := _ARGUMENT.match(str(raised))):
        word = getattr(_CLASSES.get(found[1], lab), found[2], None)
        return did_you_mean(found[3], inspect.signature(word).parameters) if callable(word) else ""
    return ""
