"""Sysctls of a namespace: reading, writing, and the baseline for the kernel under test.

The baseline sets every value that a verdict depends on, so that verdicts do not depend on the machine's settings. All
of them are per namespace; the host's are never changed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

from lab.host.addresses import ipv6_is_available
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.record.nearest import did_you_mean

QUIET: Mapping[str, str] = {
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    # IPv6 addresses are usable at once, and the interface sends nothing by itself.
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.default.dad_transmits": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.default.router_solicitations": "0",
    "net.ipv6.conf.default.addr_gen_mode": "1",
}
"""No source validation, and no packets sent by the interface itself."""

BASELINE: Mapping[str, str] = {
    # Options of a SYN.
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_window_scaling": "1",
    "net.ipv4.tcp_sack": "1",
    "net.ipv4.tcp_ecn": "2",
    "net.ipv4.tcp_fastopen": "1",
    "net.ipv4.tcp_rmem": "4096 131072 6291456",
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.ipv4.tcp_mtu_probing": "0",
    "net.ipv4.tcp_min_snd_mss": "48",
    # Retransmission.
    "net.ipv4.tcp_syn_retries": "6",
    "net.ipv4.tcp_syn_linear_timeouts": "4",
    "net.ipv4.tcp_synack_retries": "5",
    "net.ipv4.tcp_retries1": "3",
    "net.ipv4.tcp_retries2": "15",
    "net.ipv4.tcp_orphan_retries": "0",
    "net.ipv4.tcp_fin_timeout": "60",
    "net.ipv4.tcp_rto_min_us": "200000",
    "net.ipv4.tcp_rto_max_ms": "120000",
    # Queues and cookies.
    "net.ipv4.tcp_max_syn_backlog": "1024",
    "net.core.somaxconn": "4096",
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv4.tcp_abort_on_overflow": "0",
    # TIME-WAIT, and responses to unacceptable segments.
    "net.ipv4.tcp_max_tw_buckets": "65536",
    "net.ipv4.tcp_tw_reuse": "2",
    "net.ipv4.tcp_tw_reuse_delay": "1000",
    "net.ipv4.tcp_rfc1337": "0",
    "net.ipv4.tcp_invalid_ratelimit": "500",
    "net.ipv4.tcp_challenge_ack_limit": "2147483647",
    # No metrics are kept from an earlier connection to the same address.
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.ip_local_port_range": "32768 60999",
    "net.ipv4.ip_default_ttl": "64",
    **QUIET,
    "net.ipv6.conf.default.hop_limit": "64",
}

OPTIONAL = {
    "net.ipv4.tcp_syn_linear_timeouts",  # Linux 6.5
    "net.ipv4.tcp_rto_min_us",  # 6.11
    "net.ipv4.tcp_tw_reuse_delay",  # 6.14
    "net.ipv4.tcp_rto_max_ms",  # 6.15
    "net.ipv4.tcp_min_snd_mss",
}
"""Baseline entries that an older kernel may lack."""


LATER = {"net.ipv4.tcp_ecn": ("3", "4", "5")}
"""Values that an older kernel refuses: accurate ECN."""

_FOR_THE_LAB = ("net.ipv4.icmp_echo_ignore_all", "net.ipv6.icmp.echo_ignore_all")
"""Settings that have to stay 0: the lab's fence is an echo request."""


class Refused(OSError):
    """The kernel does not accept a value; the message names it and the reason."""


def missing_here(settings: Mapping[str, str]) -> str:
    """Try settings in a namespace of their own. Returns why they cannot apply if this kernel is too old for one, or "".

    MachineError for one that the lab does not allow, or that no kernel accepts.
    """
    with closing(Namespace()) as namespace:
        for name, value in settings.items():
            if name in _FOR_THE_LAB and value != "0":
                raise MachineError(f"sysctl {name} has to be 0: the lab sends echo requests", "leave this setting out")
            try:
                apply(namespace, {name: value})
            except FileNotFoundError:
                if name in OPTIONAL:
                    return f"this kernel has no sysctl {name}"
                why = f"sysctl {name} belongs to the whole machine, not to a network namespace"
                raise MachineError(why, "set it there, see sysctl(8)") from None
            except OSError as refused:
                if value in LATER.get(name, ()):
                    return f"this kernel has no {name} = {value}"
                raise MachineError(str(refused), "give a value that this kernel accepts, see ip-sysctl") from None
    return ""


def apply(namespace: Namespace, settings: Mapping[str, str], optional: Collection[str] = ()) -> None:
    """Write `settings` inside `namespace`.

    Raises FileNotFoundError for one that the kernel lacks, unless optional, and Refused for a value.
    """
    with namespace.entered():
        for name, value in settings.items():
            if not name.startswith("net."):
                raise OSError(errno.EINVAL, f"sysctl {name} belongs to the whole machine, only net.* to a namespace")
            if name.startswith("net.ipv6.") and not ipv6_is_available():
                continue
            if not _path(name).exists():
                if name not in optional:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(_path(name)))
                continue
            try:
                _path(name).write_text(value)
            except (OSError, ValueError) as refused:  # ValueError: a character that cannot be encoded
                raise Refused(f"sysctl {name} = {value!r}: {_why_refused(name, value, refused)}") from None


def _why_refused(name: str, value: str, refused: OSError | ValueError) -> str:
    """Reason why the kernel does not take a value, with the most similar one where it lists those that it takes."""
    if isinstance(refused, ValueError):
        return str(refused)
    if refused.errno != errno.ENOENT:
        return str(refused.strerror)
    folder, _, last = name.rpartition(".")
    listed = _path(f"{folder}.{last.replace('tcp_', 'tcp_available_', 1)}")
    known = listed.read_text().split() if listed.exists() else []
    return f"the kernel has no {value!r}{did_you_mean(value, known)}"


def read(namespace: Namespace, names: Iterable[str]) -> dict[str, str]:
    """The values inside `namespace`, with single spaces between numbers; those that the kernel lacks are left out."""
    values = {}
    with namespace.entered():
        for name in names:
            with suppress(FileNotFoundError):
                values[name] = " ".join(_path(name).read_text().split())
    return values


def names(namespace: Namespace) -> list[str]:
    """Names of all settings inside `namespace`."""
    with namespace.entered():
        return [name_of(str(file)) for file in _path("net").rglob("*") if file.is_file()]


def is_known(name: str) -> bool:
    """Whether this kernel, or a later one, has this sysctl of the network."""
    return name.startswith("net.") and (name in OPTIONAL or _path(name).exists())


def name_of(path: str) -> str:
    """/proc/sys/net/ipv4/tcp_sack -> `net.ipv4.tcp_sack`."""
    return path.removeprefix("/proc/sys/").replace("/", ".")


@cache
def _path(name: str) -> Path:
    """`net.ipv4.tcp_sack` -> /proc/sys/net/ipv4/tcp_sack. Resolved against the calling thread's namespace."""
    return Path("/proc/sys", *name.split("."))
