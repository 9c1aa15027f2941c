"""One open-and-close cycle in five ways: the same seven segments and the same system calls of the kernel's side.

    peer > kernel  S            peer < kernel  SA
    peer > kernel  A            accept(), close()
    peer < kernel  FA           peer > kernel  A
    peer > kernel  FA           peer < kernel  A

The kernel closes first, so that no delayed ACK of its is waited for. Each way has namespaces of its own, all made
alike, and each cycle a peer port of its own, because the kernel keeps every connection in TIME-WAIT for a minute.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from lab import Lab
from lab.host.addresses import KERNEL_MAC, PEER_MAC, AddressPool
from lab.host.network import PEER_INTERFACE, Network
from lab.host.tracepoint import StateTracer
from lab.tcp.flags import ACK, FIN, SYN

PORT = 80
FIRST_PORT = 20001
ISS = 1000
_MASK = 0xFFFF_FFFF
_IGNORE_OUTGOING = 263, 23, 1  # SOL_PACKET, PACKET_IGNORE_OUTGOING
_PATIENCE_S = 5


class Way(NamedTuple):
    """One way to do cycles."""

    cycle: Callable[[], int]
    """Does one; the peer's port in it."""
    network: Network | None = None
    """Its namespaces; the thread is to be in the peer's while it runs. None: it looks after that itself."""
    after: Callable[[], None] = lambda: None
    """What a block of cycles ends with."""


@contextmanager
def through_the_api(pool: AddressPool, tracer: StateTracer | None) -> Iterator[Way]:
    """As a scenario does it: every check and the standing rules, five states, everything recorded."""
    with Lab(pool=pool, tracer=tracer) as lab:
        server = lab.kernel.listen(port=PORT)

        def cycle() -> int:
            peer = lab.peer(to=server)
            peer.send("S", options=[("MSS", 1460)])
            peer.expect("SA", seq=0, ack=1, options=[("MSS", lab.kernel.mss)])
            lab.kernel.expect_state(peer, "SYN-RECEIVED")
            peer.send("A")
            lab.kernel.expect_state(peer, "ESTABLISHED")
            connection = server.accept()
            connection.close()
            peer.expect("FA", seq=1, ack=1)
            lab.kernel.expect_state(peer, "FIN-WAIT-1")
            peer.send("A")
            lab.kernel.expect_state(peer, "FIN-WAIT-2")
            peer.send("FA")
            peer.expect("A", seq=2, ack=2)
            lab.kernel.expect_state(peer, "TIME-WAIT")
            return peer.port

        yield Way(cycle, after=lab.catch_up)


@contextmanager
def with_struct(pool: AddressPool) -> Iterator[Way]:
    """As one writes it by hand for speed: struct and AF_PACKET, right checksums, nothing checked."""
    with _network(pool) as network, _listener(network) as listener:
        with network.peer.entered():
            link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with closing(link):
            link.setsockopt(*_IGNORE_OUTGOING)
            link.bind((PEER_INTERFACE, 0x0800))
            frame = _framer(network)
            number = struct.Struct("!I")
            ports = itertools.count(FIRST_PORT)

            def cycle() -> int:
                port = next(ports)
                link.send(frame(port, ISS, 0, SYN, b"\x02\x04\x05\xb4"))
                ack = number.unpack_from(link.recv(2048), 38)[0] + 1 & _MASK
                link.send(frame(port, ISS + 1, ack, ACK))
                connection, _ = listener.accept()
                connection.close()
                link.recv(2048)
                ack = ack + 1 & _MASK
                link.send(frame(port, ISS + 1, ack, ACK))
                link.send(frame(port, ISS + 1, ack, FIN | ACK))
                link.recv(2048)
                return port

            yield Way(cycle, network)


def _framer(network: Network) -> Callable[..., bytes]:
    ethernet = bytes.fromhex((KERNEL_MAC + PEER_MAC).replace(":", "")) + b"\x08\x00"
    pair = network.addresses.ipv4
    source, destination = socket.inet_aton(pair.peer), socket.inet_aton(pair.kernel)
    pseudo = int.from_bytes(source, "big") + int.from_bytes(destination, "big") + socket.IPPROTO_TCP
    ip, tcp, field = struct.Struct("!BBHHHBBH4s4s"), struct.Struct("!HHIIBBHHH"), struct.Struct("!H")

    def frame(port: int, seq: int, ack: int, flags: int, options: bytes = b"") -> bytes:
        length = 20 + len(options)
        header = bytearray(ip.pack(0x45, 0, 20 + length, 0, 0x4000, 64, socket.IPPROTO_TCP, 0, source, destination))
        field.pack_into(header, 10, -int.from_bytes(header, "big") % 0xFFFF)
        segment = bytearray(tcp.pack(port, PORT, seq, ack, length << 2, flags, 65535, 0, 0) + options)
        field.pack_into(segment, 16, -(int.from_bytes(segment, "big") + pseudo + length) % 0xFFFF)
        return ethernet + header + segment

    return frame


