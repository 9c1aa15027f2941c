"""What is asked of the kernel by rtnetlink(7), a message each, in pyroute2's words; `rtnetlink` carries them.

Its messages alone, not its `IPRoute`: that takes ten times as long, and without memory its event loop may wait for
ever.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import cache
from typing import Any

_REQUEST, _ACK, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x100, 0x200, 0x400  # NLM_F_* of linux/netlink.h
_CHANGE = _REQUEST | _ACK
_NEW = _CHANGE | _CREATE | _EXCLUSIVE
_NEW_OR_OTHER = _CHANGE | _CREATE | _REPLACE
_IFF_UP = 0x1
_NUD_PERMANENT = 0x80
_FOR_EVER = 0xFFFF_FFFF
_MAIN_TABLE, _STATIC, _UNICAST = 254, 4, 1
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253


@cache
def rtnl() -> Any:
    """pyroute2's package of messages. To import it takes a fifth of a second, so that is done at the first use."""
    import pyroute2.netlink.rtnl.ifaddrmsg
    import pyroute2.netlink.rtnl.ifinfmsg
    import pyroute2.netlink.rtnl.ndmsg
    import pyroute2.netlink.rtnl.rtmsg

    return pyroute2.netlink.rtnl


def new_veth(interface: str, mac: str, far_interface: str, far_mac: str, far_namespace: int) -> bytes:
    """A cable from here to the namespace of this descriptor, both ends down."""
    far = [["IFLA_IFNAME", far_interface], ["IFLA_ADDRESS", far_mac], ["IFLA_NET_NS_FD", far_namespace]]
    data = {"attrs": [["VETH_INFO_PEER", {"attrs": far}]]}
    kind = {"attrs": [["IFLA_INFO_KIND", "veth"], ["IFLA_INFO_DATA", data]]}
    return _link(_NEW, {}, IFLA_IFNAME=interface, IFLA_ADDRESS=mac, IFLA_LINKINFO=kind)


def link_up(interface: str) -> bytes:
    """Let an interface come up."""
    return _link(_CHANGE, {"flags": _IFF_UP, "change": _IFF_UP}, IFLA_IFNAME=interface)


def link_moved(interface: str, namespace: int) -> bytes:
    """Move an interface to the namespace of this descriptor."""
    return _link(_CHANGE, {}, IFLA_IFNAME=interface, IFLA_NET_NS_FD=namespace)


def link_alias(interface: str, alias: str) -> bytes:
    """Give an interface an alias."""
    return _link(_CHANGE, {}, IFLA_IFNAME=interface, IFLA_IFALIAS=alias)


def new_address(index: int, address: str, prefix_length: int, *, deprecated: bool = False) -> bytes:
    """Give an interface an address; one that is `deprecated` the kernel never takes by itself (RFC 6724 5, rule 3)."""
    lifetime = {"ifa_preferred": 0, "ifa_valid": _FOR_EVER, "cstamp": 0, "tstamp": 0}
    given = {"IFA_CACHEINFO": lifetime} if deprecated else {}
    fields = {"family": _family(address), "prefixlen": prefix_length, "index": index}
    return _message("ifaddrmsg", "RTM_NEWADDR", _NEW, fields, {"IFA_LOCAL": address, "IFA_ADDRESS": address, **given})


def neighbour(index: int, address: str, mac: str) -> bytes:
    """Who has this address on an interface, for good."""
    fields = {"family": _family(address), "ifindex": index, "state": _NUD_PERMANENT}
    return _message("ndmsg", "RTM_NEWNEIGH", _NEW_OR_OTHER, fields, {"NDA_DST": address, "NDA_LLADDR": mac})


def new_route(index: int, address: str) -> bytes:
    """The way to an address, by an interface to whose wire it belongs."""
    scope = _SCOPE_LINK if _family(address) == socket.AF_INET else _SCOPE_UNIVERSE
    return _route(_NEW, index, address, {"scope": scope})


def route_metrics(index: int, address: str, metrics: Mapping[str, int]) -> bytes:
    """The way to an address, with metrics as ip-route(8) names them; ValueError for one that there is not."""
    known = {name for name, _ in rtnl().rtmsg.rtmsg.metrics.nla_map}
    named = {f"RTAX_{name.upper()}": value for name, value in metrics.items()}
    if unknown := [name for name in metrics if f"RTAX_{name.upper()}" not in known]:
        raise ValueError(f"a route has no metric {', '.join(map(repr, unknown))}")
    return _route(_NEW_OR_OTHER, index, address, {}, RTA_METRICS={"attrs": [list(each) for each in named.items()]})


def _link(flags: int, fields: dict[str, int], **attributes: object) -> bytes:
    return _message("ifinfmsg", "RTM_NEWLINK", flags, fields, attributes)


def _route(flags: int, index: int, address: str, fields: dict[str, int], **attributes: object) -> bytes:
    length = 128 if _family(address) == socket.AF_INET6 else 32
    way = {"family": _family(address), "dst_len": length, "table": _MAIN_TABLE, "proto": _STATIC, "type": _UNICAST}
    return _message(
        "rtmsg", "RTM_NEWROUTE", flags, {**way, **fields}, {"RTA_DST": address, "RTA_OIF": index, **attributes}
    )


def _message(kind: str, command: str, flags: int, fields: dict[str, int], attributes: dict[str, Any]) -> bytes:
    message = getattr(getattr(rtnl(), kind), kind)()
    message["header"].update(type=getattr(rtnl(), command), flags=flags, sequence_number=0, pid=0)
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = [list(each) for each in attributes.items()]
    message.encode()
    return bytes(message.data)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
