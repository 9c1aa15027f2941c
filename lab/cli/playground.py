"""`lab up`, `lab down`, `lab watch` and `lab shell`: a lab that stays, for other tools or for a Python prompt."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import Annotated

import typer

from lab.cli.exits import CANNOT_RUN, cannot_run, leave
from lab.cli.language import language
from lab.cli.messages import tell, tell_command
from lab.cli.options import IPv6
from lab.report.i18n import translator

TwoKernels = Annotated[
    bool, typer.Option("--two-kernels", help="The peer's end has a kernel's TCP too, for nc, curl and servers.")
]


def up(*, two_kernels: TwoKernels = False) -> None:
    """Make two named namespaces, wired as for a scenario, to use with ip, tcpdump and ss."""
    from lab.host import playground
    from lab.host.errors import MachineError

    try:
        playground.up(two_kernels=two_kernels)
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
    words = translator(language())
    four, six = playground.ADDRESSES
    tell(words("up_kernel", name=f"{playground.KERNEL:<11}", ipv4=four.kernel, ipv6=six.kernel))
    key = "up_second_kernel" if two_kernels else "up_peer"
    tell(words(key, name=f"{playground.PEER:<11}", ipv4=four.peer, ipv6=six.peer))
    inside = "sudo ip netns exec"
    if two_kernels:
        tell(f"\n{words('up_terminals')}")
        tell_command("sudo scripts/lab watch")
        tell_command(f"{inside} {playground.KERNEL} python3 -m http.server 8000")
        tell_command(f"{inside} {playground.PEER} curl -s http://{four.kernel}:8000/")
        tell_command(f"{inside} {playground.KERNEL} ss -tano", words("up_sockets"))
    else:
        tell(f"\n{words('up_inspect')}")
        tell_command(f"{inside} {playground.KERNEL} ss -tano")
        tell_command(f"{inside} {playground.KERNEL} nc -l 8000")
        tell_command(f"{inside} {playground.PEER} tcpdump -nSi peer0")
        tell_command("sudo scripts/lab shell", words("up_shell"))
    tell_command("sudo scripts/lab down", words("up_remove"))


def down() -> None:
    """Remove the namespaces that `lab up` made, and nothing else."""
    from lab.host import playground
    from lab.host.errors import MachineError

    try:
        gone, foreign = playground.down()
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
    words = translator(language())
    for name in gone:
        tell(words("down_removed", name=name))
    for name in foreign:
        tell(words("down_kept", name=name))
    if not gone and not foreign:
        tell(words("down_nothing"))
    leave(CANNOT_RUN if foreign else 0)


def watch() -> None:
    """Show each segment in the namespaces of `lab up` as it comes, with the states of the kernels at both ends."""
    from lab.cli.watching import follow
    from lab.host import playground
    from lab.host.errors import MachineError

    words = translator(language())
    if os.geteuid() != 0:
        cannot_run("named namespaces need root", "type: sudo scripts/lab watch")
    if not playground.is_up():
        cannot_run("there is no playground", "make one: sudo scripts/lab up --two-kernels")
    two_kernels = playground.has_two_kernels()
    try:
        with closing(playground.attach()) as network, suppress(KeyboardInterrupt):
            tell(words("watch_two" if two_kernels else "watch_one"))
            follow(network, two_kernels=two_kernels, translate=words)
            tell(words("watch_removed"))
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
    leave(0)


def shell(*, ipv6: IPv6 = False) -> None:
    """Type a scenario line by line, in the namespaces of `lab up` if they exist, else in new ones."""
    from lab.author.lab import Lab
    from lab.cli.shell import history_file, interact
    from lab.host import playground
    from lab.host.errors import MachineError
    from lab.host.user_namespace import ensure_privileges

    words, history = translator(language()), history_file()
    try:
        ensure_privileges()
        where, network = "shell_in_new", None
        if playground.is_up() and playground.has_two_kernels():
            where = "shell_beside_two"  # a kernel owns the peer's addresses there
        elif playground.is_up():
            where, network = "shell_in_up", playground.attach()
        with Lab(6 if ipv6 else 4, network=network) as opened:
            interact(opened, words(where), words, history)
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
    leave(0)
