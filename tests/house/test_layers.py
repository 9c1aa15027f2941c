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
    "report": ("claims",),  # a saved run is shown without root and without Linux
    "pytest_plugin": ("author", "report"),
    "cli": ("mutate", "report"),
    "__main__": ("cli",),
    "__init__": ("author",),  # `from lab import Lab, scenario`: the author's names, and the version
}

# The one door to each library, and what each layer must not know.
DOORS = {
    "scapy": {"wire"},
    "pyroute2": {"host"},
    "typer": {"cli"},
    "rich": {"report", "cli"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
}
NOT_IN_THE_MODEL = {
    *("socket", "select", "selectors", "ssl", "asyncio", "threading", "subprocess", "os"),  # the machine
    *("time", "datetime", "sched", "signal"),  # the clock
    *("random", "secrets", "uuid"),  # chance
}
MAY_PRINT_AND_EXIT = {"cli", "__main__"}


def may_import(room: str) -> set[str]:
    """The rooms that lie to the left of a room."""
    return {*ARROWS[room], *(each for nearest in ARROWS[room] for each in may_import(nearest))}


def layer_of(path: Path, package: Path) -> str:
    return path.relative_to(package).with_suffix("").parts[0]


def modules_named_in(tree: ast.AST, parents: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that a module imports; `from a import b` counts as `a.b`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = [*parents[: len(parents) - level + 1]] if level else []
                base += [module] if module else []
                yield from ((node.lineno, ".".join([*base, name.name])) for name in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def fault_of_import(layer: str, name: str, layers: set[str]) -> str | None:
    """Say what is wrong with a module of this layer importing this name, or None."""
    top, _, rest = name.partition(".")
    if top == "lab":
        target = rest.partition(".")[0]
        if target not in layers:
            target = layer if target == "__version__" else "author"  # lab/__init__.py hands on the author's names
        allowed = target == layer or target in may_import(layer)
        return None if allowed else f"{layer} must not import {target}"
    if top in DOORS and layer not in DOORS[top]:
        return f"{layer} must not import {top}: its place is {' and '.join(sorted(DOORS[top]))}"
    if layer == "tcp" and top not in sys.stdlib_module_names:
        return f"tcp imports {top}: the model needs the standard library only"
    if layer == "tcp" and top in NOT_IN_THE_MODEL:
        return f"tcp imports {top}: no machine, no clock, no chance in the model"
    return None


def prints_and_exits(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every print, and of every end of the process."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print" | "exit" | "quit" as name)):
                yield node.lineno, name
            case ast.Attribute(value=ast.Name(id="sys"), attr="exit" | "stdout" | "stderr" as name):
                yield node.lineno, f"sys.{name}"
            case ast.Raise(exc=ast.Name(id="SystemExit") | ast.Call(func=ast.Name(id="SystemExit"))):
                yield node.lineno, "SystemExit"


def faults(package: Path) -> list[str]:
    """List every import and every print in a package that breaks the rules above."""
    found = []
    layers = {layer_of(path, package) for path in package.rglob("*.py")}
    for path in sorted(package.rglob("*.py")):
        layer = layer_of(path, package)
        if layer not in ARROWS:
            found.append(f"{path.relative_to(package.parent)}: {layer} has no place in ARROWS yet")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parents = path.relative_to(package.parent).parent.parts
        wrong = [(line, fault_of_import(layer, name, layers)) for line, name in modules_named_in(tree, parents)]
        if layer not in MAY_PRINT_AND_EXIT:
            wrong += [(line, f"{name} belongs into lab/cli") for line, name in prints_and_exits(tree)]
        found += [f"{path.relative_to(package.parent)}:{line}: {fault}" for line, fault in wrong if fault]
    return found


def circles(package: Path) -> list[str]:
    """A circle of files that import each other, imports for types and inside of functions included; [] without one."""
    files = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        parents = path.relative_to(package.parent).parent.parts
        named = [name for _, name in modules_named_in(ast.parse(path.read_text(encoding="utf-8")), parents)]
        # `from a import b` names a module b of a package a, or something that the module a has.
        found = (name if name in files else name.rpartition(".")[0] for name in named)
        graph[module] = {name for name in found if name in files and name != module}
    graph[package.name] = set()  # lab/__init__.py hands on what others have made, when somebody asks for it
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
    seen = {layer_of(path, ROOT / "lab") for path in (ROOT / "lab").rglob("*.py")}
    assert set(ARROWS) <= seen


def test_rooms_have_no_circle() -> None:
    list(TopologicalSorter(ARROWS).static_order())  # CycleError names one


def test_files_have_no_circle() -> None:
    assert circles(ROOT / "lab") == []


@pytest.mark.parametrize(
    ("file", "source", "fault"),
    [
        ("wire/link.py", "from lab.host import netns", "1: wire must not import host"),
        ("wire/link.py", "from lab import host", "1: wire must not import host"),
        ("wire/deep/link.py", "from ...host import netns", "1: wire must not import host"),
        ("wire/link.py", "from .. import host", "1: wire must not import host"),
        ("wire/link.py", "from ..cli import app", "1: wire must not import cli"),
        ("wire/link.py", "if TYPE_CHECKING:\n    from lab.record import events", "2: wire must not import record"),
        ("record/events.py", "def f():\n    import lab.host.link", "2: record must not import host"),
        ("host/netns.py", "import lab.wire.link, lab.tcp.flags", None),
        ("tcp/state.py", "import importlib\nimportlib.import_module('lab.wire')", "2: tcp must not import wire"),
        ("report/html.py", "from lab import Lab", "1: report must not import author"),
        ("mutate/mutant.py", "from lab import Lab", None),
        ("report/html.py", "from lab.host import netns", "1: report must not import host"),
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
        ("author/run.py", "print('hello')", "1: print belongs into lab/cli"),
        ("author/run.py", "import sys\nsys.exit(1)", "2: sys.exit belongs into lab/cli"),
        ("author/run.py", "raise SystemExit(1)", "1: SystemExit belongs into lab/cli"),
        ("cli/run.py", "import sys\nprint('hello')\nsys.exit(1)", None),
        ("helpers.py", "", "helpers has no place in ARROWS yet"),
    ],
)
def test_the_checker_sees_a_violation(tmp_path: Path, file: str, source: str, fault: str | None) -> None:
    package = tmp_path / "lab"
    for layer in ARROWS:
        (package / layer).mkdir(parents=True)
        (package / layer / "__init__.py").touch()
    (package / file).parent.mkdir(exist_ok=True)
    (package / file).write_text(source)

    found = [line.removeprefix(f"lab/{file}:").strip() for line in faults(package)]
    assert found == ([fault] if fault else [])


@pytest.mark.parametrize(
    "back",
    ["from lab.tcp.a import A", "if TYPE_CHECKING:\n    import lab.tcp.a", "def f():\n    from lab.tcp import a"],
    ids=["at the top", "for types", "in a function"],
)
def test_the_checker_sees_a_circle(tmp_path: Path, back: str) -> None:
    room = tmp_path / "lab" / "tcp"
    room.mkdir(parents=True)
    for name, source in (("__init__", ""), ("a", "from lab.tcp import b"), ("b", "import lab.tcp.c"), ("c", "")):
        (room / f"{name}.py").write_text(source)
    assert circles(tmp_path / "lab") == []

    (room / "c.py").write_text(back)
    assert circles(tmp_path / "lab") == ["lab.tcp.a -> lab.tcp.b -> lab.tcp.c -> lab.tcp.a"]
