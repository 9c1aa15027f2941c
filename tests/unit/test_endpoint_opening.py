"""Opening: 3.5, 3.10.1, 3.10.7.1 to 3.10.7.4 up to ESTABLISHED."""

from __future__ import annotations

import pytest

from lab.tcp.diagram import CLOSE_WAIT, CLOSED, ESTABLISHED, LISTEN, SYN_RECEIVED, SYN_SENT
from lab.tcp.endpoint import Config, Endpoint, UserCallError
from lab.tcp.flags import ACK, RST, SYN, bits
from lab.tcp.options import Options, has, value_of
from lab.tcp.output import next_segment, segments_owed
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from tests.unit.states import IRS, NOW, WINDOW, arrive, endpoint_in, established, listening, syn_received, syn_sent

ISS = Config().iss


@pytest.mark.parametrize("state", [CLOSED, LISTEN])
def test_no_connection_answers_an_ack_in_its_own_numbers(state: object) -> None:
    endpoint = listening() if state is LISTEN else Endpoint()
    assert arrive(endpoint, "A", ack=Seq(77)) == [Segment(Seq(77), Seq(0), RST)]
    assert arrive(endpoint, "R") == []


def test_closed_answers_a_segment_without_ack_with_its_end() -> None:
    assert arrive(Endpoint(), "S", b"abc", seq=Seq(2**32 - 1)) == [Segment(Seq(0), Seq(3), RST | ACK)]


def test_listen_ignores_what_is_neither_syn_ack_nor_reset() -> None:
    endpoint = listening()
    assert arrive(endpoint, "F") == []
    assert endpoint.state is LISTEN


def test_the_syn_ack_has_the_numbers_of_figure_6() -> None:
    endpoint = listening()
    (answer,) = arrive(endpoint, "S", seq=IRS)
    assert (answer.seq, answer.ack, answer.letters) == (ISS, IRS + 1, "SA")


@pytest.mark.parametrize(
    ("offered", "answered"),
    [((), set()), ((("WScale", 2),), {"WScale"}), ((("Timestamp", (9, 0)), ("SAckOK", b"")), {"Timestamp", "SAckOK"}),
     ((("SAckOK", b""),), {"SAckOK"})],
    ids=["nothing", "scale", "timestamps and SACK", "SACK"],
)  # fmt: skip
def test_the_syn_ack_has_only_options_that_the_syn_had(offered: Options, answered: set[str]) -> None:
    endpoint = listening(Config(timestamps=True, window_scale=7, sack_permitted=True))
    (answer,) = arrive(endpoint, "S", seq=IRS, options=offered)
    assert {name for name, _ in answer.options if name not in ("MSS", "NOP")} == answered
    if "Timestamp" in answered:
        stamp = value_of(answer.options, "Timestamp")
        assert stamp == (int(NOW * 1000), 9)


def test_a_syn_without_mss_option_means_the_default() -> None:
    assert established(Config(default_mss=1220)).snd_mss == 1220
    assert established(options=(("MSS", 900),)).snd_mss == 900
    assert established(options=(("MSS", 0),)).snd_mss == 536


def test_no_mss_option_when_none_is_configured() -> None:
    (syn,) = _connected(Config(mss=None))
    assert not has(syn.options, "MSS")


def test_a_window_scale_above_14_counts_as_14_and_a_syn_is_never_scaled() -> None:
    endpoint = listening(Config(window_scale=1, window=100_000))
    (answer,) = arrive(endpoint, "S", seq=IRS, options=(("WScale", 99),), window=10)
    assert answer.window == 65535
    assert endpoint.snd_wnd == 10
    arrive(endpoint, "A", window=2)
    assert endpoint.snd_wnd == 2 << 14
    assert next_segment(endpoint, ACK, b"", NOW).window == 50_000


def _connected(config: Config | None = None) -> list[Segment]:
    endpoint = Endpoint(config)
    endpoint.connect(NOW)
    return segments_owed(endpoint, NOW)


@pytest.mark.parametrize("ack", [ISS, ISS + 2], ids=["old", "beyond"])
def test_syn_sent_resets_a_wrong_ack_in_its_numbers(ack: Seq) -> None:
    endpoint = syn_sent()
    assert arrive(endpoint, "SA", ack=ack) == [Segment(ack, Seq(0), RST)]
    assert arrive(endpoint, "RA", ack=ack) == []
    assert endpoint.state is SYN_SENT


@pytest.mark.parametrize("flags", ["R", "A", "FA"])
def test_syn_sent_drops_what_answers_nothing(flags: str) -> None:
    endpoint = syn_sent()
    assert arrive(endpoint, flags) == []
    assert endpoint.state is SYN_SENT


