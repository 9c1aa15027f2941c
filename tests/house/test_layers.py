"""Which part of the lab may import which: the arrows of the design, read from the sources."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each room, and the rooms straight to its left: it may import those, and whatever they may import. Decided here and
# nowhere else.
ARROWS = {
    "tcp": (),
    "wire": ("tcp",),
    "record": ("wire",),
    "host": ("record",),
    "claims": ("record",),
    "session": ("host", "claims"),
    "crowd": ("session",),
    "author": ("crowd",),
    "mutate": ("author",),
    "exercise": ("author", "report"),
    "grading": ("exercise",),
    "report": ("claims",),  # a saved run is shown without root and without Linux
    "pytest_plugin": ("author", "report"),
    "cli": ("mutate", "grading"),
    "__main__": ("cli",),
    "__init__": ("author",),  # `from lab import Lab, scenario`: the author's names, and the version
}

# The one door to each library, and what each layer must not know.
DOORS = {
    "scapy": {"wire"},
    "pyroute2": {"host"},
    "click": {"cli"},  # the library of typer
    "typer": {"cli"},
    "rich": {"report", "cli"},
    "jinja2": {"report"},
    "prompt_toolkit": {"cli"},
    "watchfiles": {"cli"},
    "markupsafe": {"report"},
    "pytest": {"pytest_plugin"},
    "_pytest": {"pytest_plugin"},
}
NOT_IN_THE_MODEL = {
    *("socket", "select", "selectors", "ssl", "asyncio", "threading", "subprocess", "os"),  # the machine
    *("time", "datetime", "sched", "signal"),  # the clock
    *("random", "secrets", "uuid"),  # chance
}
MAY_PRINT_AND_EXIT = {"cli", "__main__", "pytest_plugin"}  # the plugin ends the process that it makes for a test
COMPUTED = "a name that is computed"
"""Instead of the module that is imported, where the source does not tell it."""


def may_import(room: str) -> set[str]:
    """The rooms that lie to the left of a room."""
    return {*ARROWS[room], *(each for nearest in ARROWS[room] for each in may_import(nearest))}


class Sources:
    """The modules of a package, and what each of them imports: at the top, for types, and inside of functions."""

    def __init__(self, package: Path) -> None:
        self.paths: dict[str, Path] = {}
        self.trees: dict[str, ast.Module] = {}
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(package.parent).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.paths[module] = path.relative_to(package.parent)
            self.trees[module] = ast.parse(path.read_text(encoding="utf-8"))
        # lab/__init__.py loads what it hands on at the first use: whoever asks for it imports where it comes from.
        self._handed_on = {
            f"lab.{name.name}": f"{node.module}.{name.name}"
            for node in ast.walk(self.trees.get("lab", ast.Module([], [])))
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        }

    def room_of(self, module: str) -> str:
        return self.paths[module].with_suffix("").parts[1]

    def imported_by(self, module: str) -> Iterator[tuple[int, str]]:
        """Yield line and dotted name of everything that a module imports; `from a import b` counts as `a.b`."""
        for line, name in self._named_in(module):
            if name == "lab.*":
                yield from ((line, each) for each in self._handed_on.values())
            else:
                yield line, self._handed_on.get(name, name)

    def modules_imported_by(self, module: str) -> set[str]:
        """The modules of the package among them: `from a import b` is one of a package a, or has it from a module a."""
        names = [name for _, name in self.imported_by(module)]
        found = {name if name in self.paths else name.rpartition(".")[0] for name in names}
        return found & set(self.paths)

    def _named_in(self, module: str) -> Iterator[tuple[int, str]]:
        tree, parents = self.trees[module], self.paths[module].parent.parts
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    for each in names:
                        # Of `import lab` each `lab.something` is seen on its own.
                        yield node.lineno, "lab.*" if each.name == "lab" and each.asname else each.name
                case ast.Attribute(value=ast.Name(id="lab"), attr=name) if self._binds_lab(tree):
                    yield node.lineno, f"lab.{name}"
                case ast.ImportFrom(module="importlib", names=[ast.alias(name="import_module", asname=str())]):
                    yield node.lineno, COMPUTED
                case ast.ImportFrom(module=source, names=names, level=level):
                    base = [*parents[: len(parents) - level + 1]] if level else []
                    base += [source] if source else []
                    yield from ((node.lineno, ".".join([*base, each.name])) for each in names)
                case ast.Call(
                    func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                    args=[first, *_],
                ):
                    name = str(first.value) if isinstance(first, ast.Constant) else "."
                    yield node.lineno, COMPUTED if name.startswith(".") else name
                case ast.Constant(value=str(name)) if name in self.paths and name != "lab":
                    yield node.lineno, name  # whatever loads it, the name has to stand somewhere

    @staticmethod
    def _binds_lab(tree: ast.Module) -> bool:
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import))
        return any(name.name.partition(".")[0] == "lab" and not name.asname for each in imports for name in each.names)


def fault_of_import(room: str, name: str, rooms: set[str]) -> str | None:
    """Say what is wrong with a module of this room importing this name, or None."""
    top, _, rest = name.partition(".")
    if name == COMPUTED:
        return None if room == "__init__" else f"{room} must not import {name}"
    if top == "lab":
        target = rest.partition(".")[0]
        allowed = target not in rooms or target == room or target in may_import(room)  # not in rooms: the version
        return None if allowed else f"{room} must not import {target}"
    if room == "tcp" and top not in sys.stdlib_module_names:
        return f"tcp imports {top}: the model needs the standard library only"
    if room == "tcp" and top in NOT_IN_THE_MODEL:
        return f"tcp imports {top}: no machine, no clock, no chance in the model"
    if top in sys.stdlib_module_names or room in DOORS.get(top, ()):
        return None
    return f"{room} must not import {top}: its place is {' and '.join(sorted(DOORS.get(top, ['nowhere'])))}"


def prints_and_exits(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every print, and of every end of the process."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="print") | ast.Call(func=ast.Name(id="exit" | "quit")):
                yield node.lineno, "print" if isinstance(node, ast.Name) else ast.unparse(node.func)
            case ast.Attribute(value=ast.Name(id="sys"), attr="exit" | "stdout" | "stderr"):
                yield node.lineno, ast.unparse(node)
            case ast.Attribute(value=ast.Name(id="os"), attr="_exit" | "abort"):
                yield node.lineno, ast.unparse(node)
            case ast.ImportFrom(module="sys" | "os" as module, names=names):
                words = {"exit", "stdout", "stderr", "_exit", "abort"}
                yield from ((node.lineno, f"{module}.{each.name}") for each in names if each.name in words)
            case ast.Raise(exc=ast.Name(id="SystemExit") | ast.Call(func=ast.Name(id="SystemExit"))):
                yield node.lineno, "SystemExit"


def faults(package: Path) -> list[str]:
    """List every import and every print in a package that breaks the rules above."""
    sources = Sources(package)
    found = []
    rooms = {sources.room_of(module) for module in sources.paths}
    for module, path in sources.paths.items():
        room = sources.room_of(module)
        if room not in ARROWS:
            found.append(f"{path}: {room} has no place in ARROWS yet")
            continue
        wrong = [(line, fault_of_import(room, name, rooms)) for line, name in sources.imported_by(module)]
        if room not in MAY_PRINT_AND_EXIT:
            wrong += [(line, f"{name} belongs into lab/cli") for line, name in prints_and_exits(sources.trees[module])]
        found += [f"{path}:{line}: {fault}" for line, fault in sorted({each for each in wrong if each[1]})]
    return found


def circles(package: Path) -> list[str]:
    """A circle of files that import each other; [] without one."""
    sources = Sources(package)
    graph = {module: sources.modules_imported_by(module) for module in sources.paths}
    graph[package.name] = set()  # see `_handed_on`
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return [" -> ".join(_from_the_first(error.args[1][::-1]))]
    return []


def _from_the_first(circle: list[str]) -> list[str]:
    """The same circle, beginning and ending with the module whose name comes first."""
    at = circle.index(min(circle[:-1]))
    return [*circle[at:-1], *circle[:at], min(circle[:-1])]


def test_the_lab_keeps_to_its_layers() -> None:
    assert faults(ROOT / "lab") == []


def test_every_layer_is_looked_at() -> None:
    sources = Sources(ROOT / "lab")
    assert {sources.room_of(module) for module in sources.paths} == set(ARROWS)


def test_rooms_have_no_circle() -> None:
    list(TopologicalSorter(ARROWS).static_order())  # CycleError names one


@pytest.mark.parametrize(
    ("room", "rests_on"),
    [
        ("tcp", set()),
        ("wire", {"tcp"}),
        ("record", {"tcp", "wire"}),
        ("host", {"tcp", "wire", "record"}),
        ("claims", {"tcp", "wire", "record"}),
        ("session", {"tcp", "wire", "record", "host", "claims"}),
        ("crowd", {"tcp", "wire", "record", "host", "claims", "session"}),
        ("author", {"tcp", "wire", "record", "host", "claims", "session", "crowd"}),
        ("mutate", {"tcp", "wire", "record", "host", "claims", "session", "crowd", "author"}),
        ("report", {"tcp", "wire", "record", "claims"}),
    ],
)
def test_a_room_rests_on_no_more_than_the_design_says(room: str, rests_on: set[str]) -> None:
    assert may_import(room) == rests_on


def test_files_have_no_circle() -> None:
    assert circles(ROOT / "lab") == []


def test_the_lab_hands_on_what_it_says() -> None:
    tree = Sources(ROOT / "lab").trees["lab"]
    for_types = {
        name.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lab.")
        for name in node.names
    }
    [loaded] = [ast.literal_eval(node) for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    assert loaded == for_types


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with all rooms of the lab, and nothing in them."""
    package = tmp_path / "lab"
    for room in ARROWS:
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").touch()
    (package / "__init__.py").write_text("if TYPE_CHECKING:\n    from lab.author.lab import Lab\n__version__ = '1'\n")
    (package / "author" / "lab.py").touch()
    return package


