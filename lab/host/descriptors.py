"""How many files and sockets this process may have open."""

from __future__ import annotations

import resource


def allow_all() -> None:
    """Raise the soft limit to the hard one (setrlimit(2)): what runs side by side needs more than the usual 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
