"""The model's endpoint opens, transfers and closes against the kernel, also over a wire that loses and mixes up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.host.addresses import AddressPool
from lab.tcp.endpoint import Config
from lab.tcp.state import State
from lab.wire.faults import Action, Fault
from tests.kernel.automatic import AT_REST, converse

QUICK = Config(rto_initial=0.1, rto_min=0.05, rto_max=1.0, msl=1.0)
OFFERS = {
    "plain": QUICK,
    "all options": Config(
        rto_initial=0.1, rto_min=0.05, rto_max=1.0, window_scale=3, timestamps=True, sack_permitted=True
    ),
    "small window": Config(rto_initial=0.1, rto_min=0.05, rto_max=1.0, window=2000, mss=536),
    "no MSS": Config(rto_initial=0.1, rto_min=0.05, rto_max=1.0, mss=None),
}
A_FIFTH = {
    "drop": [Fault(Action.DROP, 0.2)],
    "duplicate": [Fault(Action.DUPLICATE, 0.2)],
    "reorder": [Fault(Action.REORDER, 0.2)],
    "everything": [Fault(Action.DROP, 0.1), Fault(Action.DUPLICATE, 0.2), Fault(Action.REORDER, 0.2)],
}


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("peer_opens", [True, False], ids=["client", "server"])
@pytest.mark.parametrize("peer_closes_first", [True, False], ids=["closes", "is closed"])
def test_a_whole_connection(
    family: int, pool: AddressPool, offer: str, peer_opens: bool, peer_closes_first: bool
) -> None:
    done = converse(
        pool, family, OFFERS[offer], peer_opens=peer_opens, peer_closes_first=peer_closes_first, size=20_000
    )
    assert done.judge.breaches == []
    assert done.endpoint.error is None
    assert done.endpoint.state is (State.TIME_WAIT if peer_closes_first else State.CLOSED)


def test_segments_are_no_larger_than_the_mss_and_whole(family: int, pool: AddressPool) -> None:
    """The kernel was given 100 KB in one call: with offloads on, it would send a few large frames with no checksum."""
    done = converse(pool, family, QUICK, peer_opens=True, peer_closes_first=True, size=100_000)
    sizes = [len(segment.payload) for segment in done.judge.kernels]
    assert max(sizes) == 1500 - (60 if family == 6 else 40)
    assert {segment.faults for segment in done.judge.kernels} == {()}


@pytest.mark.parametrize("fault", A_FIFTH)
def test_over_a_bad_wire(family: int, pool: AddressPool, fault: str) -> None:
    """Several seeds side by side, client and server, first to close and second: most of the time each waits."""

    def one(seed: int) -> None:
        roles = {"peer_opens": bool(seed & 1), "peer_closes_first": bool(seed & 2)}
        done = converse(pool, family, OFFERS["all options"], size=6_000, seed=seed, faults=A_FIFTH[fault], **roles)
        assert done.judge.breaches == []
        assert done.endpoint.state in AT_REST

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(8))) == [None] * 8
