"""What is measured in this process, with labs of its own: cycles side by side, set-up, the fence, growth."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from lab import Lab
from lab.host.addresses import AddressPool
from lab.host.errors import MachineError
from lab.host.inet_diag import InetDiag
from lab.host.tracepoint import StateTracer
from lab.tcp.state import State
from scripts.benchmarks import cycles
from scripts.benchmarks.cycles import Way

Shared = tuple[AddressPool, StateTracer | None]
"""What the labs of one process share, as in `lab run`."""
Make = Callable[[], AbstractContextManager[Way]]
_PATIENCE_S = 10


@contextmanager
def shared() -> Iterator[Shared]:
    """An address pool, and the tracer where it can be had."""
    with ExitStack() as undo:
        pool = AddressPool()
        undo.callback(pool.close)
        tracer: StateTracer | None = None
        try:
            tracer = StateTracer()
            undo.callback(tracer.close)
        except MachineError:
            pass  # then the labs do without, as in `lab run`; the environment says so
        yield pool, tracer


def cycle_seconds(rounds: int, fast: int, slow: int) -> dict[str, list[float]]:
    """Seconds per cycle, in each way and round; a block is `fast` cycles, with Scapy `slow` ones.

    Each way has a process of its own, so that none works on memory that another has cut up. They take turns on one CPU,
    another one first each time, so that whatever else the machine does meets all of them.
    """
    ways: dict[str, tuple[Make, int]] = {
        "api": (_through_the_api, fast),
        "struct": (lambda: _alone(cycles.with_struct), fast),
        "scapy": (lambda: _alone(cycles.with_scapy), slow),
        "sr1": (lambda: _alone(cycles.with_sr1), slow),
        "kernel": (lambda: _alone(cycles.between_kernels), fast),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with ExitStack() as undo:
        workers = {name: undo.enter_context(_worker(make)) for name, (make, _) in ways.items()}
        names = list(ways)
        for turn in range(rounds):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                workers[name].send(ways[name][1])
                seconds[name].append(workers[name].recv())
    return seconds


@contextmanager
def _through_the_api() -> Iterator[Way]:
    with shared() as (pool, tracer), cycles.through_the_api(pool, tracer) as way:
        yield way


@contextmanager
def _alone(make: Callable[[AddressPool], AbstractContextManager[Way]]) -> Iterator[Way]:
    with closing(AddressPool()) as pool, make(pool) as way:
        yield way


@contextmanager
def _worker(make: Make) -> Iterator[Connection[int, float]]:
    """A process that does as many cycles as it is told to, and tells the seconds that each took."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=_work, args=(there, make), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join(_PATIENCE_S)


def _work(orders: Connection[float, int], make: Make) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with make() as way:
        _block(way, 2)
        _prove_closed(way)
        while True:
            try:
                count = orders.recv()
            except EOFError:
                return
            orders.send(_block(way, count))


def _block(way: Way, count: int) -> float:
    """Seconds per cycle of `count` cycles."""
    with way.network.peer.entered() if way.network else nullcontext():
        way.after()  # what the others' cycles left for it to tidy up is not its own
        began = time.perf_counter()
        for _ in range(count):
            way.cycle()
        way.after()
        return (time.perf_counter() - began) / count


def _prove_closed(way: Way) -> None:
    """One more cycle must end where all of them shall end: the kernel in TIME-WAIT (the lab's own way checks that)."""
    if way.network is None:
        return
    with way.network.peer.entered():
        port = way.cycle()
    pair = way.network.addresses.ipv4
    lookup = InetDiag(way.network.kernel)
    state = lookup.of(4, pair.kernel, cycles.PORT, pair.peer, port).state
    lookup.close()
    if state is not State.TIME_WAIT:
        raise RuntimeError(f"a cycle ended in {state}, not in TIME-WAIT")


def setup_seconds(of: Shared, count: int) -> float:
    """Median time in which a lab is made. The first one of a process, which also imports, does not count."""
    pool, tracer = of

    def one() -> float:
        began = time.perf_counter()
        with Lab(pool=pool, tracer=tracer):
            return time.perf_counter() - began

    one()
    return median(one() for _ in range(count))


def exhaustion_seconds(of: Shared, family: int, ports: str) -> float:
    """Time in which the kernel opens and closes a connection from each of these ports, and finds none for another."""
    pool, tracer = of
    with Lab(family, pool=pool, tracer=tracer, sysctls={"net.ipv4.ip_local_port_range": ports}) as lab:
        first, last = map(int, ports.split())
        began = time.perf_counter()
        peer = lab.peer(port=cycles.PORT)
        lab.kernel.connect(to=peer)
        peer.open().close()
        peer.expect("FA")
        peer.send("FA")
        peer.expect("A")
        lab.crowd(like=peer, count=last - first)
        lab.kernel.connect(to=lab.peer(port=cycles.PORT), error="EADDRNOTAVAIL")
        return time.perf_counter() - began


def half_open_seconds(of: Shared, count: int) -> float:
    """Time in which so many SYNs are answered, most of them with cookies."""
    pool, tracer = of
    with Lab(pool=pool, tracer=tracer) as lab:
        server = lab.kernel.listen(port=cycles.PORT, backlog=256)
        began = time.perf_counter()
        lab.crowd(like=lab.peer(to=server).syn_received(), count=count - 1)
        return time.perf_counter() - began


def fence_seconds(of: Shared, count: int) -> float:
    """Median time in which a scenario learns that the kernel has nothing to say to an open connection."""
    pool, tracer = of
    with Lab(pool=pool, tracer=tracer) as lab:
        peer = lab.peer(to=lab.kernel.listen(port=cycles.PORT))
        peer.open()
        return median(_timed(peer.expect_silence) for _ in range(count))


def growth(of: Shared, blocks: int, count: int) -> dict[str, float | list[float]]:
    """What `blocks` blocks of `count` cycles do to time and memory: in one lab, and with a fresh lab for each block.

    A recording keeps everything, so memory grows within a lab by what one cycle leaves there; with the lab it must go.
    Call this before anything else here: memory that was freed and not given back would hide what is kept.
    """
    pool, tracer = of
    total = blocks * count
    with cycles.through_the_api(pool, tracer) as way:
        _block(way, count)
        before = _resident_bytes()
        seconds = [_block(way, count) for _ in range(blocks)]
        kept = (_resident_bytes() - before) / total

    def fresh_lab() -> int:
        with cycles.through_the_api(pool, tracer) as way:
            _block(way, count)
        return _resident_bytes()

    before = max(fresh_lab() for _ in range(3))
    leaked = (max(fresh_lab() for _ in range(blocks)) - before) / total
    return {
        "last_over_first_block": median(seconds[-3:]) / median(seconds[:3]),
        "kept_bytes_per_cycle": kept,
        "leaked_bytes_per_cycle": leaked,
        "block_seconds_per_cycle": seconds,
    }


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
