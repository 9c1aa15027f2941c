"""Ladder as sentences, one for each rung: for screen readers, and as the text alternative of drawings."""

from __future__ import annotations

from collections.abc import Iterator

from lab.record.events import CallMade, FrameSeen
from lab.record.expectation import relative
from lab.report.evidence import own_and_other
from lab.report.i18n import Translator
from lab.report.ladder_model import Kind, Ladder, Rung
from lab.report.screen import printable
from lab.tcp import flags
from lab.tcp.options import Option, value_text
from lab.tcp.segment import Segment

FLAG_NAMES = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS")
"""Names of the control bits, the lowest bit first."""


def sentences(ladder: Ladder, translate: Translator) -> Iterator[str]:
    """Yield a sentence for each rung."""
    for at, rung in enumerate(ladder.rungs):
        if at == ladder.gap:
            yield translate("left_out", count=ladder.omitted)
        yield sentence(ladder, rung, translate)


def sentence(ladder: Ladder, rung: Rung, translate: Translator) -> str:
    """The event of a rung, and the new states, or the timer that runs, after it."""
    return translate("space").join(filter(None, (event_sentence(ladder, rung, translate), outcome(rung, translate))))


def event_sentence(ladder: Ladder, rung: Rung, translate: Translator) -> str:
    """The event of a rung alone."""
    text = translate("space").join([_event(ladder, rung, translate), *_marks(rung, translate)])
    name = ladder.name(rung)
    return translate("on_connection", name=name, sentence=text) if name else text


def outcome(rung: Rung, translate: Translator) -> str:
    """The states that changed, or the timer that runs during a wait; "" for neither.

    Predict mode of the page hides it, as it may give the next segment away.
    """
    if rung.kind is Kind.WAIT:
        return translate("timer_runs", timer=translate(rung.timer_key)) if rung.timer else ""
    peer, kernel = (state.value if state is not None else None for state in rung.new)
    key = "both_now" if peer and kernel else "peer_now" if peer else "kernel_now"
    return translate(key, peer=peer, kernel=kernel) if peer or kernel else ""


def _event(ladder: Ladder, rung: Rung, translate: Translator) -> str:
    time = translate("milliseconds", count=f"{rung.time_ns / 1e6:.1f}")
    match rung.kind:
        case Kind.STEP:
            return translate("step", title=printable(translate.own(rung.text)).rstrip(".。"))
        case Kind.WAIT:
            return translate("waits", duration=translate("seconds", count=f"{rung.waited_ns / 1e9:.3g}"))
        case Kind.ARRIVAL:
            return translate("arrives", time=time)
        case Kind.STATE:
            return translate("by_itself", time=time)
        case Kind.CALL:
            call = ladder.recording.events[rung.event] if rung.event is not None else None
            assert isinstance(call, CallMade)
            return translate(
                "calls", time=time, call=printable(str(call)), result=printable(translate.text(call.result))
            )
    side = translate("peer" if rung.from_peer else "kernel")
    seen = ladder.seen(rung)
    if seen is None:
        return translate("sends_frame", time=time, side=side, what=printable(translate.text(rung.text)))
    frame, segment = seen
    names, numbers = flag_names(segment, translate), _numbers(frame, segment, translate)
    return translate("sends", time=time, side=side, flags=names, numbers=numbers)


def flag_names(segment: Segment, translate: Translator) -> str:
    """Names of the control bits: "SYN+ACK"."""
    order = [name for bit, name in enumerate(FLAG_NAMES) if segment.flags >> bit & 1 and name != "ACK"]
    return "+".join([*order, *(["ACK"] if segment.flags & flags.ACK else [])]) or translate("no_flags")


def _numbers(frame: FrameSeen, segment: Segment, translate: Translator) -> str:
    own, other = own_and_other(frame.bases, frame.from_peer)
    parts = [translate("sequence", seq=relative(segment.seq, own))]
    if segment.payload:
        parts.append(translate("data", count=len(segment.payload)))
    if segment.flags & flags.ACK:
        parts.append(translate("ack", ack=relative(segment.ack, other)))
    parts.append(translate("window", window=segment.window))
    if segment.flags & flags.URG:
        parts.append(translate("urgent", urgent=segment.urgent))
    parts += [_option(option, translate) for option in segment.options if option[0] not in {"NOP", "EOL"}]
    return translate("comma").join([*parts, *map(translate.text, segment.faults)])


def _option(option: Option, translate: Translator) -> str:
    match option:
        case "Timestamp", (sent, echo):
            return translate("option_Timestamp", value=sent, echo=echo)
        case str(name), _:
            return translate(f"option_{name}", value=value_text(option))
        case kind, _:
            return translate("option_other", value=kind)


def _marks(rung: Rung, translate: Translator) -> list[str]:
    marks = {
        "is_retransmission": rung.retransmission,
        "is_lost": rung.lost,
        "is_under_way": rung.arrival is not None,
        "broke": rung.broke,
    }
    return [translate(key) for key, holds in marks.items() if holds]
