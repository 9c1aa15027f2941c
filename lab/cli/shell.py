"""Python prompt of `lab shell`: the ladder grows while one types, Tab completes, an error is one line."""

from __future__ import annotations

import asyncio
import builtins
import code
import os
import pwd
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.shortcuts import CompleteStyle

from lab.author.lab import Lab
from lab.author.mistakes import nearest
from lab.author.sockets import Listener
from lab.cli.line_completion import completions
from lab.cli.messages import message_lines, tell
from lab.cli.printer import screen_of
from lab.cli.values import Values
from lab.record.expectation import ANY, ZERO
from lab.record.nearest import did_you_mean
from lab.report.i18n import Translator
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Ladder
from lab.report.text import ladder_lines
from lab.report.verdicts import what_differs
from lab.session.errors import KernelDiffers

if TYPE_CHECKING:
    from types import CodeType

_PORT = 80
_HANDSHAKE = '  peer.send("S")\n  peer.expect("SA")\n  peer.send("A")'
_MORE = '  server.accept(of=peer), kernel.state\n  kernel.expect_state(peer, "ESTABLISHED")\n  peer.close()'
_INTERVAL_S = 0.1
"""Time between two looks at the wire while one types."""


def interact(lab: Lab, where: str, translate: Translator, history: Path | None) -> None:
    """Read and run lines until Ctrl-D. `where` says where the lab is, `history` keeps what is typed on a terminal."""
    server = lab.kernel.listen(port=_PORT, options={"SO_REUSEADDR": 1})
    names = {"lab": lab, "kernel": lab.kernel, "server": server, "peer": lab.peer(to=server), "ANY": ANY, "ZERO": ZERO}
    names["help"] = _Help(translate)
    console = _Console(lab, names, translate)
    if sys.stdin.isatty() and sys.stdout.isatty():
        console.read_line = _prompt(console, history)
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # the terminal is set back
    tell(f"{translate('shell_welcome', where=where)}\n{_HANDSHAKE}")
    tell(f"{translate('shell_look', port=_PORT)}\n{_MORE}\n{translate('shell_keys')}")
    console.interact(banner="", exitmsg="")


class _Help:
    """`help` of the shell: Python's, but `help` alone and `help()` say how to use it."""

    def __init__(self, translate: Translator) -> None:
        self._words = translate

    def __repr__(self) -> str:
        return self._words("shell_help")

    def __call__(self, *about: object) -> None:
        for each in about:
            builtins.help(each)
        if not about:
            tell(repr(self))