@contextmanager
def with_scapy(pool: AddressPool) -> Iterator[Way]:
    """As Scapy's documentation writes it: layers joined with `/`, a Scapy socket, dissected replies."""
    with _network(pool) as network, _listener(network) as listener, _scapy_socket(network) as link:
        packet, tcp = _packets(network)
        ports = itertools.count(FIRST_PORT)

        def cycle() -> int:
            port = next(ports)
            link.send(packet(port, flags="S", seq=ISS, options=[("MSS", 1460)]))
            ack = link.recv()[tcp].seq + 1
            link.send(packet(port, flags="A", seq=ISS + 1, ack=ack))
            connection, _ = listener.accept()
            connection.close()
            ack = link.recv()[tcp].seq + 1
            link.send(packet(port, flags="A", seq=ISS + 1, ack=ack))
            link.send(packet(port, flags="FA", seq=ISS + 1, ack=ack))
            link.recv()
            return port

        yield Way(cycle, network)


@contextmanager
def with_sr1(pool: AddressPool) -> Iterator[Way]:
    """The same with `sr1`, which matches the answer, for the two segments that have one. Its socket stays open."""
    with _network(pool) as network, _listener(network) as listener, _scapy_socket(network) as link:
        packet, tcp = _packets(network)
        ports = itertools.count(FIRST_PORT)

        def answer(sent: Any) -> Any:
            received = link.sr1(sent, timeout=_PATIENCE_S, verbose=0)
            if received is None:
                raise RuntimeError("sr1 saw no answer")
            return received

        def cycle() -> int:
            port = next(ports)
            ack = answer(packet(port, flags="S", seq=ISS, options=[("MSS", 1460)]))[tcp].seq + 1
            link.send(packet(port, flags="A", seq=ISS + 1, ack=ack))
            connection, _ = listener.accept()
            connection.close()
            ack = link.recv()[tcp].seq + 1
            link.send(packet(port, flags="A", seq=ISS + 1, ack=ack))
            answer(packet(port, flags="FA", seq=ISS + 1, ack=ack))
            return port

        yield Way(cycle, network)


def _packets(network: Network) -> tuple[Callable[..., Any], Any]:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether

    kernel, peer = network.addresses.ipv4.kernel, network.addresses.ipv4.peer

    def packet(port: int, **fields: Any) -> Any:
        ip = IP(src=peer, dst=kernel, flags="DF", id=0)
        return Ether(src=PEER_MAC, dst=KERNEL_MAC) / ip / TCP(sport=port, dport=PORT, window=65535, **fields)

    return packet, TCP


@contextmanager
def _scapy_socket(network: Network) -> Iterator[Any]:
    """Scapy keeps a list of the interfaces of the namespace it was imported in, so it is told to look again."""
    from scapy.arch.linux import L2Socket
    from scapy.config import conf

    with network.peer.entered():
        conf.ifaces.reload()
        link = L2Socket(iface=PEER_INTERFACE, type=0x0800, promisc=False)
    with closing(link):
        link.ins.setsockopt(*_IGNORE_OUTGOING)  # else it would also read what it sends: faster than Scapy as it comes
        yield link


@contextmanager
def between_kernels(pool: AddressPool) -> Iterator[Way]:
    """The kernel at both ends of the same wire, and the system calls alone."""
    with _network(pool) as network, _listener(network) as listener:
        _give_address(network)
        kernel = network.addresses.ipv4.kernel

        def cycle() -> int:
            client = socket.socket()
            client.connect((kernel, PORT))
            connection, (_, port) = listener.accept()
            connection.close()
            client.close()
            return int(port)

        yield Way(cycle, network)


def _give_address(network: Network) -> None:
    """Make the peer's namespace a second kernel that speaks TCP itself."""
    from pyroute2 import IPRoute

    pair = network.addresses.ipv4
    with network.peer.entered(), IPRoute() as route:
        index = route.link_lookup(ifname=PEER_INTERFACE)[0]
        route.addr("add", index=index, address=pair.peer, prefixlen=pair.prefix_length)
        route.neigh("replace", dst=pair.kernel, lladdr=KERNEL_MAC, ifindex=index, state=0x80)  # NUD_PERMANENT


@contextmanager
def _network(pool: AddressPool) -> Iterator[Network]:
    addresses = pool.acquire()
    with closing(Network(addresses)) as network:
        yield network
    pool.release(addresses)


@contextmanager
def _listener(network: Network) -> Iterator[socket.socket]:
    with network.kernel.entered():
        listener = socket.socket()
    with closing(listener):
        listener.bind((network.addresses.ipv4.kernel, PORT))
        listener.listen(16)
        yield listener
