"""The ladder as a mermaid sequence diagram, which GitHub and others draw where it stands in a document."""

from __future__ import annotations

from collections.abc import Iterator

from lab.report.i18n import Words
from lab.report.ladder_model import Kind, Ladder, Rung
from lab.report.screen import printable
from lab.report.text import duration

MOST_RUNGS = 300
"""A diagram of more than 50,000 characters is refused where it is drawn."""


def mermaid(ladder: Ladder, say: Words) -> str:
    """The diagram, without a fence around it."""
    return "\n".join(_lines(ladder, say)) + "\n"


def _lines(ladder: Ladder, say: Words) -> Iterator[str]:
    yield "sequenceDiagram"
    yield f"    participant P as {say('peer_head')}"
    yield f"    participant K as {say('kernel_head')}"
    for at, rung in enumerate(ladder.rungs):
        if at == ladder.gap:
            yield f"    Note over P,K: {_text(say('left_out', count=ladder.omitted))}"
        name = ladder.name(rung)
        for line in _rung(rung, f"[{name}] " if name else "", say):
            yield f"    {line}"


def _rung(rung: Rung, name: str, say: Words) -> Iterator[str]:
    match rung.kind:
        case Kind.STEP:
            yield f"Note over P,K: {_text(rung.text)}"
        case Kind.WAIT:
            timer = f" {say(rung.timer_key)}" if rung.timer else ""
            yield f"Note over P,K: {_text(duration(rung.waited_ns) + timer)}"
        case Kind.CALL:
            yield f"Note right of K: {_text(name + rung.text)}"
        case Kind.ARRIVAL:
            yield f"Note right of K: {_text(say('arrives_note'))}"
        case Kind.STATE:
            yield f"Note right of K: {_text(name + say('by_itself_note'))}"
        case _:
            arrow = ("--" if rung.retransmission else "-") + ("x" if rung.lost else ">>")
            ends = f"P{arrow}K" if rung.from_peer else f"K{arrow}P"
            marks = [say(key) for key, holds in (("lost", rung.lost), ("here", rung.broke)) if holds]
            numbers, options, rest = rung.text.partition(" <")
            told = [_text(f"{name}{rung.letters} {numbers}"), *([_text(options.strip() + rest)] if options else [])]
            yield f"{ends}: {'<br/>'.join([*told, *map(_text, marks)])}"
    for where, state in zip(("left of P", "right of K"), rung.new, strict=True):
        if state is not None:
            yield f"Note {where}: {state.value}"


def _text(text: str) -> str:
    """As it has to be written: what mermaid or HTML would read as something else is a character's number."""
    told = "".join(f"#{ord(each)};" if each in "#;<>&%\"'\\`" else each for each in printable(text))
    return told.replace("wrap:", "wrap#58;")  # a word of its own at the beginning of a text
