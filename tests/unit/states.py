"""Endpoints brought to each state by scripted segments of an imaginary other side."""

from __future__ import annotations

from collections.abc import Callable

from lab.tcp.diagram import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.flags import ACK, bits
from lab.tcp.input import segment_arrives
from lab.tcp.options import Options
from lab.tcp.output import segments_owed
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

IRS = Seq(2**32 - 3)
NOW = 100.0
WINDOW = 4096


def arrive(endpoint: Endpoint, flags: str, payload: bytes = b"", now: float = NOW, **fields: object) -> list[Segment]:
    """Give the endpoint the other side's next segment, with some fields changed; what it answers at once."""
    ack = endpoint.snd_nxt if bits(flags) & ACK else Seq(0)
    segment = Segment(endpoint.rcv_nxt, ack, bits(flags), WINDOW, payload=payload)
    segment_arrives(endpoint, segment._replace(**fields), now)  # type: ignore[arg-type]
    return segments_owed(endpoint, now)


def syn_sent(config: Config | None = None) -> Endpoint:
    endpoint = Endpoint(config)
    endpoint.connect(NOW)
    segments_owed(endpoint, NOW)
    return endpoint


def listening(config: Config | None = None) -> Endpoint:
    endpoint = Endpoint(config)
    endpoint.listen()
    return endpoint


def syn_received(config: Config | None = None, *, passive: bool = True, options: Options = ()) -> Endpoint:
    endpoint = listening(config) if passive else syn_sent(config)
    arrive(endpoint, "S", seq=IRS, options=options)
    return endpoint


def established(config: Config | None = None, *, passive: bool = True, options: Options = ()) -> Endpoint:
    if passive:
        endpoint = syn_received(config, options=options)
        stamp: Options = (("Timestamp", (endpoint.ts_recent, 0)),) if endpoint.ts_ok else ()
        arrive(endpoint, "A", options=stamp)
    else:
        endpoint = syn_sent(config)
        arrive(endpoint, "SA", seq=IRS, options=options)
    return endpoint


def fin_wait_1(config: Config | None = None, *, passive: bool = True) -> Endpoint:
    endpoint = established(config, passive=passive)
    endpoint.close(NOW)
    segments_owed(endpoint, NOW)
    return endpoint


def fin_wait_2(config: Config | None = None, *, passive: bool = True) -> Endpoint:
    endpoint = fin_wait_1(config, passive=passive)
    arrive(endpoint, "A")
    return endpoint


def close_wait(config: Config | None = None, *, passive: bool = True) -> Endpoint:
    endpoint = established(config, passive=passive)
    arrive(endpoint, "FA")
    return endpoint


def closing(config: Config | None = None, *, passive: bool = True) -> Endpoint:
    endpoint = fin_wait_1(config, passive=passive)
    arrive(endpoint, "FA", ack=endpoint.snd_una)
    return endpoint


def last_ack(config: Config | None = None, *, passive: bool = True) -> Endpoint:
    endpoint = close_wait(config, passive=passive)
    endpoint.close(NOW)
    segments_owed(endpoint, NOW)
    return endpoint


def time_wait(config: Config | None = None, *, passive: bool = True) -> Endpoint:
    endpoint = fin_wait_2(config, passive=passive)
    arrive(endpoint, "FA")
    return endpoint


_BUILDERS: dict[State, Callable[..., Endpoint]] = {
    SYN_RECEIVED: syn_received,
    ESTABLISHED: established,
    FIN_WAIT_1: fin_wait_1,
    FIN_WAIT_2: fin_wait_2,
    CLOSE_WAIT: close_wait,
    CLOSING: closing,
    LAST_ACK: last_ack,
    TIME_WAIT: time_wait,
}
SYNCHRONIZED = (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT)


def endpoint_in(state: State, *, passive: bool = True) -> Endpoint:
    """An endpoint in `state`, with nothing owed."""
    if state is CLOSED:
        return Endpoint()
    if state is LISTEN:
        return listening()
    if state is SYN_SENT:
        return syn_sent()
    endpoint = _BUILDERS[state](passive=passive)
    assert endpoint.state is state
    return endpoint