class _Console(code.InteractiveConsole):
    """Python prompt that prints the new rungs of the ladder after each line, and differences as a run prints them."""

    def __init__(self, lab: Lab, names: dict[str, Any], translate: Translator) -> None:
        super().__init__(names)
        self.names = names
        """Also those that are typed."""
        self._lab = lab
        self._words = translate
        self._values = Values(lab, names, translate)
        self._shown = 0
        self.read_line: Callable[[str], str] = input
        sys.displayhook = self._display

    def raw_input(self, prompt: str = "") -> str:
        """Read a line."""
        return self.read_line(prompt)

    def runcode(self, code: CodeType) -> None:
        """Run the typed code, then print the new rungs."""
        super().runcode(code)
        self.print_lines(self.news())

    def news(self) -> list[str]:
        """Process received frames; the lines of the new rungs, and of a standing rule that a frame breaks."""
        differs: list[str] = []
        try:
            self._lab.look_around()
        except KernelDiffers as raised:
            differs = list(self._difference(raised))
        ladder = ladder_of(self._lab.recording)
        fresh, headed = Ladder(ladder.rungs[self._shown :], ladder.recording), self._shown == 0
        self._shown = len(ladder.rungs)
        lines = ladder_lines(fresh, screen_of(sys.stdout), self._words, headed=headed) if fresh.rungs else ()
        return [*lines, *differs]

    def print_lines(self, lines: list[str]) -> None:
        """Print lines, if there are any."""
        if lines:
            print("\n".join(lines), flush=True)

    def _display(self, value: object) -> None:
        """Print the value of a typed expression, after the rungs that it has caused."""
        if isinstance(value, type(exit)):  # `exit` without brackets
            raise SystemExit
        if value is not None:
            self.print_lines(self.news())
            for line in self._values.lines(value):
                tell(line)
            vars(builtins)["_"] = value

    def _difference(self, raised: KernelDiffers) -> Iterator[str]:
        yield self._words("shell_differs")
        yield from what_differs(self._lab.recording, raised.check, screen_of(sys.stdout), self._words)
        for name, value in self.names.items():
            if isinstance(value, Listener) and value.descriptor >= 0 and _port_is_taken(raised, value.port):
                yield from message_lines(self._words("shell_port_taken", name=name, port=value.port), sys.stdout)

    def showtraceback(self) -> None:
        """Print a difference as a run does, and any other error in one line."""
        raised = sys.exc_info()[1]
        if isinstance(raised, KernelDiffers):
            self.print_lines(list(self._difference(raised)))
        elif isinstance(raised, KeyboardInterrupt):
            print(self._words("shell_interrupted"))
        elif raised is not None:
            hint = nearest(raised)
            if isinstance(raised, NameError) and raised.name:
                hint = did_you_mean(raised.name, [*self.names, *vars(builtins)])
            kind, what = type(raised).__name__, f"{' '.join(str(raised).split())}{hint}"
            told = self._words.text(f"{kind}: {what}")
            tell(f"{kind}{self._words.text(': ')}{self._words.text(what)}" if told == f"{kind}: {what}" else told)

    def showsyntaxerror(self, filename: str | None = None, **_: Any) -> None:  # noqa: ARG002
        """Print in one line what Python does not understand, and where."""
        raised = sys.exc_info()[1]
        assert isinstance(raised, SyntaxError | ValueError | OverflowError)
        what, column = self._words.text(getattr(raised, "msg", str(raised))), getattr(raised, "offset", None)
        tell(self._words("shell_syntax_at" if column else "shell_syntax", what=what, column=column))


def _port_is_taken(raised: KernelDiffers, port: int) -> bool:
    """Whether bind() has failed because a socket has that port already."""
    check = raised.check
    return check.subject == f"bind({port})" and any(row.got == "EADDRINUSE" for row in check.rows)


class _Completer(Completer):
    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> Iterator[Completion]:
        """Yield what can stand before the cursor."""
        for word, typed in completions(document.text_before_cursor, self._names):
            yield Completion(word, -typed)


def _prompt(console: _Console, history: Path | None) -> Callable[[str], str]:
    """Function that reads a line on the terminal, and prints the ladder above it meanwhile."""
    session: PromptSession[str] = PromptSession(
        history=FileHistory(history) if history is not None else InMemoryHistory(),
        completer=_Completer(console.names),
        complete_style=CompleteStyle.READLINE_LIKE,
    )

    async def follow() -> None:
        while True:
            await asyncio.sleep(_INTERVAL_S)
            if lines := console.news():
                # Not run_in_terminal: it lets the terminal read whole lines meanwhile, which loses a Ctrl-C or Ctrl-D.
                session.app.renderer.erase()
                console.print_lines(lines)
                session.app.invalidate()

    def begin() -> None:
        _ = session.app.create_background_task(follow())

    return partial(session.prompt, pre_run=begin)


def history_file() -> Path | None:
    """The file that keeps what this user types, made if it is missing; None if it cannot be written.

    Behind sudo it is a file of root's, one for each user: root must not write where another user could put a link.
    """
    user, behind = os.getuid(), os.environ.get("SUDO_UID", "")
    with suppress(OSError, KeyError, RuntimeError):
        home = Path.home()
        if home.stat().st_uid != user:
            home = Path(pwd.getpwuid(user).pw_dir)
        folder = home / ".local/state/tcp-packet-lab"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / (f"shell-{behind}" if user == 0 and behind.isdecimal() else "shell")
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        return file
    return None
