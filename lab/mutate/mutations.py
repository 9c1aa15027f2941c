"""Mutations for each kind of reading. Each alters exactly one property."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from lab.host.addresses import KERNEL_MAC, PEER_MAC
from lab.host.clock import offset_ns
from lab.host.sockets import CallResult
from lab.record.kernel_state import KernelState
from lab.tcp.flags import ACK, ECE, FIN, PSH, RST, SYN, URG
from lab.tcp.options import Options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.frames import Encoder, Endpoints, decode
from lab.wire.link import Frame

Change = Callable[[Any], Any]
_LATE_NS = 1_000_000_000_000
_FAR = 1_000_000
_FAR_PORT = 1 << 13
"""Bit of a port to toggle; larger than any range of ports that a scenario limits the kernel to."""
_BACK = 128
"""Number of connections on which a mutation can add a segment. No scenario has more at a time."""


def encoded(ends: Endpoints, segment: Segment) -> bytes:
    """A frame from the kernel with this segment and right checksums."""
    encoder = Encoder(ends.source, ends.destination, KERNEL_MAC, PEER_MAC)
    return encoder.encode(ends.source_port, ends.destination_port, segment)


def _segments(change: Callable[[Segment], Segment]) -> Change:
    """A mutation of a frame's segment, with a correct checksum; the frame itself if the segment does not change."""

    def changed(frames: list[Frame]) -> list[Frame]:
        (frame,) = frames
        received = decode(frame.data)
        if received is None:
            return frames
        ends, segment = received
        other = change(segment)
        if other == segment:
            return frames
        return [frame._replace(data=encoded(ends, other))]

    return changed


def _toggled(bit: int) -> Change:
    return _segments(lambda segment: segment._replace(flags=segment.flags ^ bit))


def _options(change: Callable[[Options], Options]) -> Change:
    return _segments(lambda segment: segment._replace(options=change(segment.options)))


def _other_value(option: Any) -> Any:
    name, value = option
    if isinstance(value, int):
        return name, value ^ 1
    if isinstance(value, tuple):
        return name, (value[0] ^ 1, *value[1:])
    return name, value + b"\0" if isinstance(value, bytes) and name != "SAckOK" else value


def _with_other_values(options: Options) -> Options:
    return tuple(_other_value(option) if option[0] not in {"NOP", "EOL", "SAckOK"} else option for option in options)


def _timestamps(change: Callable[[int, int], tuple[int, int]]) -> Callable[[Options], Options]:
    """A mutation of TSval and TSecr, modulo 2**32."""

    def changed(options: Options) -> Options:
        return tuple(
            (name, tuple(number & 0xFFFF_FFFF for number in change(value[0], value[1])))  # type: ignore[index]
            if name == "Timestamp"
            else (name, value)
            for name, value in options
        )

    return changed


def _with_too_large_a_scale(options: Options) -> Options:
    return tuple((name, 15 if name == "WScale" else value) for name, value in options)


def _tsval_from_clock(frames: list[Frame]) -> list[Frame]:
    """Use the monotonic clock as TSval, without a secret offset."""
    (frame,) = frames
    clock = (frame.time_ns - offset_ns()) // 1_000_000
    changed: list[Frame] = _options(_timestamps(lambda _, echo: (clock, echo)))(frames)
    return changed


def _with_one_more(options: Options) -> Options:
    present = {name for name, _ in options}
    return (*options, ("NOP", None), ("NOP", None), ("SAckOK", b"")) if "SAckOK" not in present else (
        *options, ("NOP", None),
    )  # fmt: skip


def _checksum(frames: list[Frame]) -> list[Frame]:
    (frame,) = frames
    return [frame._replace(data=frame.data[:-1] + bytes([frame.data[-1] ^ 1]))]


def _other_port(frames: list[Frame]) -> list[Frame]:
    (frame,) = frames
    received = decode(frame.data)
    if received is None:
        return frames
    ends, segment = received
    return [frame._replace(data=encoded(ends._replace(source_port=ends.source_port ^ _FAR_PORT), segment))]


