"""Copies and timers that are not as the settings say: each kind of lie about them is found out."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from lab.author.lab import Lab
from lab.author.peer import Peer
from lab.author.sockets import Connection
from lab.host import sysctls
from lab.host.addresses import AddressPool
from lab.host.scheduling_delay import NO_DELAY, DelayMeter
from lab.record.events import CheckMade, FrameSeen
from lab.record.expectation import Row
from lab.record.kernel_state import KernelState
from lab.report.screen import Screen
from lab.report.verdicts import difference_lines
from lab.session.errors import Inconclusive, KernelDiffers, ScenarioError
from lab.session.readings import Readings
from lab.session.tolerance import DEADLINE_S
from lab.tcp.flags import FIN
from lab.tcp.state import State
from lab.wire.faults import Action, Fault, lost
from lab.wire.frames import decode
from lab.wire.link import Frame, Link
from tests.kernel.helpers import kernels_frames

T = TypeVar("T")
ORPHAN_RETRIES, FIN_TIMEOUT = "net.ipv4.tcp_orphan_retries", "net.ipv4.tcp_fin_timeout"


LONGEST_RTO_US = 230_000
"""A busy machine measures long round trips, and with a longer RTO there are fewer copies while patience lasts."""


def opened(lab: Lab, *, timestamps: bool = False) -> tuple[Peer, Connection]:
    server = lab.kernel.listen(port=80)
    for _ in range(100):
        peer = lab.peer(to=server, timestamps=timestamps)
        connection = peer.open()
        if connection.tcp_info()["rto"] <= LONGEST_RTO_US:
            return peer, connection
    raise AssertionError("every round trip took 10 ms and more")


def closed(lab: Lab, *, timestamps: bool = False, mutations: tuple[Fault, ...] = ()) -> Peer:
    """The kernel has sent a FIN that nobody will acknowledge, and no program has the socket."""
    peer, connection = opened(lab, timestamps=timestamps)
    connection.close()
    peer.expect("FA")
    lab.disturb(1, mutations=mutations)
    return peer


def set_behind_our_back(lab: Lab, name: str, value: int) -> None:
    sysctls.apply(lab.network.kernel, {name: str(value)})


def difference(told: pytest.ExceptionInfo[KernelDiffers]) -> list[Row]:
    return [row for row in told.value.check.rows if not row.agrees]


def the_first_again() -> Callable[[bytes, random.Random], bytes]:
    """Every frame becomes the first one, with the time that stood in it."""
    seen: list[bytes] = []

    def alter(frame: bytes, _: random.Random) -> bytes:
        seen.append(frame)
        return seen[0]

    return alter


LIES: dict[str, tuple[Fault, dict[str, str]]] = {
    # Two copies, 0.2 s and 0.6 s after the FIN, and the end after 1.4 s; what strikes, and what is said to have come.
    "a copy that never left": (Fault(Action.DROP, nth=1), {"time": r"0\.[67]\d s"}),
    "the last copy that never left": (
        Fault(Action.DROP, nth=2),
        {"given up": r"1\.[4-7]\d s", "retransmissions": r"2 by the kernel's count"},
    ),
    "a copy that was late": (Fault(Action.DELAY, nth=2, delay_s=0.5), {"time": r"1\.[12]\d s"}),
    "a copy that was a little late": (Fault(Action.DELAY, nth=1, delay_s=0.15), {"time": r"0\.[67]\d s"}),
    "a copy that came twice": (
        Fault(Action.DUPLICATE, nth=1),
        {"time": r"0\.2\d s", "TSval": r"\d+ after \d+"},
    ),
    "a copy with the time of the one before": (
        Fault(Action.ALTER, alter=the_first_again()),
        {"TSval": r"\d+ after \d+"},
    ),
}


@pytest.fixture
def punctual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is allowed for: the lies are the only reason for what comes late."""
    monkeypatch.setattr(DelayMeter, "since", lambda *_: NO_DELAY)


@pytest.mark.usefixtures("punctual")
@pytest.mark.parametrize("name", LIES)
def test_a_kernel_that_lies_about_its_copies(lab4: Lab, name: str) -> None:
    lie, expected = LIES[name]
    lab4.kernel.sysctl(ORPHAN_RETRIES, 1)
    peer = closed(lab4, timestamps=True, mutations=(lie,))
    with pytest.raises(KernelDiffers) as told:
        peer.expect_retransmissions("FA")
    rows = {row.field: row for row in difference(told)}
    assert set(rows) == {*expected, "schedule"}
    for field, got in expected.items():
        assert re.fullmatch(got, rows[field].got)


@pytest.mark.usefixtures("punctual")
def test_the_message_shows_the_schedule_beside_the_times(lab4: Lab) -> None:
    peer = closed(lab4, mutations=(Fault(Action.DROP, nth=1),))
    with pytest.raises(KernelDiffers) as told:
        peer.expect_retransmissions("FA", 1)
    text = "\n".join(difference_lines(lab4.recording, told.value.check, Screen(width=300)))
    assert re.search(r"the kernel retransmits at other times than its settings say\n\n", text)
    assert re.search(r"\n    time      0\.[12]\d to 0\.\d\d s +0\.[67]\d s\n", text)
    assert re.search(r"\n    schedule  0\.2, 0\.[67], 1\.\d, .* s, given up after 1[01]\d\.\d s +0\.[67] s\n", text)
    assert "RFC 6298 5.5" in text
    assert "<--" in text, "the copy is marked in the ladder"


