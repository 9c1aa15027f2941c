"""The addresses of a lab: its own alone, in networks that are set aside, two for each end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from lab.host.addresses import SLOTS, Addresses, AddressPool
from lab.host.errors import MachineError

SET_ASIDE = {4: ip_network("198.18.0.0/15"), 6: ip_network("2001:db8::/32")}


def all_of(pool: AddressPool) -> Iterator[Addresses]:
    """Those of all its labs."""
    with suppress(MachineError):
        while True:
            yield pool.acquire()


def test_no_two_labs_share_an_address() -> None:
    with closing(AddressPool()) as one, closing(AddressPool()) as other:
        taken = [one.acquire() for _ in range(3)] + [other.acquire() for _ in range(3)]
        everyone = [end for each in taken for pair in each for end in pair[1:5]]
        assert len(set(everyone)) == len(everyone) == 48
        for each in taken[:3]:
            one.release(each)


@pytest.mark.parametrize("family", [4, 6])
def test_the_four_addresses_of_a_lab_are_hosts_of_a_network_of_their_own(family: int) -> None:
    with closing(AddressPool()) as pool:
        networks = []
        for _ in range(3):
            pair = pool.acquire().of(family)
            network = ip_interface(f"{pair.kernel}/{pair.prefix_length}").network
            ends = [ip_address(each) for each in pair[1:5]]
            assert len(set(ends)) == 4
            assert all(each in network for each in ends)
            assert not {network.network_address, network.broadcast_address} & set(ends)
            networks.append(network)
    assert len(set(networks)) == 3
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)


def test_the_last_lab_of_the_last_run_is_still_inside(tmp_path: Path) -> None:
    leases = tmp_path / "leases"
    leases.touch()
    with ExitStack() as undo:
        pools = [undo.enter_context(closing(AddressPool(leases))) for _ in range(SLOTS)]
        with pytest.raises(MachineError, match="64 runs of the lab are already active"):
            AddressPool(leases)
        last = max((each for pool in pools for each in all_of(pool)), key=lambda each: ip_address(each.ipv4.kernel))
    for pair in last:
        network = ip_interface(f"{pair.kernel}/{pair.prefix_length}").network
        assert network.subnet_of(SET_ASIDE[pair.family])  # type: ignore[arg-type]  # both of one family
    assert ip_interface(f"{last.ipv4.kernel}/29").network.broadcast_address == SET_ASIDE[4].broadcast_address


def test_addresses_given_back_longest_ago_come_first() -> None:
    with closing(AddressPool()) as fresh:
        first, second = fresh.acquire(), fresh.acquire()
        fresh.release(first)
        assert fresh.acquire() not in (first, second)
        rest = [fresh.acquire() for _ in range(254)]
        assert rest[-1] == first
        with pytest.raises(MachineError, match="256 labs are open in this process"):
            fresh.acquire()
