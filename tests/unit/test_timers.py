"""Schedules against what the kernel's documentation says of its settings, and against what kernels were seen to do."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lab.host.scheduling_delay import SchedulingDelay
from lab.host.sysctls import BASELINE, OPTIONAL
from lab.session import timers, tolerance
from lab.session.timers import Schedule

OLD = {name: value for name, value in BASELINE.items() if name not in OPTIONAL}
"""A kernel before 6.5: it has none of the settings that came later."""


def settings(kernel: Mapping[str, str] = BASELINE, **changed: int) -> dict[str, str]:
    return {**kernel, **{f"net.ipv4.{name}": str(value) for name, value in changed.items()}}


def copies(schedule: Schedule) -> list[float]:
    return [expiry.at for expiry in schedule.expiries() if not expiry.last]


DOUBLING = [1, 3, 7, 15, 31, 63, 127]

# Linux, Documentation/networking/ip-sysctl.rst: "67 seconds (with tcp_syn_linear_timeouts = 4) till the last
# retransmission ... the final timeout ... will happen after 131 seconds".
SYN = {
    "default since 6.5": ({}, BASELINE, [1, 2, 3, 4, 5, 7, 11, 19, 35, 67], 131),
    "default before 6.5": ({}, OLD, DOUBLING[:6], 127),
    "not linear": ({"tcp_syn_linear_timeouts": 0}, BASELINE, DOUBLING[:6], 127),
    "seven retries reach three minutes": ({"tcp_syn_retries": 7}, OLD, DOUBLING, 247),
    "one retry": ({"tcp_syn_retries": 1}, OLD, [1], 3),
    "patience ends before the linear copies do": ({"tcp_syn_retries": 1}, BASELINE, [1, 2], 3),
    "patience ends when they are over": ({"tcp_syn_retries": 2}, BASELINE, [1, 2, 3, 4, 5], 7),
    "the number of copies ends it": (
        {"tcp_syn_retries": 2, "tcp_syn_linear_timeouts": 1}, BASELINE, [1, 2, 4], 8,
    ),
    "a longest RTO of a second": ({"tcp_rto_max_ms": 1000}, BASELINE, [1, 2, 3, 4, 5, 6], 7),
}  # fmt: skip


@pytest.mark.parametrize("name", SYN)
def test_a_syn(name: str) -> None:
    changed, kernel, expected, given_up = SYN[name]
    schedule = timers.syn_schedule(settings(kernel, **changed))
    assert (copies(schedule), schedule.length) == (expected, given_up)
    assert schedule.retransmissions == len(expected)


@pytest.mark.parametrize(
    ("retries", "expected", "gone"),
    [(5, DOUBLING[:5], 63), (1, [1], 3), (0, [], 1), (8, [*DOUBLING, 247], 367)],  # nothing is above 120 s
)
def test_a_syn_ack(retries: int, expected: list[float], gone: float) -> None:
    schedule = timers.syn_ack_schedule(settings(tcp_synack_retries=retries))
    assert (copies(schedule), schedule.length) == (expected, gone)


def test_no_longest_rto_shortens_the_timer_of_a_connection_request() -> None:
    assert timers.syn_ack_schedule(settings(tcp_rto_max_ms=1000)).length == 63


def test_the_syn_ack_after_crossing_syns_has_the_retries_of_a_syn_and_is_never_linear() -> None:
    schedule = timers.crossed_syn_ack_schedule(settings())
    assert (copies(schedule), schedule.length) == (DOUBLING[:6], 127)


def doubled(first: float, count: int) -> list[float]:
    return [first * (2**number - 1) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("changed", "rto", "count"),
    [
        ({}, 0.204, 8),  # 0 stands for 8
        ({"tcp_orphan_retries": 8}, 0.204, 8),
        ({"tcp_orphan_retries": 1}, 0.204, 2),  # patience of 0.6 s counts from the first copy, at 0.2 s
        ({"tcp_orphan_retries": 2}, 0.204, 3),
        ({"tcp_orphan_retries": 3}, 0.204, 4),
        ({"tcp_orphan_retries": 2, "tcp_rto_min_us": 20_000}, 0.028, 5),
        ({"tcp_orphan_retries": 2, "tcp_rto_min_us": 500_000}, 0.504, 2),
        ({"tcp_retries2": 1}, 0.204, 8),  # which is for sockets with an owner
    ],
)
def test_a_fin_of_an_orphan(changed: dict[str, int], rto: float, count: int) -> None:
    for kernel in BASELINE, OLD:
        schedule = timers.synchronized_schedule(settings(kernel, **changed), rto, orphan=True)
        assert copies(schedule) == pytest.approx(doubled(rto, count))
        assert schedule.length == pytest.approx(doubled(rto, count + 1)[-1])


def test_an_orphan_whose_rto_has_reached_the_longest_is_given_up() -> None:
    schedule = timers.synchronized_schedule(settings(tcp_rto_max_ms=1000), 0.204, orphan=True)
    assert copies(schedule) == pytest.approx([0.204, 0.612, 1.428])
    assert schedule.length == pytest.approx(2.428)


def test_data_is_repeated_for_a_quarter_of_an_hour() -> None:
    # "The default value of 15 yields a hypothetical timeout of 924.6 seconds and is a lower bound": with an RTO of
    # exactly 0.2 s the timer fires 0.2 s before that, and once more after the longest RTO.
    assert timers.synchronized_schedule(settings(), 0.2, orphan=False).length == pytest.approx(924.6 + 120)
    assert timers.synchronized_schedule(settings(), 0.201, orphan=False).length == pytest.approx(0.201 * 1023 + 6 * 120)


@pytest.mark.parametrize(("retries", "count"), [(0, 1), (2, 3), (3, 4)])
def test_data_with_little_patience(retries: int, count: int) -> None:
    schedule = timers.synchronized_schedule(settings(tcp_retries2=retries, tcp_orphan_retries=9), 0.204, orphan=False)
    assert copies(schedule) == pytest.approx(doubled(0.204, count))


# The options of a socket, as tcp(7) and net/ipv4/tcp_timer.c have them: copies, and when it is given up.

SYN_ACK_WAITING = {
    "not deferred": ({}, [1, 3, 7], 15),
    "for one expiry": ({"TCP_DEFER_ACCEPT": 1}, [1, 3, 7], 15),
    "for two": ({"TCP_DEFER_ACCEPT": 2}, [3, 7], 15),
    "rounded up to three": ({"TCP_DEFER_ACCEPT": 4}, [7], 15),
    "longer than it is sent again": ({"TCP_DEFER_ACCEPT": 20}, [31], 63),
    "with its own number of retries": ({"TCP_DEFER_ACCEPT": 2, "TCP_SYNCNT": 1}, [3], 7),
}


@pytest.mark.parametrize("name", SYN_ACK_WAITING)
def test_a_syn_ack_that_is_acknowledged_and_waits_for_data(name: str) -> None:
    options, expected, gone = SYN_ACK_WAITING[name]
    own = timers.settings_of(settings(tcp_synack_retries=3), options)
    schedule = timers.syn_ack_schedule(own, acknowledged=True)
    assert (copies(schedule), schedule.length) == (expected, gone)


@pytest.mark.parametrize(
    ("options", "expected", "gone"),
    [
        ({"TCP_USER_TIMEOUT": 900}, [0.2, 0.6], 1.1),
        ({"TCP_USER_TIMEOUT": 100}, [0.2], 0.3),
        ({"TCP_RTO_MAX_MS": 1000, "TCP_USER_TIMEOUT": 2500}, [0.2, 0.6, 1.4, 2.4], 2.7),
        ({"TCP_USER_TIMEOUT": 0, "TCP_LINGER2": -1, "TCP_CONGESTION": "reno"}, [0.2, 0.6], 1.4),
    ],
    ids=str,
)
def test_the_user_timeout_counts_from_the_first_copy_and_cuts_the_last_timer(
    options: dict[str, object], expected: list[float], gone: float
) -> None:
    own = timers.settings_of(settings(tcp_retries2=1, tcp_orphan_retries=1), options)
    for orphan in False, True:
        schedule = timers.synchronized_schedule(own, 0.2, orphan=orphan)
        assert copies(schedule) == pytest.approx(expected)
        assert schedule.length == pytest.approx(gone)


@pytest.mark.parametrize(
    ("options", "sent", "expected", "gone"),
    [
        ({}, 1, [0.4, 1.2], 2.8),
        ({}, 2, [0.8], 2.4),
        ({}, 3, [], 1.6),
        ({"TCP_USER_TIMEOUT": 1000}, 1, [0.4], 1),
        ({"TCP_USER_TIMEOUT": 300}, 1, [], 0.3),
    ],
)
def test_zero_window_probes(options: dict[str, object], sent: int, expected: list[float], gone: float) -> None:
    own = timers.settings_of(settings(tcp_retries2=3), options)
    schedule = timers.probe_schedule(own, 0.1, sent, sent, orphan=False)
    assert copies(schedule) == pytest.approx(expected)
    assert schedule.length == pytest.approx(gone)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [75 * number for number in range(1, 9)]),
        ({"TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}, [2, 4]),
        ({"TCP_KEEPINTVL": 2, "TCP_KEEPIDLE": 5, "TCP_USER_TIMEOUT": 10_000}, [2, 4]),
        ({"TCP_KEEPIDLE": 5, "TCP_USER_TIMEOUT": 1000}, []),
    ],
    ids=str,
)
def test_keep_alive_probes(options: dict[str, object], expected: list[float]) -> None:
    assert copies(timers.keepalive_schedule(timers.settings_of(settings(), options), 1)) == expected


@pytest.mark.parametrize(
    ("round_trip", "changed", "least"),
    [(0.0001, {}, 0.2001), (0.5, {}, 1.5), (0.001, {"tcp_rto_min_us": 20_000}, 0.021), (0, {}, 3)],
    ids=["the shortest", "three round trips", "a shorter one", "none was measured"],
)
def test_the_first_timeout(round_trip: float, changed: dict[str, int], least: float) -> None:
    found = timers.first_timeout(settings(BASELINE, **changed), round_trip)
    assert found == pytest.approx((least, least + 0.01))
    if not changed:
        assert timers.first_timeout(settings(OLD), round_trip) == found


@pytest.mark.parametrize(("setting", "expected"), [(60, (60,)), (1, (1,)), (120, (60, 60)), (62, (2, 2))])
def test_fin_wait_2(setting: int, expected: tuple[float, ...]) -> None:
    assert timers.fin_wait_2(settings(tcp_fin_timeout=setting)) == expected


@pytest.mark.parametrize(
    ("setting", "linger", "rto", "expected"),
    [
        (5, None, 1.0, (5,)),
        (5, None, 2.0, (7,)),
        (60, 2, 0.2, (2,)),
        (60, 2, 1.0, (3.5,)),
        (60, None, 20.0, (10, 70)),
        (62, None, 1.0, (2, 3.5)),
    ],
)
def test_fin_wait_2_outlasts_some_timeouts(
    setting: int, linger: float | None, rto: float, expected: tuple[float, ...]
) -> None:
    assert timers.fin_wait_2(settings(tcp_fin_timeout=setting), linger, rto) == expected


def test_no_timeout_is_longer_than_the_longest() -> None:
    """Whatever the round trips are, RFC 6298 2.2 and 2.3 come to less."""
    for trips in [[8.0], [0.001, 8.0], [8.0] * 9, [0.001, 8.0] * 20, [0.001] * 9 + [8.0]]:
        srtt, rttvar = trips[0], trips[0] / 2
        for trip in trips[1:]:
            srtt, rttvar = 7 / 8 * srtt + trip / 8, 3 / 4 * rttvar + abs(srtt - trip) / 4
        assert srtt + max(4 * rttvar, 0.2) <= timers.longest_timeout(settings(), max(trips))


def test_a_timer_is_never_early_and_late_by_what_the_wheels_make_it() -> None:
    for seconds in 0.2, 1.0, 60.0:
        earliest, latest = tolerance.window(seconds)
        assert seconds - 0.02 == pytest.approx(earliest)
        assert seconds * 1.125 < latest < seconds * 1.13 + 0.3


def test_what_the_machine_lost_is_allowed_for() -> None:
    plain = tolerance.window(2)
    assert tolerance.window(2, SchedulingDelay(stolen=0.1)) == pytest.approx((plain.earliest - 0.1, plain.latest + 0.1))
    assert tolerance.window(2, SchedulingDelay(late=0.3)) == pytest.approx((plain.earliest, plain.latest + 0.3))
    assert tolerance.window(2, SchedulingDelay(stolen=0.1, late=0.3)) == pytest.approx(
        (plain.earliest - 0.1, plain.latest + 0.3)
    )


def test_no_copy_can_be_missing_unseen() -> None:
    """Between any two copies of a doubling schedule there is room: the next but one is never on time for the next."""
    for rto in 0.2, 0.204, 1.0:
        schedule = timers.synchronized_schedule(settings(), rto, orphan=True)
        for number in range(8):
            both = schedule.timeout(number) + schedule.timeout(number + 1)
            assert both > tolerance.window(schedule.timeout(number)).latest


def test_a_schedule_in_words() -> None:
    assert str(timers.syn_schedule(settings(OLD, tcp_syn_retries=2))) == "1.0, 3.0 s, given up after 7.0 s"
    assert timers.times_text((), 1.0) == "none, given up after 1.0 s"
    assert timers.times_text((1.02,), None) == "1.0 s"