def test_syn_sent_is_reset_by_the_ack_of_its_syn_whatever_the_seq() -> None:
    endpoint = syn_sent()
    arrive(endpoint, "RA", seq=Seq(12345))
    assert (endpoint.state, endpoint.error) == (CLOSED, "connection reset")


def test_text_in_the_syn_waits_for_the_handshake() -> None:
    endpoint = listening()
    (answer,) = arrive(endpoint, "SF", b"early", seq=IRS)
    assert answer.ack == IRS + 1
    assert endpoint.read() == b""
    (ack,) = arrive(endpoint, "A")
    assert ack.ack == IRS + 1 + len(b"early") + 1
    assert endpoint.read() == b"early"
    assert endpoint.state is CLOSE_WAIT


def test_text_in_the_syn_ack_is_taken_at_once() -> None:
    endpoint = syn_sent()
    (ack,) = arrive(endpoint, "SA", b"hi", seq=IRS)
    assert ack.ack == IRS + 3
    assert endpoint.read() == b"hi"


@pytest.mark.parametrize("ack", [ISS, ISS + 2], ids=["old", "beyond"])
def test_syn_received_resets_a_wrong_ack_and_stays(ack: Seq) -> None:
    endpoint = syn_received()
    assert arrive(endpoint, "A", ack=ack) == [Segment(ack, Seq(0), RST)]
    assert endpoint.state is SYN_RECEIVED


def test_syn_received_after_an_active_open_is_refused() -> None:
    endpoint = syn_received(passive=False)
    arrive(endpoint, "R")
    assert (endpoint.state, endpoint.error) == (CLOSED, "connection refused")


def test_a_listener_that_was_reset_takes_the_next_syn_with_an_iss_beyond_the_old_numbers() -> None:
    endpoint = syn_received()
    arrive(endpoint, "R")
    assert (endpoint.state, endpoint.error) == (LISTEN, None)
    (answer,) = arrive(endpoint, "S", seq=IRS + 5)
    assert answer.seq > ISS + 1
    assert answer.ack == IRS + 6


def test_a_repeated_syn_gets_an_ack() -> None:
    endpoint = syn_received()
    (answer,) = arrive(endpoint, "S", seq=IRS)
    assert (answer.letters, answer.seq, answer.ack) == ("A", ISS + 1, IRS + 1)


def test_a_crossing_syn_is_answered_in_both_sides_own_numbers() -> None:
    endpoint = syn_sent(Config(window_scale=2))
    (answer,) = arrive(endpoint, "S", seq=IRS, options=(("WScale", 5),))
    assert (answer.letters, answer.seq, answer.ack) == ("SA", ISS, IRS + 1)
    assert arrive(endpoint, "SA", seq=IRS) == []
    assert endpoint.state is ESTABLISHED
    assert (endpoint.rcv_shift, endpoint.snd_shift) == (2, 5)
    assert endpoint.snd_wnd == WINDOW << 5


def test_a_syn_ack_of_the_wrong_ack_does_not_finish_a_simultaneous_open() -> None:
    endpoint = syn_received(passive=False)
    assert arrive(endpoint, "S", seq=IRS + 1)[0].letters == "A"
    assert endpoint.state is SYN_RECEIVED


def test_opening_twice_is_an_error() -> None:
    for endpoint in (listening(), syn_sent(), established()):
        with pytest.raises(UserCallError, match="connection already exists"):
            endpoint.listen()
    for endpoint in (syn_sent(), established()):
        with pytest.raises(UserCallError, match="connection already exists"):
            endpoint.connect(NOW)


@pytest.mark.parametrize("call", ["send", "close", "abort"])
def test_a_closed_connection_does_not_exist(call: str) -> None:
    endpoint = Endpoint()
    arguments = (b"x", NOW) if call == "send" else (NOW,)
    with pytest.raises(UserCallError, match="connection does not exist"):
        getattr(endpoint, call)(*arguments)


def test_a_sender_in_listen_opens_actively_and_sends_then() -> None:
    endpoint = listening()
    endpoint.send(b"hello", NOW)
    (syn,) = segments_owed(endpoint, NOW)
    assert syn.flags == SYN
    sent = arrive(endpoint, "SA", seq=IRS)
    assert [(segment.letters, segment.payload) for segment in sent] == [("PA", b"hello")]


def test_a_new_connection_on_the_same_endpoint_starts_beyond_the_old_numbers() -> None:
    endpoint = endpoint_in(ESTABLISHED)
    old = endpoint.snd_nxt
    arrive(endpoint, "R")
    endpoint.connect(NOW)
    (syn,) = segments_owed(endpoint, NOW)
    assert syn.seq > old
    assert endpoint.error is None
    assert bits("S") == syn.flags
