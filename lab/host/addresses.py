"""Which addresses a lab uses. No two labs on a machine share one, so each sees only its own events in a trace."""

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

_FIRST_LEASE = int.from_bytes(b"tcp-lab")  # the byte for slot 0: nobody else is likely to lock one there
_FLOCK = struct.Struct("@hhqqi")  # struct flock: l_type, l_whence, l_start, l_len, l_pid
SLOTS = 64
"""So many runs of the lab can go on at once."""
_LABS_PER_SLOT = 256
_IPV4_BLOCK = 8  # a /29: four hosts, and what is left over
_IPV4_NETWORK = int(IPv4Address("198.18.0.0"))  # /15, set aside for tests between two networks (RFC 2544, RFC 5735)
_IPV6_NETWORK = int(IPv6Address("2001:db8::"))  # /32, set aside for documentation (RFC 3849)


class Pair(NamedTuple):
    """The two ends in one address family. Each has a second address, so that two connections can differ in it alone."""

    family: int
    """4 or 6."""
    kernel: str
    peer: str
    second_kernel: str
    second_peer: str
    prefix_length: int


class Addresses(NamedTuple):
    """One lab's addresses in both families."""

    ipv4: Pair
    ipv6: Pair

    @classmethod
    def in_networks(cls, ipv4: IPv4Network, ipv6: IPv6Network) -> Addresses:
        """The first four hosts of each."""
        return cls(_pair(ipv4), _pair(ipv6))

    def of(self, family: int) -> Pair:
        """The pair of family 4 or 6."""
        return self.ipv6 if family == 6 else self.ipv4

    def usable(self) -> tuple[Pair, ...]:
        """Those of the families that this kernel speaks."""
        return self if ipv6_is_available() else (self.ipv4,)


class AddressPool:
    """One process's share of the address space, leased for as long as the pool is open.

    The lease is a lock on a byte of /dev/null (F_OFD_SETLK, fcntl(2)), which everybody may write to: it exists nowhere
    on disk, ends with the process, however that ends, and holds for runs in other network namespaces too, as the trace
    is the whole machine's.
    """

    def __init__(self, leases: Path | str = "/dev/null", slots: int = SLOTS) -> None:
        """MachineError when other runs hold all leases."""
        self._lease = os.open(leases, os.O_RDWR)
        self._slot = self._take(slots)
        self._free = deque(range(_LABS_PER_SLOT))

    def _take(self, slots: int) -> int:
        # A container has a /dev/null of its own: so runs begin to look where one elsewhere is not likely to.
        first = Path("/proc/thread-self/ns/net").stat().st_ino
        for slot in (each % slots for each in range(first, first + slots)):
            with suppress(BlockingIOError, PermissionError):
                fcntl(self._lease, F_OFD_SETLK, _FLOCK.pack(F_WRLCK, os.SEEK_SET, _FIRST_LEASE + slot, 1, 0))
                return slot
        self.close()
        raise MachineError(f"{slots} runs of the lab are going on here", "wait for one of them to end")

    def acquire(self) -> Addresses:
        """Addresses that no other lab has; the ones given back longest ago come first."""
        try:
            number = self._free.popleft()
        except IndexError:
            raise MachineError(f"{_LABS_PER_SLOT} labs are open in this process", "close some of them") from None
        low = _IPV4_NETWORK + (self._slot * _LABS_PER_SLOT + number) * _IPV4_BLOCK
        high = _IPV6_NETWORK + (self._slot << 80) + (number << 64)
        return Addresses.in_networks(IPv4Network((low, 29)), IPv6Network((high, 64)))

    def release(self, addresses: Addresses) -> None:
        """Give them back."""
        self._free.append((int(IPv4Address(addresses.ipv4.kernel)) - _IPV4_NETWORK) // _IPV4_BLOCK % _LABS_PER_SLOT)

    def close(self) -> None:
        """End the lease."""
        os.close(self._lease)


def kind_of(family: int) -> socket.AddressFamily:
    """What the socket module calls family 4 or 6."""
    return socket.AF_INET6 if family == 6 else socket.AF_INET


def _pair(network: IPv4Network | IPv6Network) -> Pair:
    kernel, peer, second_kernel, second_peer = map(str, islice(network.hosts(), 4))
    return Pair(network.version, kernel, peer, second_kernel, second_peer, network.prefixlen)


@cache
def ipv6_is_available() -> bool:
    """Whether this kernel speaks IPv6 at all (it may be built or booted without)."""
    return Path("/proc/sys/net/ipv6").exists()
