"""Which part of the lab may import which: the arrows of the design, read from the sources."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Who may import whom, besides itself. Decided here and nowhere else.
MAY_IMPORT = {
    "tcp": set(),
    "wire": {"tcp"},
    "host": {"tcp"},
    "scenario": {"tcp", "wire", "host"},
    "saved": {"tcp", "wire", "host", "scenario"},  # of the host only how its words are spelled: KernelState
    "report": {"tcp", "wire", "scenario"},  # a view of a recording never touches a network
    "exercise": {"tcp", "scenario", "saved", "report"},
    "cli": {"tcp", "wire", "host", "scenario", "saved", "report", "exercise"},
    "pytest_plugin": {"host", "scenario", "report"},
    "__main__": {"cli"},
    "__init__": {"scenario"},  # `from lab import Lab, scenario`: the scenario author's names, and the version
}

# The one door to each library, and what each layer must not know.
DOORS = {
    "scapy": {"wire"},
    "pyroute2": {"host"},
    "typer": {"cli"},
    "rich": {"report", "exercise", "cli"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
}
NOT_IN_THE_MODEL = {
    *("socket", "select", "selectors", "ssl", "asyncio", "threading", "subprocess", "os"),  # the machine
    *("time", "datetime", "sched", "signal"),  # the clock
    *("random", "secrets", "uuid"),  # chance
}
MAY_PRINT_AND_EXIT = {"cli", "__main__"}


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
            target = layer if target == "__version__" else "scenario"  # lab/__init__.py re-exports scenario's names
        allowed = target == layer or target in MAY_IMPORT[layer]
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
        if layer not in MAY_IMPORT:
            found.append(f"{path.relative_to(package.parent)}: {layer} has no place in MAY_IMPORT yet")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parents = path.relative_to(package.parent).parent.parts
        wrong = [(line, fault_of_import(layer, name, layers)) for line, name in modules_named_in(tree, parents)]
        if layer not in MAY_PRINT_AND_EXIT:
            wrong += [(line, f"{name} belongs into lab/cli") for line, name in prints_and_exits(tree)]
        found += [f"{path.relative_to(package.parent)}:{line}: {fault}" for line, fault in wrong if fault]
    return found


def test_the_lab_keeps_to_its_layers() -> None:
    assert faults(ROOT / "lab") == []


def test_every_layer_is_looked_at() -> None:
    seen = {layer_of(path, ROOT / "lab") for path in (ROOT / "lab").rglob("*.py")}
    assert {"tcp", "wire", "host", "scenario", "report", "cli"} <= seen


@pytest.mark.parametrize(
    ("file", "source", "fault"),
    [
        ("wire/link.py", "from lab.host import netns", "1: wire must not import host"),
        ("wire/link.py", "from lab import host", "1: wire must not import host"),
        ("wire/deep/link.py", "from ...host import netns", "1: wire must not import host"),
        ("wire/link.py", "from .. import host", "1: wire must not import host"),
        ("wire/link.py", "from ..cli import app", "1: wire must not import cli"),
        ("host/netns.py", "def f():\n    import lab.wire.link", "2: host must not import wire"),
        ("tcp/state.py", "import importlib\nimportlib.import_module('lab.wire')", "2: tcp must not import wire"),
        ("report/html.py", "from lab import Lab", None),
        ("report/html.py", "from lab.host import netns", "1: report must not import host"),
        ("scenario/run.py", "from lab.report import html", "1: scenario must not import report"),
        ("tcp/state.py", "from lab import Lab", "1: tcp must not import scenario"),
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
        ("scenario/run.py", "print('hello')", "1: print belongs into lab/cli"),
        ("scenario/run.py", "import sys\nsys.exit(1)", "2: sys.exit belongs into lab/cli"),
        ("scenario/run.py", "raise SystemExit(1)", "1: SystemExit belongs into lab/cli"),
        ("cli/run.py", "import sys\nprint('hello')\nsys.exit(1)", None),
        ("helpers.py", "", "helpers has no place in MAY_IMPORT yet"),
    ],
)
def test_the_checker_sees_a_violation(tmp_path: Path, file: str, source: str, fault: str | None) -> None:
    package = tmp_path / "lab"
    for layer in ("tcp", "wire", "host", "scenario", "report", "cli"):
        (package / layer).mkdir(parents=True)
        (package / layer / "__init__.py").touch()
    (package / file).parent.mkdir(exist_ok=True)
    (package / file).write_text(source)

    found = [line.removeprefix(f"lab/{file}:").strip() for line in faults(package)]
    assert found == ([fault] if fault else [])
