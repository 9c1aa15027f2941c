"""`lab up`, `lab down` and `lab shell`: a lab that stays, for other tools or for a Python prompt."""

from __future__ import annotations

import code
import ctypes
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.cli.exits import CANNOT_RUN, cannot_run, leave
from lab.cli.options import IPv6

if TYPE_CHECKING:
    from types import CodeType

    from lab.author.lab import Lab


_WELCOME = """{where}
  lab      the scenario API: lab.peer(...), lab.step("..."), lab.verify(...)
  kernel   its kernel: kernel.listen(81), kernel.connect(to=...), kernel.expect_state(peer, "ESTABLISHED")
  server   a listener on port {port}: server.accept()
  peer     the user-space endpoint towards it: peer.send("S"), peer.expect("SA"), peer.open(), peer.state
scenarios/README.md lists the whole API. Leave with Ctrl-D.
"""
_PORT = 80


def up() -> None:
    """Make two named namespaces, wired as for a scenario, to use with ip, tcpdump and ss."""
    from lab.host import playground
    from lab.host.errors import MachineError

    try:
        playground.up()
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
    four, six = playground.ADDRESSES
    print(f"{playground.KERNEL:<11} the kernel under test: {four.kernel} and {six.kernel} on kernel0")
    print(f"{playground.PEER:<11} the other end: peer0; only `lab shell` uses {four.peer} and {six.peer}")
    print("\ninspect them from another terminal:")
    for name, command in (
        (playground.KERNEL, "ss -tano"),
        (playground.KERNEL, "nc -l 8000"),
        (playground.PEER, "tcpdump -nSi peer0"),
    ):
        print(f"  sudo ip netns exec {name} {command}")
    print("send TCP to it:    sudo scripts/lab shell\nremove it:         sudo scripts/lab down")


def down() -> None:
    """Remove the namespaces that `lab up` made, and nothing else."""
    from lab.host import playground
    from lab.host.errors import MachineError

    try:
        gone, foreign = playground.down()
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
    for name in gone:
        print(f"removed {name}")
    for name in foreign:
        print(f"{name} was not made by the lab and is kept")
    if not gone and not foreign:
        print("there is no playground")
    leave(CANNOT_RUN if foreign else 0)


def shell(*, ipv6: IPv6 = False) -> None:
    """Type a scenario line by line, in the namespaces of `lab up` if they exist, else in new ones."""
    from lab.author.lab import Lab
    from lab.host import playground
    from lab.host.errors import MachineError
    from lab.host.user_namespace import ensure_privileges

    try:
        ensure_privileges()
        is_up = playground.is_up()
        network = playground.attach() if is_up else None
        with Lab(6 if ipv6 else 4, network=network) as opened:
            where = "In the namespaces of `lab up`:" if is_up else "In two new namespaces:"
            _interact(opened, where)
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
    leave(0)


def _interact(lab: Lab, where: str) -> None:
    from lab.record.expectation import ANY, ZERO

    server = lab.kernel.listen(port=_PORT, options={"SO_REUSEADDR": 1})
    names = {"lab": lab, "kernel": lab.kernel, "server": server, "peer": lab.peer(to=server), "ANY": ANY, "ZERO": ZERO}
    console = _Console(lab, names)
    print(_WELCOME.format(where=where, port=_PORT))
    with _input_hook(console.catch_up):
        console.interact(banner="", exitmsg="")


class _Console(code.InteractiveConsole):
    """Python prompt that prints the new rungs of the ladder after each line. It shows differences as a run does."""

    def __init__(self, lab: Lab, names: dict[str, Any]) -> None:
        super().__init__(names)
        self._lab = lab
        self._shown = 0

    def runcode(self, code: CodeType) -> None:
        """Run the typed code, then print the new rungs (lines of the ladder)."""
        super().runcode(code)
        self.catch_up()

    def catch_up(self) -> bool:
        """Process received frames and print the new rungs; True if there were any."""
        from lab.cli.printer import screen_of
        from lab.report.ladder import ladder_of
        from lab.report.ladder_model import Ladder
        from lab.report.text import ladder_lines
        from lab.session.errors import KernelDiffers

        try:
            self._lab.look_around()
        except KernelDiffers:
            self.showtraceback()
        ladder = ladder_of(self._lab.recording)
        fresh, had_heading = Ladder(ladder.rungs[self._shown :], ladder.recording), self._shown > 0
        self._shown = len(ladder.rungs)
        if fresh.rungs:
            print("\n".join(list(ladder_lines(fresh, screen_of(sys.stdout)))[had_heading:]))
        return bool(fresh.rungs)

    def showtraceback(self) -> None:
        """Print a difference as a run does, a scenario mistake as a line, and any other error as Python does."""
        from lab.report.verdicts import what_differs
        from lab.session.errors import KernelDiffers, ScenarioError

        raised = sys.exc_info()[1]
        if isinstance(raised, KernelDiffers):
            print("DIFFERS")
            for line in what_differs(self._lab.recording, raised.check):
                print(line)
        elif isinstance(raised, ScenarioError | ValueError):
            print(f"{type(raised).__name__}: {raised}")
        else:
            traceback.print_exc(limit=-1)


@contextmanager
def _input_hook(idle: Callable[[], bool]) -> Iterator[None]:
    """Call a function ten times a second while Python waits for a typed line (PyOS_InputHook)."""
    import readline  # noqa: F401  # calls the hook, and gives the prompt a history

    def hook() -> int:
        if idle():
            print(sys.ps1, end="", flush=True)
        return 0

    called = ctypes.PYFUNCTYPE(ctypes.c_int)(hook)
    slot = ctypes.c_void_p.in_dll(ctypes.pythonapi, "PyOS_InputHook")
    sys.ps1 = ">>> "
    slot.value = ctypes.cast(called, ctypes.c_void_p).value
    try:
        yield
    finally:
        slot.value = None
