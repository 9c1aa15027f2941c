"""The ladder in sentences, one for each rung: for screen readers, and as text alternative of drawings."""

from __future__ import annotations

from collections.abc import Iterator

from lab.record.events import CallMade, FrameSeen
from lab.record.expectation import relative
from lab.report.evidence import own_and_other
from lab.report.i18n import Words
from lab.report.ladder_model import Kind, Ladder, Rung
from lab.report.screen import printable
from lab.tcp import flags
from lab.tcp.options import Option, value_text
from lab.tcp.segment import Segment

FLAG_NAMES = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS")
"""The control bits, the lowest first."""


def sentences(ladder: Ladder, say: Words) -> Iterator[str]:
    """A line for each rung."""
    for at, rung in enumerate(ladder.rungs):
        if at == ladder.gap:
            yield say("left_out", count=ladder.omitted)
        yield sentence(ladder, rung, say)


def sentence(ladder: Ladder, rung: Rung, say: Words) -> str:
    """What happened there, and what state that leads to."""
    told = [_event(ladder, rung, say), *_marks(rung, say)]
    if rung.kind is not Kind.WAIT:
        told += _states(rung, say)
    text = say("space").join(told)
    name = ladder.name(rung)
    return say("on_connection", name=name, sentence=text) if name else text


def _event(ladder: Ladder, rung: Rung, say: Words) -> str:
    time = say("milliseconds", count=f"{rung.time_ns / 1e6:.1f}")
    match rung.kind:
        case Kind.STEP:
            return say("step", title=printable(rung.text).rstrip(".。"))
        case Kind.WAIT:
            duration = say("seconds", count=f"{rung.waited_ns / 1e9:.3g}")
            timer = say(rung.timer_key) if rung.timer else ""
            return say("waits_for", duration=duration, timer=timer) if timer else say("waits", duration=duration)
        case Kind.ARRIVAL:
            return say("arrives", time=time)
        case Kind.STATE:
            return say("by_itself", time=time)
        case Kind.CALL:
            call = ladder.recording.events[rung.event] if rung.event is not None else None
            assert isinstance(call, CallMade)
            return say("calls", time=time, call=printable(str(call)), result=printable(call.result))
    side = say("peer" if rung.from_peer else "kernel")
    seen = ladder.seen(rung)
    if seen is None:
        return say("sends_frame", time=time, side=side, what=printable(rung.text))
    frame, segment = seen
    return say("sends", time=time, side=side, flags=flag_names(segment, say), numbers=_numbers(frame, segment, say))


def flag_names(segment: Segment, say: Words) -> str:
    """The control bits by name: "SYN+ACK"."""
    order = [name for bit, name in enumerate(FLAG_NAMES) if segment.flags >> bit & 1 and name != "ACK"]
    return "+".join([*order, *(["ACK"] if segment.flags & flags.ACK else [])]) or say("no_flags")


def _numbers(frame: FrameSeen, segment: Segment, say: Words) -> str:
    own, other = own_and_other(frame.bases, frame.from_peer)
    told = [say("sequence", seq=relative(segment.seq, own))]
    if segment.payload:
        told.append(say("data", count=len(segment.payload)))
    if segment.flags & flags.ACK:
        told.append(say("ack", ack=relative(segment.ack, other)))
    told.append(say("window", window=segment.window))
    if segment.flags & flags.URG:
        told.append(say("urgent", urgent=segment.urgent))
    told += [_option(option, say) for option in segment.options if option[0] not in {"NOP", "EOL"}]
    return say("comma").join([*told, *segment.faults])


def _option(option: Option, say: Words) -> str:
    match option:
        case "Timestamp", (sent, echo):
            return say("option_Timestamp", value=sent, echo=echo)
        case str(name), _:
            return say(f"option_{name}", value=value_text(option))
        case kind, _:
            return say("option_other", value=kind)


def _marks(rung: Rung, say: Words) -> list[str]:
    marks = {
        "is_retransmission": rung.retransmission,
        "is_lost": rung.lost,
        "is_under_way": rung.arrives is not None,
        "broke": rung.broke,
    }
    return [say(key) for key, holds in marks.items() if holds]


def _states(rung: Rung, say: Words) -> list[str]:
    """The states that are new."""
    peer, kernel = (state.value if state is not None else None for state in rung.new)
    key = "both_now" if peer and kernel else "peer_now" if peer else "kernel_now"
    return [say(key, peer=peer, kernel=kernel)] if peer or kernel else []
