"""Addresses of a lab. No two labs on a machine share one, so each sees only its own events in a trace."""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from contextlib import suppress
from fcntl import F_OFD_SETLK, F_WRLCK, fcntl
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lab.host.errors import MachineError

KERNEL_MAC = "02:00:00:00:00:01"
PEER_MAC = "02:00:00:00:00:02"

_FIRST_LEASE = int.from_bytes(b"tcp-lab")  # offset of slot 0's byte; other programs are unlikely to lock it
_FLOCK = struct.Struct("@hhqqi")  # struct flock: l_type, l_whence, l_start, l_len, l_pid
SLOTS = 64
"""Maximum number of runs of the lab at the same time on one machine."""
_LABS_PER_SLOT = 256
_IPV4_BLOCK = 8  # a /29: four host addresses are used
_IPV4_NETWORK = int(IPv4Address("198.18.0.0"))  # /15, set aside for tests between two networks (RFC 2544, RFC 5735)
_IPV6_NETWORK = int(IPv6Address("2001:db8::"))  # /32, set aside for documentation (RFC 3849)


class Pair(NamedTuple):
    """Addresses of both ends in one family. Each end has two, so that connections can differ in an address alone."""

    family: int
    """4 or 6."""
    kernel: str
    peer: str
    second_kernel: str
    second_peer: str
    prefix_length: int

    @property
    def swapped(self) -> Pair:
        """The same pair as the peer's end sees it: its own addresses in place of the kernel's."""
        return Pair(self.family, self.peer, self.kernel, self.second_peer, self.second_kernel, self.prefix_length)


class Addresses(NamedTuple):
    """One lab's addresses in both families."""

    ipv4: Pair
    ipv6: Pair

    @classmethod
    def in_networks(cls, ipv4: IPv4Network, ipv6: IPv6Network) -> Addresses:
        """Addresses from the first four hosts of each network."""
        return cls(_pair(ipv4), _pair(ipv6))

    def of(self, family: int) -> Pair:
        """The pair for family 4 or 6."""
        return self.ipv6 if family == 6 else self.ipv4

    def available(self) -> tuple[Pair, ...]:
        """The pairs of the address families that this kernel supports."""
        return self if ipv6_is_available() else (self.ipv4,)


class AddressPool:
    """One process's share of the address space, leased while the pool is open.

    The lease is a lock on a byte of /dev/null (F_OFD_SETLK, fcntl(2)), which every user may write to. It needs no
    file of its own and ends with the process. Runs in other network namespaces see it too. They must, because the
    tracepoint reports the connections of all namespaces.
    """

    def __init__(self, leases: Path | str = "/dev/null", slots: int = SLOTS) -> None:
        """Take a lease. Raises MachineError when other runs hold all of them."""
        self._lease = os.open(leases, os.O_RDWR)
        self._slot = self._lock_slot(slots)
        self._free = deque(range(_LABS_PER_SLOT))

    def _lock_slot(self, slots: int) -> int:
        # A container has its own /dev/null and sees no locks of others: start at a slot where others rarely start.
        first = Path("/proc/thread-self/ns/net").stat().st_ino
        for slot in (each % slots for each in range(first, first + slots)):
            with suppress(BlockingIOError, PermissionError):
                fcntl(self._lease, F_OFD_SETLK, _FLOCK.pack(F_WRLCK, os.SEEK_SET, _FIRST_LEASE + slot, 1, 0))
                return slot
        self.close()
        raise MachineError(f"{slots} runs of the lab are already active", "wait for one of them to end")

    def acquire(self) -> Addresses:
        """Addresses that no other lab has, least recently released first. Raises MachineError when all are in use."""
        try:
            number = self._free.popleft()
        except IndexError:
            raise MachineError(f"{_LABS_PER_SLOT} labs are open in this process", "close some of them") from None
        low = _IPV4_NETWORK + (self._slot * _LABS_PER_SLOT + number) * _IPV4_BLOCK
        high = _IPV6_NETWORK + (self._slot << 80) + (number << 64)
        return Addresses.in_networks(IPv4Network((low, 29)), IPv6Network((high, 64)))

    def release(self, addresses: Addresses) -> None:
        """Return addresses to the pool."""
        self._free.append((int(IPv4Address(addresses.ipv4.kernel)) - _IPV4_NETWORK) // _IPV4_BLOCK % _LABS_PER_SLOT)

    def close(self) -> None:
        """End the lease."""
        os.close(self._lease)


def address_family(family: int) -> socket.AddressFamily:
    """AF_INET for family 4, AF_INET6 for family 6."""
    return socket.AF_INET6 if family == 6 else socket.AF_INET


def _pair(network: IPv4Network | IPv6Network) -> Pair:
    kernel, peer, second_kernel, second_peer = map(str, islice(network.hosts(), 4))
    return Pair(network.version, kernel, peer, second_kernel, second_peer, network.prefixlen)


@cache
def ipv6_is_available() -> bool:
    """Whether this kernel supports IPv6 (it can be built or booted without)."""
    return Path("/proc/sys/net/ipv6").exists()
