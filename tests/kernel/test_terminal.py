"""`lab run` on terminals: width, colours, and ASCII only."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.kernel.helpers import COMMAND, DEADLINE_S, ROOT, environment, scenario_file

COLOUR = re.compile(r"\033\[[0-9;]*m")
BODY = """
peer = lab.peer(port=80, timestamps=True)
lab.step("第一个报文段：内核发送 SYN，带着它知道的所有选项，对端还没有回答，于是重传定时器开始运行")
lab.kernel.connect(to=peer)
peer.expect("S", seq=0)
peer.skip_until("S")
"""


def on_a_terminal(*arguments: str | Path, columns: int = 80, variables: Mapping[str, str] = {}) -> list[str]:
    """Lines that `lab` writes on a terminal of that width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # Python itself sets LC_CTYPE for its children where the locale is "C" (PEP 538).
    left_out = {"COLUMNS", "NO_COLOR", "LC_ALL", "LC_CTYPE"}
    settings = {key: value for key, value in environment().items() if key not in left_out}
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**settings, "LANG": "C.UTF-8", **variables},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    written = b""
    with process:
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # a terminal that nobody has open any more
                break
            written += part
        process.wait(DEADLINE_S)
    os.close(leader)
    return written.decode().replace("\r\n", "\n").splitlines()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenario_file(tmp_path_factory.mktemp("wide"), BODY)


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_the_ladder_fits_the_terminal(file: Path, columns: int) -> None:
    lines = [COLOUR.sub("", line) for line in on_a_terminal("run", "-4", "--no-out", file, columns=columns)]
    assert columns - 60 < max(map(cell_len, lines)) <= columns
    assert any("┊" in line for line in lines)
    assert sum("第一个报文段" in line for line in lines) == 1


WRONG = """
server = lab.kernel.listen(port=80)
peer = lab.peer(to=server, timestamps=True, window_scale=7, sack_permitted=True)
peer.send("S")
peer.expect("SA", ack=2, options=[("MSS", 1400), ("SAckOK", b""), ("NOP", None), ("WScale", 9)])
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which one scenario differs, two do not and one is an error."""
    folder = tmp_path_factory.mktemp("saved")
    place = tmp_path_factory.mktemp("files")
    files = scenario_file(place, WRONG), scenario_file(place, "lab.peer(port=80, tymestamps=True)", "mistaken")
    on_a_terminal("run", "-4", "handshake", *files, "--out", folder / "run")
    return folder / "run"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "typed",
    [
        "show {} * -v",
        "claims --from {}",
        "coverage --from {}",
        "diff {} {}",
        "doctor",
        "list",
        "list no_such_scenario_has_a_name_as_long_as_this_one",
        "show no_such_scenario_has_a_name_as_long_as_this_one",
        "run --sysctl net.ipv4.no_such_setting=1",
        "up --no-such-option",
    ],
)
def test_on_a_narrow_terminal_no_line_is_cut_and_no_word_is_broken(saved: Path, typed: str, language: str) -> None:
    arguments = [*typed.replace("{}", str(saved)).split(), "--lang", language]
    narrow = [COLOUR.sub("", line) for line in on_a_terminal(*arguments, columns=60)]
    assert max(map(cell_len, narrow)) <= 60
    known = words([COLOUR.sub("", line) for line in on_a_terminal(*arguments, columns=1000)])
    assert {
        word for word in words(narrow) if word not in known and "/" not in word and not ends_a_path(word, known)
    } == set()


def ends_a_path(word: str, known: set[str]) -> bool:
    """Whether it is the end of a path: one that is longer than the line has to be broken."""
    return any("/" in each and each.endswith(word) for each in known)


def words(lines: list[str]) -> set[str]:
    """The words in Latin letters, without the signs around them."""
    return {word.strip(".,;:()<>`'\"") for line in lines for word in re.findall(r"[!-+.-~-]+", line)}


def test_a_wider_terminal_breaks_no_option_list(file: Path) -> None:
    narrow, wide = (on_a_terminal("run", "-4", file, columns=columns) for columns in (80, 160))
    assert len(wide) < len(narrow)
    assert any(re.search(r"0:0\(0\) win \d+ <mss .*wscale \d+>", line) for line in wide)


def test_colours_unless_no_color_is_set(file: Path) -> None:
    assert "\033[1;32mpass\033[0m" in on_a_terminal("run", "-4", file)[0]
    assert "\033" not in "".join(on_a_terminal("run", "-4", file, variables={"NO_COLOR": "1"}))


@pytest.mark.parametrize(
    "variables",
    [{"LANG": "C"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "latin-1"}],
    ids=["LANG", "LC_ALL", "encoding"],
)
def test_ascii_in_the_c_locale(variables: dict[str, str]) -> None:
    lines = on_a_terminal("run", "-4", "kernel_as_server", variables=variables)
    assert "".join(lines).isascii()
    assert any("S---->" in line for line in lines)
    assert any("<---SA" in line for line in lines)


def test_an_encoding_that_lacks_a_title_does_not_stop_the_run(file: Path) -> None:
    lines = on_a_terminal("run", "-4", file, variables={"PYTHONIOENCODING": "ascii"})
    assert any(r"\u7b2c\u4e00" in line for line in lines)
    assert any("1 passed" in line for line in lines)


def test_plain_prints_sentences() -> None:
    lines = on_a_terminal("run", "-4", "--plain", "kernel_as_server")
    assert any(re.match(r"At [\d.]+ ms the peer sends SYN, sequence 0, ", line) for line in lines)
    assert any(line.endswith("The kernel is now in ESTABLISHED.") for line in lines)
    assert not any("►" in line for line in lines)
