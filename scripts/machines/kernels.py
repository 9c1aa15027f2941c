"""Debian's cloud kernels of several suites: found in this machine's own package archive, unpacked, not installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from scripts.machines.tools import WORK, Failed, Missing, run

SUITES = ("bullseye", "bookworm", "trixie", "bookworm-backports", "trixie-backports", "sid")
"""Where kernels are looked for. A suite that the archive no longer has is passed over, and said."""

_NAME = re.compile(r"linux-image-(\d[^\s]*)-cloud-amd64")
_PARTS = re.compile(r"^ *Depends: (linux-(?:binary|modules|base)-\d\S*)$", re.MULTILINE)


class Kernel(NamedTuple):
    """An unpacked kernel."""

    release: str
    """As uname -r says it."""
    suite: str
    image: Path
    modules: Path
    """The folder lib/modules/RELEASE."""


class Offered(NamedTuple):
    """A kernel that a suite has."""

    release: str
    suite: str


def order(release: str) -> tuple[int, ...]:
    """For sorting by version."""
    return tuple(int(number) for number in re.findall(r"\d+", release.removesuffix("-cloud-amd64")))


def offered() -> list[Offered]:
    """All cloud kernels of all suites, oldest first."""
    found: dict[str, Offered] = {}
    absent = []
    for suite in SUITES:
        try:
            names = _apt_cache(suite, "pkgnames", "linux-image-").split()
        except Failed:
            absent.append(suite)
            continue
        for name in names:
            match = _NAME.fullmatch(name)
            if match and "rc" not in name:
                release = f"{match[1]}-cloud-amd64"
                found.setdefault(release, Offered(release, suite))
    if absent:
        print(f"(the archive has no {', '.join(absent)})")
    return sorted(found.values(), key=lambda each: order(each.release))


def newest_of(series: str, known: list[Offered]) -> Offered:
    """The newest kernel of a series ("6.12"); Missing when no suite has one."""
    matching = [each for each in known if re.match(rf"{re.escape(series)}(?!\d)", each.release)]
    if not matching:
        raise Missing(f"no suite has a cloud kernel {series}; there are {', '.join(_series(known))}")
    return matching[-1]


def fetch(wanted: Offered) -> Kernel:
    """Download and unpack a kernel, once."""
    folder = WORK / "kernels" / wanted.release
    tree = folder / "tree"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        tree.mkdir(parents=True)
        log = folder / "log"
        names = [f"linux-image-{wanted.release}"]
        depends = _apt_cache(wanted.suite, "depends", "--no-recommends", "--no-suggests", names[0])
        # From Linux 7 on the image package is empty, and what was in it is in these.
        names += sorted({name for name in _PARTS.findall(depends) if wanted.release in name})
        _apt_get(wanted.suite, "download", *names, log=log, folder=folder)
        for package in sorted(folder.glob("*.deb")):
            run(["dpkg-deb", "-x", package, tree], log)
            package.unlink()
        merged = tree / "usr/lib/modules"
        if merged.is_dir():
            (tree / "lib").mkdir(exist_ok=True)
            merged.rename(tree / "lib/modules")
        run(["depmod", "-b", tree, wanted.release], log)
        (folder / "complete").touch()
    modules = tree / "lib/modules" / wanted.release
    images = (tree / "boot" / f"vmlinuz-{wanted.release}", modules / "vmlinuz")  # the second from Linux 7 on
    image = next((path for path in images if path.is_file()), images[0])
    if not image.is_file() or not modules.is_dir():
        raise Failed(f"the packages of {wanted.release} in {wanted.suite} have no kernel or no modules; see {folder}")
    return Kernel(wanted.release, wanted.suite, image, modules)


def _series(known: list[Offered]) -> list[str]:
    return list(dict.fromkeys(".".join(each.release.split(".")[:2]).split("-")[0] for each in known))


def _archive() -> str:
    """Where this machine's own Debian packages come from."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        origin, label, uri = [*line.split(), "", "", ""][:3]
        if origin == label == "Debian":
            return uri.rstrip("/")
    raise Missing("apt knows no Debian archive on this machine; add one and run apt-get update")


def _options(suite: str) -> list[str]:
    """Options with which apt has a configuration of its own with one suite; the system's is not touched."""
    own = WORK / "apt" / suite
    if not own.exists():
        for part in ("sources.d", "lists/partial", "cache/archives/partial"):
            (own / part).mkdir(parents=True)
        (own / "status").touch()
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        if not Path(keyring).exists():
            shutil.rmtree(own)
            raise Missing("Debian's keys are missing; type: sudo apt-get install debian-archive-keyring")
        (own / "sources").write_text(f"deb [signed-by={keyring}] {_archive()} {suite} main\n")
    settings = {
        "Dir::Etc::sourcelist": own / "sources",
        "Dir::Etc::sourceparts": own / "sources.d",
        "Dir::State::lists": own / "lists",
        "Dir::State::status": own / "status",
        "Dir::Cache": own / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    if not (own / "updated").exists():
        # apt-get update succeeds when an archive is out of reach, unless told not to.
        strict = ["-o", "APT::Update::Error-Mode=any"]
        run(["apt-get", *options, *strict, "update"], own / "log")
        (own / "updated").touch()
    return options


def _apt_cache(suite: str, *arguments: str) -> str:
    done = subprocess.run(["apt-cache", *_options(suite), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"apt-cache {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _apt_get(suite: str, *arguments: str, log: Path, folder: Path) -> None:
    command = ["apt-get", *_options(suite), *arguments]
    run(["env", "-C", folder, *command], log)
