"""A real virtual machine with a fresh Debian, in which the README's two commands are typed as a new user would."""

from __future__ import annotations

import argparse
import sys

from scripts.machines.guest import Guest, choose_accelerator
from scripts.machines.kernels import fetch, newest_of, offered
from scripts.machines.roots import PROJECT, USER, add_checkout, bootstrap, make_disk
from scripts.machines.tools import WORK, Phases, exit_status

_LEAST_DEADLINE_S = 900
_SOME = "tests/unit tests/kernel/test_states.py"
"""Without KVM Python is 15 to 30 times slower: the whole suite would take a working day."""
_JOB = f"""
cd {PROJECT}
phase() {{
  local name=$1 began=$SECONDS; shift
  echo "PHASE-BEGINS $name"
  "$@"; local status=$?
  echo "PHASE-ENDED $name $((SECONDS - began)) $status"
  [ $status = 0 ] || failed=1
}}
as_user() {{ runuser -u {USER} -- env HOME=/home/{USER} "$@"; }}
phase provision scripts/provision
phase lab-run as_user sudo --preserve-env=PIP_CERT scripts/lab run -q --out /results/run
phase test as_user sudo --preserve-env=PIP_CERT scripts/test TESTS
uname -a
exit ${{failed:-0}}
"""


def main() -> int:
    """The command; its exit status: 0 all went well, 1 something did not, 3 it could not be tried."""
    parser = argparse.ArgumentParser(prog="vm-test", description=__doc__)
    parser.add_argument("--suite", default="bookworm", help="the Debian release of the root (default: %(default)s)")
    parser.add_argument("--kernel", default="6.1", help="the series of the kernel (default: %(default)s)")
    parser.add_argument("--tests", metavar="PATHS", help=f"what scripts/test runs; default: all, or emulated {_SOME}")
    asked = parser.parse_args()
    return exit_status(parser.prog, lambda: _try(asked))


def _try(asked: argparse.Namespace) -> int:
    phases, folder = Phases(), WORK / "vm-test"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    with phases.phase(f"kernel {asked.kernel}"):
        kernel = fetch(newest_of(asked.kernel, offered()))
    with phases.phase("is KVM usable"):
        accelerator = choose_accelerator(kernel, folder)
    tests = asked.tests
    if tests is None:
        tests = "" if accelerator == "kvm" else _SOME
    print(f"(scripts/test runs {tests or 'everything'})")
    root = folder / "root"
    with phases.phase(f"fresh root of {asked.suite}"):
        bootstrap(root, asked.suite, log)
        add_checkout(root, log)
    with phases.phase("disk"):
        make_disk(root, kernel, _JOB.replace("TESTS", tests), folder / "disk", log)
    guest = Guest(kernel, folder, accelerator)
    booted = guest.run(folder / "disk", _LEAST_DEADLINE_S, tell=True)
    phases.add(f"boot of {kernel.release}", booted.up_seconds)
    outcome = 0
    for line in guest.console.read_text(errors="replace").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "PHASE-ENDED":
            name, seconds, status = rest.split()
            phases.add(f"in the guest: {name}" + ("" if status == "0" else f" FAILED ({status})"), float(seconds))
            outcome |= status != "0"
    phases.add("the guest in all", booted.seconds)
    print(f"the recording is in {folder / 'results/run'}, the console in {guest.console}")
    return int(bool(outcome or booted.status))


if __name__ == "__main__":
    sys.exit(main())