def test_more_copies_than_the_settings_say(lab4: Lab) -> None:
    lab4.kernel.sysctl(ORPHAN_RETRIES, 1)
    set_behind_our_back(lab4, ORPHAN_RETRIES, 4)
    with pytest.raises(KernelDiffers) as told:
        closed(lab4).expect_retransmissions("FA")
    assert [row.field for row in difference(told)] == ["time", "schedule"]
    (schedule,) = [row for row in difference(told) if row.field == "schedule"]
    assert schedule.expected.count(",") == 2, "two copies, and when it is given up"
    assert schedule.got.count(",") == 2, "three copies"


def test_fewer_copies_than_the_settings_say(lab4: Lab) -> None:
    lab4.kernel.sysctl(ORPHAN_RETRIES, 3)
    set_behind_our_back(lab4, ORPHAN_RETRIES, 1)
    with pytest.raises(KernelDiffers) as told:
        closed(lab4).expect_retransmissions("FA")
    assert [row.field for row in difference(told)] == ["retransmission 3", "schedule"]


def test_too_few_copies_are_said_to_be_missing_while_the_connection_lives(lab4: Lab) -> None:
    peer = closed(lab4, mutations=(Fault(Action.DROP),))
    with pytest.raises(KernelDiffers) as told:
        peer.expect_retransmissions("FA", 1)
    assert difference(told)[0][2:] == ("none", False)


def test_copies_that_the_wire_loses_are_seen_for_their_time_but_are_not_taken(lab: Lab) -> None:
    peer, connection = opened(lab)
    lab.disturb(1, from_kernel=[Fault(Action.DROP, nth=1)])
    connection.close()
    copies = peer.expect_retransmissions("FA", 1)
    assert len(copies.times) == 1
    assert copies.gave_up is None
    (original, copy) = [
        event for event in lab.recording.events
        if isinstance(event, FrameSeen) and event.segment and event.segment.letters == "FA"
    ]  # fmt: skip
    assert (copy.time_ns - original.time_ns) / 1e9 == pytest.approx(copies.times[0])


def test_every_copy_is_a_check_with_its_packet_and_its_time(lab: Lab) -> None:
    lab.kernel.sysctl(ORPHAN_RETRIES, 1)
    copies = closed(lab).expect_retransmissions("FA")
    assert len(copies.times) == 2
    assert copies.gave_up is not None
    checks = [each for each in lab.recording.checks if each.subject == "FA"][1:]
    assert [times(lab, each) for each in checks] == [f"{at:.2f} s" for at in copies.times]
    frames = [lab.recording.events[each.frame] for each in checks if each.frame is not None]
    assert [event.retransmission for event in frames if isinstance(event, FrameSeen)] == [True, True]


def times(lab: Lab, check: CheckMade) -> str:
    (row,) = [row for row in lab.recording.rows(check) if row.field == "time"]
    return row.got


def test_without_the_segment_there_are_no_copies_to_expect(lab4: Lab) -> None:
    peer = lab4.peer(to=lab4.kernel.listen(port=80))
    peer.open()
    with pytest.raises(ScenarioError, match="the kernel has not sent FA yet"):
        peer.expect_retransmissions("FA")


def test_what_is_acknowledged_has_no_schedule(lab4: Lab) -> None:
    peer = closed(lab4)
    peer.send("A")
    lab4.kernel.expect_state(peer, "FIN-WAIT-2")
    with pytest.raises(ScenarioError, match="the kernel is in FIN-WAIT-2 and has nothing to retransmit"):
        peer.expect_retransmissions("FA")


