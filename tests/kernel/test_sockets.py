"""Kernel sockets as values: what each call returns, errors by name, and every wait with a deadline."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from lab.author.lab import Lab
from lab.host import sockets
from lab.host.addresses import AddressPool, Pair
from lab.host.network import Network
from lab.host.sockets import CallResult, KernelSocket
from lab.session.errors import KernelDiffers

LONG_S = 10.0


class Host:
    """A kernel to open sockets in; both ends of a connection are its own."""

    def __init__(self, network: Network, pair: Pair) -> None:
        self.network, self.pair = network, pair
        self.all = ExitStack()

    def open(self) -> KernelSocket:
        opened = KernelSocket.open(self.network.kernel, self.pair.family)
        self.all.callback(opened.close)
        return opened

    def listener(self, port: int = 80) -> KernelSocket:
        listener = self.open()
        listener.bind(self.pair.kernel, port).unwrap()
        listener.listen(4).unwrap()
        return listener

    def connected(self) -> tuple[KernelSocket, KernelSocket]:
        listener, client = self.listener(), self.open()
        assert client.connect(self.pair.kernel, 80).error == "EINPROGRESS"
        client.connected(soon()).unwrap()
        server = listener.accept(soon()).unwrap()
        self.all.callback(server.close)
        return client, server


def soon() -> float:
    return time.monotonic() + LONG_S


@pytest.fixture
def host(pool: AddressPool, family: int) -> Iterator[Host]:
    addresses = pool.acquire()
    with closing(Network(addresses)) as network:
        bring_loopback_up(network)
        made = Host(network, addresses.of(family))
        with made.all:
            yield made
    pool.release(addresses)


def bring_loopback_up(network: Network) -> None:
    """The kernel reaches its own addresses over it."""
    from pyroute2 import IPRoute

    with network.kernel.entered(), IPRoute() as route:
        route.link("set", index=1, state="up")


def test_bytes_go_both_ways_and_end(host: Host) -> None:
    client, server = host.connected()
    assert client.send(b"hello").unwrap() == 5
    assert server.recv(3, soon()).unwrap() == b"hel"
    assert server.recv(3, soon()).unwrap() == b"lo"
    client.shutdown("write").unwrap()
    assert server.recv(1, soon()).unwrap() == b""
    assert server.send(b"still").unwrap() == 5
    assert client.recv(9, soon()).unwrap() == b"still"
    assert client.send(b"too late").error == "EPIPE"


def test_nobody_there_is_a_value(host: Host) -> None:
    client, server = host.connected()
    assert host.listener(81).accept(deadline=0.0).error == "EAGAIN"
    assert client.recv(1, deadline=0.0).error == "EAGAIN"
    assert host.open().accept(soon()).error == "EINVAL"
    refused = host.open()
    refused.connect(host.pair.kernel, 99)
    assert refused.connected(soon()).error == "ECONNREFUSED"
    unanswered = host.open()
    assert unanswered.connect(host.pair.peer, 80).error == "EINPROGRESS"
    assert unanswered.connected(deadline=0.0).error == "EINPROGRESS"
    assert server.recv(1, deadline=0.0).error == "EAGAIN"


def test_errors_are_named(host: Host) -> None:
    host.listener()
    assert host.open().bind(host.pair.kernel, 80).error == "EADDRINUSE"
    assert host.open().bind(host.pair.peer, 80).error == "EADDRNOTAVAIL"
    assert host.open().send(b"x").error in {"EPIPE", "ENOTCONN"}
    closed = host.open()
    closed.close()
    assert closed.fileno() == -1
    assert closed.listen(1).error == "EBADF"


def test_unwrap_raises_what_was_returned() -> None:
    with pytest.raises(OSError, match="ECONNREFUSED") as raised:
        CallResult(error="ECONNREFUSED").unwrap()
    assert raised.value.errno == 111
    assert CallResult(7).unwrap() == 7


def test_a_wait_ends_with_what_it_waits_for(host: Host) -> None:
    client, server = host.connected()
    speaker = threading.Thread(target=client.send, args=(b"now",))
    speaker.start()
    assert server.recv(3, soon()).unwrap() == b"now"
    speaker.join()
    assert not server.wait(select.POLLIN, deadline=0.0)


def test_linger_zero_resets(host: Host) -> None:
    client, server = host.connected()
    client.linger(0).unwrap()
    client.close().unwrap()
    assert server.wait(select.POLLERR, soon())
    assert server.recv(1, soon()).error == "ECONNRESET"


def test_a_connection_stays_until_its_last_descriptor_is_closed(host: Host) -> None:
    client, server = host.connected()
    copy = client.dup()
    client.close()
    assert server.recv(1, deadline=0.0).error == "EAGAIN"
    copy.close()
    assert server.recv(1, soon()).unwrap() == b""


def test_poll_tells_what_there_is_and_what_has_ended(host: Host) -> None:
    client, server = host.connected()
    assert server.events() == "POLLOUT"
    client.send(b"hello").unwrap()
    assert server.wait(select.POLLIN, soon())
    assert server.events() == "POLLIN POLLOUT"
    server.recv(5, soon()).unwrap()
    client.shutdown("write").unwrap()
    assert server.wait(select.POLLIN, soon())
    assert server.events() == "POLLIN POLLOUT POLLRDHUP"
    client.linger(0).unwrap()
    client.close().unwrap()
    assert server.wait(select.POLLERR, soon())
    assert server.events() == "POLLIN POLLOUT POLLRDHUP POLLERR POLLHUP"


def test_a_process_owns_the_socket_until_it_is_killed(host: Host) -> None:
    client, server = host.connected()
    owner = client.move_to_process()
    assert client.fileno() == -1
    assert server.recv(1, deadline=0.0).error == "EAGAIN"
    owner.kill()
    assert server.recv(1, soon()).unwrap() == b""
    owner.kill()


def test_no_socket_is_closed_while_a_new_process_has_copies(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = host.connected()
    seen: list[str] = []

    class Watched:
        def __enter__(self) -> None:
            seen.append(server.recv(1, deadline=0.0).error)

        def __exit__(self, *_: object) -> None:
            seen.append(server.recv(1, soon()).error)

    monkeypatch.setattr(sockets, "fork_lock", Watched())
    client.close()
    assert seen == ["EAGAIN", ""], "the FIN left between the two"


def test_a_new_process_is_made_while_nobody_closes_a_socket(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = host.connected()
    make_process, taken = subprocess.Popen, []

    def making(*words: Any, **named: Any) -> subprocess.Popen[bytes]:
        taken.append(sockets.fork_lock.locked())
        return make_process(*words, **named)

    monkeypatch.setattr(subprocess, "Popen", making)
    client.move_to_process().kill()
    assert taken == [True]


OWNED = """
import os, socket, sys
from lab.host.sockets import HolderProcess
owner = HolderProcess(socket.socket().fileno())
print(owner.pid, flush=True)
sys.stdin.read()
"""


def test_the_owner_ends_when_the_lab_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        owner = os.pidfd_open(int(killed.stdout.readline()))
        killed.kill()
    ended = select.poll()
    ended.register(owner, select.POLLIN)
    assert ended.poll(LONG_S * 1000)
    os.close(owner)


def test_options(host: Host) -> None:
    client, _ = host.connected()
    assert client.get_option("TCP_NODELAY").unwrap() == 0
    client.set_option("TCP_NODELAY", 1).unwrap()
    assert client.get_option("TCP_NODELAY").unwrap() == 1
    assert client.set_option("SO_PEERGROUPS", 1).error == "ENOPROTOOPT"


def test_tcp_info_counts_bytes_and_tells_the_agreed_options(host: Host) -> None:
    client, server = host.connected()
    client.send(b"x" * 1000).unwrap()
    assert len(server.recv(1000, soon()).unwrap()) == 1000
    info = server.tcp_info()
    assert (info["state"], info["bytes_received"]) == (1, 1000)
    assert (info["timestamps"], info["sack"], info["wscale"]) == (1, 1, 1)
    assert info["snd_wscale"] == info["rcv_wscale"]


def test_a_thread_elsewhere_still_has_the_namespace_of_its_sockets(host: Host) -> None:
    host.listener()
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(host.open().bind(host.pair.kernel, 80).error))
    thread.start()
    thread.join()
    assert found == ["EADDRINUSE"], "opened inside, whatever thread asks"


def test_a_listener_that_cannot_be(lab4: Lab) -> None:
    lab4.kernel.listen(port=80)
    lab4.kernel.listen(port=80, error="EADDRINUSE")
    with pytest.raises(KernelDiffers, match=re.escape("bind(80) ended with EADDRINUSE")):
        lab4.kernel.listen(port=80)
    with pytest.raises(KernelDiffers, match=re.escape("bind(81) ended with success")):
        lab4.kernel.listen(port=81, error="EADDRINUSE")