@pytest.mark.parametrize(
    ("file", "source", "fault"),
    [
        ("wire/link.py", "from lab.host import netns", "1: wire must not import host"),
        ("wire/link.py", "from lab import host", "1: wire must not import host"),
        ("wire/deep/link.py", "from ...host import netns", "1: wire must not import host"),
        ("wire/__init__.py", "from ..host import netns", "1: wire must not import host"),
        ("wire/link.py", "from .. import host", "1: wire must not import host"),
        ("wire/link.py", "from ..cli import app", "1: wire must not import cli"),
        ("wire/link.py", "if TYPE_CHECKING:\n    from lab.record import events", "2: wire must not import record"),
        ("record/events.py", "def f():\n    import lab.host.link", "2: record must not import host"),
        ("record/events.py", "import lab.host.link as link", "1: record must not import host"),
        ("record/events.py", "from lab.author.registry import Scenario", "1: record must not import author"),
        ("claims/index.py", "from lab.author.registry import Scenario", "1: claims must not import author"),
        ("claims/index.py", "from lab.record.results import Scenario", None),
        ("host/netns.py", "import lab.wire.link, lab.tcp.flags", None),
        ("tcp/state.py", "import importlib\nimportlib.import_module('lab.wire')", "2: tcp must not import wire"),
        ("tcp/state.py", "__import__('lab.wire')", "1: tcp must not import wire"),
        ("cli/run.py", "__import__(name)", f"1: cli must not import {COMPUTED}"),
        ("tcp/state.py", "f('lab.wire')", "1: tcp must not import wire"),
        (
            "cli/run.py",
            "from importlib import import_module\nimport_module('.wire', 'lab')",
            f"2: cli must not import {COMPUTED}",
        ),
        ("cli/run.py", "import importlib\nimportlib.import_module(name)", f"2: cli must not import {COMPUTED}"),
        ("cli/run.py", "from importlib import import_module as load", f"1: cli must not import {COMPUTED}"),
        ("report/html.py", "from lab import Lab", "1: report must not import author"),
        ("report/html.py", "from lab import *", "1: report must not import author"),
        ("report/html.py", "import lab\n\nlab.Lab()", "3: report must not import author"),
        ("report/html.py", "import lab as ours", "1: report must not import author"),
        ("report/html.py", "import lab\n\nprinted = lab.__version__", None),
        ("mutate/mutant.py", "from lab import Lab", None),
        ("session/recorder.py", "from lab.mutate.mutant import Liar", "1: session must not import mutate"),
        ("report/html.py", "from lab.host import netns", "1: report must not import host"),
        ("report/html.py", "from lab.session import timers", "1: report must not import session"),
        ("author/run.py", "from lab.report import html", "1: author must not import report"),
        ("tcp/state.py", "from lab import Lab", "1: tcp must not import author"),
        ("tcp/state.py", "from lab import __version__", None),
        ("tcp/state.py", "import enum, time", "1: tcp imports time: no machine, no clock, no chance in the model"),
        ("tcp/state.py", "import numpy", "1: tcp imports numpy: the model needs the standard library only"),
        ("tcp/state.py", "from . import flags\nfrom .flags import SYN", None),
        (
            "report/html.py",
            "def f():\n    from scapy.all import IP",
            "2: report must not import scapy: its place is wire",
        ),
        ("wire/link.py", "from scapy.layers.inet import TCP\nfrom lab.tcp import flags", None),
        ("host/netns.py", "import pyroute2.netns", None),
        ("host/netns.py", "import numpy", "1: host must not import numpy: its place is nowhere"),
        (
            "author/run.py",
            "from scripts.benchmarks import labs",
            "1: author must not import scripts: its place is nowhere",
        ),
        ("author/run.py", "print('hello')", "1: print belongs into lab/cli"),
        ("author/run.py", "say = print", "1: print belongs into lab/cli"),
        ("author/run.py", "exit(1)", "1: exit belongs into lab/cli"),
        ("author/run.py", "import sys\nsys.exit(1)", "2: sys.exit belongs into lab/cli"),
        ("author/run.py", "import sys\nf(file=sys.stderr)", "2: sys.stderr belongs into lab/cli"),
        ("author/run.py", "from sys import stdout", "1: sys.stdout belongs into lab/cli"),
        ("author/run.py", "import os\nos._exit(1)", "2: os._exit belongs into lab/cli"),
        ("author/run.py", "raise SystemExit(1)", "1: SystemExit belongs into lab/cli"),
        ("author/run.py", "raise SystemExit", "1: SystemExit belongs into lab/cli"),
        ("cli/run.py", "import sys\nprint('hello')\nsys.exit(1)", None),
        ("helpers.py", "", "helpers has no place in ARROWS yet"),
    ],
)
def test_the_checker_sees_a_violation(package: Path, file: str, source: str, fault: str | None) -> None:
    (package / file).parent.mkdir(exist_ok=True)
    (package / file).write_text(source)

    found = [line.removeprefix(f"lab/{file}:").strip() for line in faults(package)]
    assert found == ([fault] if fault else [])


