from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP

from lab.record.expectation import ANY
from lab.tcp import options
from lab.tcp.options import Option, Options
from tests.unit.crafted import ANY_OPTION, KNOWN_OPTION, WORDS

LISTS = st.lists(ANY_OPTION, max_size=6).map(tuple)


@given(LISTS)
def test_decode_inverts_encode(chosen: Options) -> None:
    assert options.decode(options.encode(chosen)) == (chosen, None)


@given(st.lists(KNOWN_OPTION, max_size=4).map(tuple).filter(lambda chosen: len(options.padded(chosen)) <= 40))
def test_scapy_writes_the_same_bytes_and_reads_the_same_options(chosen: Options) -> None:
    theirs = TCP(options=list(chosen))
    assert bytes(theirs)[20:] == options.padded(chosen)
    read = [option for option in TCP(bytes(theirs)).options if option[0] != "EOL"]
    assert read == list(chosen)


@given(WORDS, WORDS)
def test_the_timestamps_of_ordinary_segments_have_a_short_way(tsval: int, tsecr: int) -> None:
    chosen: Options = (("NOP", None), ("NOP", None), ("Timestamp", (tsval, tsecr)))
    data = bytes(TCP(options=list(chosen)))[20:]
    assert options.decode(data) == (chosen, None)
    assert options.decode(data + b"\x01") == ((*chosen, ("NOP", None)), None)


@given(st.binary(max_size=40))
def test_decode_takes_any_bytes_and_encode_returns_them(data: bytes) -> None:
    decoded, fault = options.decode(data)
    again = options.encode(decoded)
    assert data.startswith(again)
    if fault is None:
        assert not any(data[len(again) :])


@pytest.mark.parametrize(
    ("data", "decoded", "fault"),
    [
        (b"\x00\x00\x00\x00", (), None),
        (b"\x01\x00\x07", (("NOP", None), ("EOL", None)), "after the end"),
        (b"\x02\x00", (), "length 0"),
        (b"\x01\x02\x04\x05", (("NOP", None),), "length 4, but 3 bytes are left"),
        (b"\x08", (), "length 0"),
        (b"\x02\x03\x05", ((2, b"\x05"),), None),
    ],
    ids=["padding", "behind EOL", "length zero", "overrun", "no length", "MSS of an odd length"],
)
def test_malformed_options_end_the_list(data: bytes, decoded: Options, fault: str | None) -> None:
    found, message = options.decode(data)
    assert found == decoded
    assert message is fault is None or (fault is not None and message is not None and fault in message)


@pytest.mark.parametrize(
    "option",
    [("MSS", 65536), ("MSS", None), ("WScale", 256), ("Timestamp", (1,)), ("SAck", ()), ("SAck", (1, 2, 3)), ("XYZ", 1),
     ("NOP", 3), (99, "text"), (99, bytes(254))],
    ids=str,
)  # fmt: skip
def test_an_impossible_value_is_named(option: Option) -> None:
    with pytest.raises(ValueError, match=repr(option[0])):
        options.encode((option,))


def test_sackok_may_be_written_without_a_value() -> None:
    assert options.encode((("SAckOK", None),)) == options.encode((("SAckOK", b""),))


def test_lookups() -> None:
    chosen: Options = (("MSS", 1460), ("NOP", None), ("MSS", 9), ("Timestamp", (5, 6)))
    assert options.value_of(chosen, "MSS") == 1460
    assert options.value_of(chosen, "SAck") is None
    assert options.has(chosen, "NOP")
    assert not options.has(chosen, "SAckOK")
    assert options.timestamp(chosen) == (5, 6)
    assert options.timestamp(chosen[:2]) is None


@pytest.mark.parametrize(
    ("listed", "text"),
    [
        ((), "none"),
        ((("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 3)),
         "mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 3"),
        ((("NOP", None), ("NOP", None), ("SAck", (1, 2, 5, 9))), "nop,nop,sack 1:2 5:9"),
        ((("Timestamp", (ANY, 5)),), "TS val ANY ecr 5"),
        ((("TFO", b""), ("EOL", None)), "tfo request,eol"),
        ((("TFO", b"\xab\xcd"),), "tfo abcd"),
        (((99, b"\x01"),), "kind 99 b'\\x01'"),
        ((("MSS", ANY), ("WScale", ANY)), "mss ANY,wscale ANY"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_options_read_as_in_tcpdump(listed: tuple[Option, ...], text: str) -> None:
    assert options.options_text(listed) == text


@pytest.mark.parametrize("value", [ANY, (1, ANY)], ids=["whole", "an edge"])
def test_a_sack_option_with_any_can_be_told(value: Any) -> None:
    assert "ANY" in options.options_text((("SAck", value),))


def test_kinds_and_names() -> None:
    assert options.NAMES == {
        0: "EOL", 1: "NOP", 2: "MSS", 3: "WScale", 4: "SAckOK", 5: "SAck", 8: "Timestamp", 34: "TFO"
    }  # fmt: skip
    assert options.text("MSS", 1460) == "mss 1460"


@pytest.mark.parametrize("option", [("NOP", b""), ("SAckOK", 0), ("Timestamp", 7), ("SAck", ())], ids=str)
def test_a_value_of_another_shape_is_named(option: Option) -> None:
    with pytest.raises(ValueError, match=repr(option[0])):
        options.encode((option,))
