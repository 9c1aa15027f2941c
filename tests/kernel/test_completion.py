"""Completion of commands in bash and zsh: installed, and tried with the first Tab of a new session."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.kernel.helpers import COMMAND, DEADLINE_S, ROOT, environment
from tests.kernel.terminals import on_terminal

TAB = "\t"


@pytest.fixture(params=["bash", "zsh"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """A shell in which completion is installed, and the environment with the command and a home of its own."""
    shell: str = request.param
    (tmp_path / "lab").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n', encoding="utf-8")
    (tmp_path / "lab").chmod(0o755)
    chinese = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8", "LC_CTYPE": "C.UTF-8"}
    variables = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}", **chinese}
    done = subprocess.run(
        [shell, "-c", "lab --install-completion; true"],
        cwd=ROOT,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert f"{shell} 的补全已安装到 {tmp_path}/." in done.stdout
    assert "重新打开终端" in done.stdout
    return shell, variables


def test_the_first_tab_completes(installed: tuple[str, dict[str, str]]) -> None:
    shell, variables = installed
    with on_terminal([shell, "-i"], variables) as terminal:
        terminal.type(f"lab run handshake.kernel_as_s{TAB}")
        terminal.until("kernel_as_server")


@pytest.mark.parametrize("installed", ["zsh"], indirect=True)
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("run handshake.kernel_as_", "handshake.kernel_as_client  -- 内核发起连接"),
        ("", "report    -- 为已保存的运行"),
        ("run --", "--exitfirst  -- 遇到第一处差异时停止。"),
        ("exercise ", "start    -- 开始或继续一个练习。"),
    ],
)
def test_zsh_lists_words_with_a_text_in_the_language(
    installed: tuple[str, dict[str, str]], typed: str, told: str
) -> None:
    shell, variables = installed
    with on_terminal([shell, "-i"], variables, columns=120) as terminal:
        terminal.type(f"lab {typed}{TAB}{TAB}")
        terminal.until(told)