@pytest.mark.parametrize(
    "back",
    [
        "from lab.tcp.a import A",
        "from lab.tcp import a",
        "from .a import A",
        "from . import a",
        "if TYPE_CHECKING:\n    import lab.tcp.a",
        "def f():\n    from lab.tcp import a",
        "from importlib import import_module\nimport_module('lab.tcp.a')",
    ],
    ids=["absolute", "of the room", "relative", "of its own room", "for types", "in a function", "by its name"],
)
def test_the_checker_sees_a_circle(package: Path, back: str) -> None:
    for name, source in (("a", "from lab.tcp import b"), ("b", "import lab.tcp.c"), ("c", "")):
        (package / "tcp" / f"{name}.py").write_text(source)
    assert circles(package) == []

    (package / "tcp" / "c.py").write_text(back)
    assert circles(package) == ["lab.tcp.a -> lab.tcp.b -> lab.tcp.c -> lab.tcp.a"]


@pytest.mark.parametrize("back", ["from lab import Lab", "from lab import *", "import lab\n\nlab.Lab()"])
def test_the_checker_sees_a_circle_through_what_the_lab_hands_on(package: Path, back: str) -> None:
    (package / "author" / "lab.py").write_text("from lab.author import peer")
    (package / "author" / "peer.py").write_text("from lab import __version__")
    assert circles(package) == []

    (package / "author" / "peer.py").write_text(back)
    assert circles(package) == ["lab.author.lab -> lab.author.peer -> lab.author.lab"]


def test_the_checker_sees_a_circle_through_a_package(package: Path) -> None:
    (package / "cli" / "__init__.py").write_text("from lab.cli.run import run")
    (package / "cli" / "run.py").write_text("from lab.cli import app")
    assert circles(package) == ["lab.cli -> lab.cli.run -> lab.cli"]
