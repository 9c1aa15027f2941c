"""`lab up` and `lab down`: a lab that stays, to be looked at with other tools."""

from __future__ import annotations

from lab.cli.exits import CANNOT_RUN, cannot_run, leave


def up() -> None:
    """Make two namespaces with names, wired like a scenario's, to be entered with ip, tcpdump and ss."""
    from lab.host import playground
    from lab.host.errors import MachineError

    try:
        playground.up()
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
    four, six = playground.ADDRESSES
    print(f"{playground.KERNEL:<11} the kernel under test: {four.kernel} and {six.kernel} on kernel0")
    print(f"{playground.PEER:<11} the other end: peer0, whose {four.peer} and {six.peer} nobody owns but `lab shell`")
    print("\nlook at them from another terminal:")
    for name, command in (
        (playground.KERNEL, "ss -tano"),
        (playground.KERNEL, "nc -l 8000"),
        (playground.PEER, "tcpdump -nSi peer0"),
    ):
        print(f"  sudo ip netns exec {name} {command}")
    print("speak TCP to it:   sudo scripts/lab shell\nremove it:         sudo scripts/lab down")


def down() -> None:
    """Remove what `lab up` has made, and nothing else."""
    from lab.host import playground

    gone, foreign = playground.down()
    for name in gone:
        print(f"removed {name}")
    for name in foreign:
        print(f"{name} was not made by the lab, and stays")
    if not gone and not foreign:
        print("there is no playground")
    leave(CANNOT_RUN if foreign else 0)
