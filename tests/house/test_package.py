"""What is handed out: an sdist, the wheel made from it, and the types that an author gets from the installed wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import pytest

import lab

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

RIGHT = '''
from lab import ANY, ZERO, Connection, Inconclusive, Kernel, Lab, Listener, NotApplicable, Peer, scenario


def accepted(kernel: Kernel, peer: Peer, server: Listener) -> Connection:
    kernel.expect_state(peer, "ESTABLISHED")
    return server.accept()


@scenario(section="RFC 9293 3.5 figure 6", families=(4,))
def open_and_close(lab: Lab) -> None:
    """Three segments open a connection."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    if peer.kernel_port != 80:
        raise NotApplicable("port 80 is taken")
    if lab.family == 6:
        raise Inconclusive("too slow")
    assert peer.state == "CLOSED"
    peer.send("S", options=[("MSS", 1460)])
    assert peer.state == "SYN-SENT"
    peer.expect("SA", seq=0, ack=1, urgent=ZERO, options=[("MSS", ANY)])
    peer.send("A")
    assert peer.state in {"ESTABLISHED", "CLOSE-WAIT"}
    accepted(lab.kernel, peer, server).close()
    peer.expect(ANY, seq=ANY, ack=ANY, window=ANY, options=ANY, payload=ANY, urgent=ANY)
    peer.skip_until("A", options=[ANY, (ANY, ANY), ("Timestamp", (ANY, 0))], payload=ANY)
'''
WRONG = '''
import lab
from lab import Lab, Pear, scenario


@scenario(section="RFC 9293 3.5 figure 6", families="4")
def misspelt(lab: Lab) -> None:
    """Each of these lines has a mistake that a type checker sees."""
    peer = lab.peer(to=lab.kernel.listen(port="80"))
    peer.sendd("S")
    peer.expect("SA", sequence=0)
    lab.kernel.expect_state("peer", "ESTABLISHED")
    peer.state.no_such_thing
    lab.kernal


lab.other
'''
MISTAKES = """
3 Module "lab" has no attribute "Pear"
6 Argument "families" to "scenario" has incompatible type "str"
9 Argument "port" to "listen" of "Kernel" has incompatible type "str"
10 "Peer" has no attribute "sendd"
11 Unexpected keyword argument "sequence" for "expect" of "Peer"
12 Argument 1 to "expect_state" of "Kernel" has incompatible type "str"
13 "State" has no attribute "no_such_thing"
14 "Lab" has no attribute "kernal"
17 Module has no attribute "other"
"""


def call(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Built:
    """Both files, and the names in them."""

    sdist: Path
    wheel: Path

    def in_sdist(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}

    def in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def metadata(self) -> dict[str, list[str]]:
        with zipfile.ZipFile(self.wheel) as archive:
            [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            message = Parser().parsestr(archive.read(name).decode())
        return {name: message.get_all(name, []) for name in message}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The wheel is built from the sdist, as pip does where only that is offered."""
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "hatchling", "build", "-d", folder, "-t")
    call(*build, "sdist", cwd=ROOT)
    [sdist] = folder.glob("*.tar.gz")
    call("tar", "-xf", sdist, cwd=folder)
    call(*build, "wheel", cwd=folder / sdist.name.removesuffix(".tar.gz"))
    [wheel] = folder.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture(scope="module")
def python(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own with the wheel installed; what the lab depends on comes from the tests' environment."""
    environment = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    python = environment / "bin/python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    call(*pip, "install", "--no-deps", "--no-index", "--no-compile", "--quiet", built.wheel, cwd=environment)
    [site] = environment.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def checked_out(*patterns: str) -> set[str]:
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_the_sdist_has_what_is_needed_to_work_on_the_lab(built: Built) -> None:
    wanted = checked_out("lab/**/*", "scenarios/**/*", "tests/**/*.py", "scripts/*", ".github/**/*", "*.md", "*.toml")
    assert wanted | {"LICENSE", "CITATION.cff", "lab/py.typed"} <= built.in_sdist()


def test_the_wheel_has_the_package_its_scenarios_and_nothing_else(built: Built) -> None:
    wanted = checked_out("lab/**/*") | {f"lab/{name}" for name in checked_out("scenarios/**/*")}
    assert "lab/py.typed" in wanted
    assert {name for name in built.in_wheel() if ".dist-info/" not in name} == wanted


def test_the_wheel_says_what_it_is(built: Built) -> None:
    metadata = built.metadata()
    assert metadata["Version"] == [lab.__version__]
    assert metadata["License-Expression"] == ["GPL-2.0-or-later"]
    assert metadata["License-File"] == ["LICENSE"]
    assert metadata["Author"] == [PROJECT["authors"][0]["name"]]
    assert {"Framework :: Pytest", "Typing :: Typed"} <= set(metadata["Classifier"])
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in built.in_wheel())


def test_every_classifier_exists() -> None:
    from trove_classifiers import classifiers

    assert set(PROJECT["classifiers"]) - classifiers == set()
    assert PROJECT["classifiers"] == sorted(PROJECT["classifiers"])


def test_the_installed_lab_finds_its_scenarios(python: Path, tmp_path: Path) -> None:
    command = python.with_name("lab")
    assert call(command, "--version", cwd=tmp_path).strip() == lab.__version__
    here = call(sys.executable, "-m", "lab", "list", cwd=ROOT)
    assert call(command, "list", cwd=tmp_path) == here
    [home] = call(python, "-c", "import lab; print(lab.__file__)", cwd=tmp_path).splitlines()
    assert Path(home).is_relative_to(python.parents[1])


def test_a_type_checker_sees_an_authors_mistakes(python: Path, tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", "cache")
    done = subprocess.run(
        [*mypy, "--hide-error-context", "right.py", "wrong.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = re.findall(r"^(\S+):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    assert [file for file, _, _ in told if file != "wrong.py"] == [], done.stdout + done.stderr
    lines = MISTAKES.strip().splitlines()
    assert len(told) == len(lines), done.stdout
    for (_, line, text), mistake in zip(told, lines, strict=True):
        assert f"{line} {text}".startswith(mistake)