def test_timers_are_held_against_what_the_kernel_says(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.open()
    lab.kernel.expect_timer(peer, "")
    peer.time_wait()
    lab.kernel.expect_timer(peer, "time-wait", 60)
    for timer, seconds in ("", 0), ("keepalive", 60), ("time-wait", 61), ("time-wait", 59):
        with pytest.raises(KernelDiffers, match="the kernel runs another timer"):
            lab.kernel.expect_timer(peer, timer, seconds)


@pytest.mark.parametrize("round_trip", [None, 2.87], ids=["as it was", "3.5 RTOs are a minute"])
def test_an_orphan_whose_fin_was_acknowledged_late_waits_for_longer(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, round_trip: float | None
) -> None:
    """As it does where the machine was held up: the timeout that Linux uses has doubled by then."""
    if round_trip:
        monkeypatch.setattr(lab.switchboard.history, "longest_round_trip", lambda _: round_trip)
    peer = lab.peer(to=lab.kernel.listen(port=80))
    connection = peer.open()
    connection.set_option("TCP_LINGER2", 1)
    connection.close()
    peer.expect("FA")
    peer.expect_silence(during=0.7)
    peer.send("A")
    (seconds,) = lab.kernel.fin_wait_2_timers(peer, 1)
    assert seconds > 1
    lab.kernel.expect_timer(peer, "time-wait", seconds)


@pytest.mark.usefixtures("punctual")
@pytest.mark.parametrize(("real", "said"), [(1, 2), (3, 1)], ids=["too early", "too late"])
def test_a_connection_that_ends_at_another_time(lab4: Lab, real: int, said: int) -> None:
    lab4.kernel.sysctl(FIN_TIMEOUT, real)
    peer = closed(lab4)
    peer.send("A")
    with pytest.raises(KernelDiffers, match="the connection does not end when it should") as told:
        lab4.kernel.expect_gone(peer, after=said)
    assert (float(difference(told)[0].got.split()[0]) > said) is (real > said)


def test_a_connection_that_does_not_end_in_silence(lab4: Lab) -> None:
    lab4.kernel.sysctl(FIN_TIMEOUT, 5)
    peer = closed(lab4)
    peer.send("A")
    peer.send("FA")
    with pytest.raises(KernelDiffers, match="the kernel sent a segment where the scenario expects none"):
        lab4.kernel.expect_gone(peer, after=5)


def test_tcp_info_of_a_socket_that_no_program_has(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    connection = peer.open()
    own: dict[str, Any] = connection.tcp_info()
    assert lab.kernel.tcp_info(peer).keys() == own.keys()
    assert lab.kernel.tcp_info(peer)["rto"] == own["rto"]
    connection.close()
    peer.expect("FA")
    assert lab.kernel.tcp_info(peer)["state"] == 4  # FIN-WAIT-1 (net/tcp_states.h)
    peer.send("A")
    assert lab.kernel.tcp_info(peer) == {}


def test_who_looks_when_the_kernel_has_given_up_cannot_say_anything(lab4: Lab) -> None:
    """So it is on a machine that was held up for longer than the kernel's patience."""
    lab4.kernel.sysctl(ORPHAN_RETRIES, 1)
    peer = closed(lab4)
    peer.expect_silence(during=1)
    lab4.kernel.expect_state(peer, "CLOSED", within=DEADLINE_S)
    for look in (
        lambda: lab4.kernel.expect_timer(peer, "retransmission", 0.2),
        lambda: peer.expect_retransmissions("FA"),
    ):
        with pytest.raises(Inconclusive, match="this machine was held up for"):
            look()


class GivesUpEarly(Readings):
    """The kernel seems to be gone 1.38 s after the second FIN."""

    def __init__(self) -> None:
        self.fins_ns: list[int] = []

    def wrap(self, link: Link) -> Link:
        return Noting(link, self.fins_ns)

    def observed(self, kind: str, value: T) -> T:  # noqa: ARG002
        is_gone = len(self.fins_ns) > 1 and time.monotonic_ns() >= self.fins_ns[1] + 1_380_000_000
        return value._replace(state=State.CLOSED) if is_gone and isinstance(value, KernelState) else value


class Noting:
    """Notes when each FIN came."""

    def __init__(self, link: Link, fins_ns: list[int]) -> None:
        self._link, self._fins_ns = link, fins_ns
        self.send = link.send

    def receive(self, deadline_ns: int) -> Frame | None:
        frame = self._link.receive(deadline_ns)
        received = decode(frame.data) if frame is not None else None
        if frame and received and received[1].flags & FIN:
            self._fins_ns.append(frame.time_ns)
        return frame


def test_the_kernel_gives_up_by_a_clock_that_it_has_read_before_it_sent(pool: AddressPool) -> None:
    """With tcp_retries2=2 it gives up at the first expiry that is 1.4 s after the second FIN, less two jiffies."""
    settings = {"net.ipv4.tcp_retries2": "2", "net.ipv4.tcp_rto_min_us": "227000"}
    with Lab(4, pool=pool, sysctls=settings, readings=GivesUpEarly()) as lab:
        server = lab.kernel.listen(port=80)
        opened = ((peer, peer.open()) for peer in (lab.peer(to=server) for _ in range(100)))
        peer, connection = next(each for each in opened if each[1].tcp_info()["rto"] <= 232_000)
        connection.shutdown("write")
        peer.expect("FA")
        gave_up = peer.expect_retransmissions("FA").gave_up
        assert gave_up is not None
        assert gave_up < 2, "after two retransmissions"


def test_copies_of_an_older_segment_are_none_of_this_one(lab4: Lab) -> None:
    """The SYN+ACK is sent again while a machine that is held up does not come to answer it."""
    server = lab4.kernel.listen(port=80)
    peer, other = lab4.peer(to=server), lab4.peer(to=server)
    peer.send("S")
    peer.expect("SA")
    other.open()
    other.expect_silence(during=1.2)
    peer.send("A")
    connection = server.accept()
    lab4.disturb(1, from_kernel=[lost("PA")])
    connection.send("hello")
    assert peer.expect_retransmissions("PA", 1).gave_up is None
    assert [each.retransmission for each in kernels_frames(lab4, "SA")] == [False, False, True]
