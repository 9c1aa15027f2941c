"""The name that an author probably meant by a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean "seq"?`, to end a message about an unknown name; "" if no known one is like it."""
    names = {name.lower(): name for name in known if name}
    written = str(word).lower()
    longer_or_shorter = [name for name in names if len(name) > 2 and (written.startswith(name) or name in written)]
    likely = get_close_matches(written, names, 1) or sorted(longer_or_shorter, key=len)[-1:]
    return f"; did you mean {names[likely[0]]}?" if likely else ""