def _seq_from_clock(frames: list[Frame]) -> list[Frame]:
    """Use a clock of 64 ns as sequence number of a SYN, without a secret offset."""
    (frame,) = frames
    number = Seq(frame.time_ns // 64)
    changed: list[Frame] = _segments(lambda each: each._replace(seq=number) if each.flags & SYN else each)(frames)
    return changed


def _shifted(by_ns: int) -> Change:
    return lambda frames: [frame._replace(time_ns=frame.time_ns + by_ns) for frame in frames]


def _constant(value: int) -> Change:
    return lambda _: value


def _kernel_state(**changes: Callable[[Any], Any]) -> Change:
    def changed(seen: KernelState) -> KernelState:
        return seen._replace(**{name: change(getattr(seen, name)) for name, change in changes.items()})

    return changed


def _another_state(state: State) -> State:
    states = list(State)
    return states[(states.index(state) + 1) % len(states)]


def _ends_with(error: str) -> Change:
    return lambda result: replace(result, error="" if result.error == error else error)


def _another_result(result: CallResult[Any]) -> CallResult[Any]:
    value = result.value
    if isinstance(value, bytes):
        value = bytes([value[0] ^ 1]) + value[1:] if value else b"?"
    elif isinstance(value, int) and not isinstance(value, bool):
        value += 1
    return replace(result, value=value)


def _numbers(change: Callable[[int], int]) -> Change:
    """A mutation of every number in a value of any type."""

    def changed(value: Any) -> Any:
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return change(value)
        if isinstance(value, dict):
            return {name: changed(each) for name, each in value.items()}
        if isinstance(value, list):
            return [*value, *value[:1]] if value else [None]
        if hasattr(value, "_replace"):
            return value._replace(**{name: changed(getattr(value, name)) for name in value._fields})
        if hasattr(value, "__dataclass_fields__"):
            return type(value)(**{each.name: changed(getattr(value, each.name)) for each in fields(value)})
        return value

    return changed


def _one_field(name: str) -> Change:
    return lambda info: {key: value + (key == name) for key, value in info.items()}


A_CLOCK = "a SYN's number from a clock that is the same for all, from then on"
A_CONSTANT = "a SYN's number that is the same for all, from then on"
LASTING = frozenset({"look", "count", "counter", A_CLOCK, A_CONSTANT})
"""Kinds of readings, and names of mutations, for which all later readings are altered too.

The lab queries again if a value is not the expected one: the second query must not find the unaltered value.
"""

MUTATIONS: dict[str, dict[str, Change]] = {
    "frame": {
        "without ACK, or with it": _toggled(ACK),
        "with FIN, or without it": _toggled(FIN),
        "with SYN, or without it": _toggled(SYN),
        "with RST, or without it": _toggled(RST),
        "with PSH, or without it": _toggled(PSH),
        "with URG, or without it": _toggled(URG),
        "with ECE, or without it": _toggled(ECE),
        "seq + 1": _segments(lambda segment: segment._replace(seq=segment.seq + 1)),
        "a byte more": _segments(lambda segment: segment._replace(payload=segment.payload + b"?")),
        "ack + 1": _segments(lambda segment: segment._replace(ack=segment.ack + 1)),
        "seq far off": _segments(lambda segment: segment._replace(seq=segment.seq + 0x4000_0001)),
        "seq far back": _segments(lambda segment: segment._replace(seq=segment.seq + -0x4000_0001)),
        "ack - 1": _segments(lambda segment: segment._replace(ack=segment.ack + -1)),
        A_CLOCK: _seq_from_clock,
        A_CONSTANT: _segments(lambda each: each._replace(seq=Seq(_FAR)) if each.flags & SYN else each),
        "ack far off": _segments(lambda segment: segment._replace(ack=segment.ack + 0x4000_0001)),
        "another window": _segments(lambda segment: segment._replace(window=segment.window ^ 1)),
        "the whole window": _segments(lambda segment: segment._replace(window=0xFFFF)),
        "a reserved bit": _segments(lambda segment: segment._replace(reserved=segment.reserved ^ 1)),
        "no window": _segments(lambda segment: segment._replace(window=0)),
        "an urgent pointer": _segments(lambda segment: segment._replace(urgent=segment.urgent ^ 1)),
        "other values of options": _options(_with_other_values),
        "an option missing": _options(lambda options: options[1:]),
        "an option more": _options(_with_one_more),
        "options in another order": _options(lambda options: options[::-1]),
        "another TSecr": _options(_timestamps(lambda clock, echo: (clock, echo + _FAR))),
        "a TSecr of zero": _options(_timestamps(lambda clock, _: (clock, 0))),
        "another TSval": _options(_timestamps(lambda clock, echo: (clock ^ 1, echo))),
        "the time since the start as TSval": _tsval_from_clock,
        "no options": _options(lambda _: ()),
        "a window scale of 15": _options(_with_too_large_a_scale),
        "a SACK block": _options(lambda options: (*options, ("NOP", None), ("NOP", None), ("SAck", (_FAR, _FAR + 9)))),
        "an older TSval": _options(_timestamps(lambda clock, echo: (clock - _FAR, echo))),
        "another payload": _segments(
            lambda segment: segment._replace(
                payload=bytes([segment.payload[0] ^ 1]) + segment.payload[1:] if segment.payload else b"?"
            )
        ),
        "the same option again": _options(lambda options: (*options, *options[:1])),
        "a byte less": _segments(lambda segment: segment._replace(payload=segment.payload[:-1])),
        "a wrong checksum": _checksum,
        "from another port": _other_port,
        "twice": lambda frames: frames * 2,
        "never": lambda frames: [],  # noqa: ARG005  # that is the mutation
        "late": _shifted(_LATE_NS),
        "early": _shifted(-_LATE_NS),
    },
    # The connection of the extra segment: the last one that the lab used, the one before that, ...
    "fence": {
        "one segment more": lambda _: 1,
        **{f"one segment more, on the connection {back} before": _constant(back + 1) for back in range(1, _BACK)},
    },
    "text": {"another text": lambda text: text + b"?"},
    "peer": {"another state of the peer": _another_state},
    "look": {
        "another state": _kernel_state(state=_another_state),
        "another timer": _kernel_state(timer_number=lambda number: (number + 1) % 5),
        "a timer that ends sooner": _kernel_state(expires_ms=lambda _: 0),
        "a timer that ends later": _kernel_state(expires_ms=lambda ms: ms + _FAR),
        "one retransmission more": _kernel_state(retransmits=lambda count: count + 1),
        "a longer receive queue": _kernel_state(receive_queue=lambda size: size + 1),
        "a longer send queue": _kernel_state(send_queue=lambda size: size + 1),
        "another owner": _kernel_state(inode=lambda inode: 0 if inode else 1),
    },
    "count": {
        "one more": _numbers(lambda number: number + 1),
        "another timer": lambda found: [each._replace(timer_number=each.timer_number + 1) for each in found],
    },
    "call": {"another errno": _ends_with("EIO"), "another value": _another_result, "no errno": _ends_with("")},
    "poll": {"other events": lambda events: "POLLPRI" if events != "POLLPRI" else ""},
    "info": {
        "numbers + 1": _numbers(lambda number: number + 1),
        "far larger numbers": _numbers(lambda number: number + _FAR),
        "nothing but zeros": _numbers(lambda _: 0),
        "of a socket that is gone": lambda info: info or {"state": 7},
        "snd_wnd + 1": _one_field("snd_wnd"),
        "sack + 1": _one_field("sack"),
    },
    "counter": {
        "one more": _numbers(lambda number: number + 1),
        "many more": _numbers(lambda number: number + _FAR),
        "none": _numbers(lambda _: 0),
        "ever more": _numbers(lambda number: number + time.monotonic_ns()),
    },
}
