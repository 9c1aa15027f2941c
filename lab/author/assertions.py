"""`assert` in scenario files: one that fails shows both sides of its comparison."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from textwrap import dedent
from types import CodeType
from typing import Any


class ScenarioLoader(SourceFileLoader):
    """Loads a scenario file. A changed `size` keeps its cached bytecode apart from that of an ordinary import."""

    def path_stats(self, path: str) -> Any:
        """Time and size of the file, with which the cached code must agree."""
        stats = super().path_stats(path)
        return {**stats, "size": stats["size"] + 1}

    def source_to_code(self, data: Any, path: Any, *_: Any, **__: Any) -> CodeType:  # type: ignore[override]
        """Compile the file, with each `assert` changed by `_BothSides`."""
        return compile(_BothSides().visit(ast.parse(data, path)), path, "exec", dont_inherit=True)


class _BothSides(ast.NodeTransformer):
    """Keeps the two sides of each `assert a == b`, and puts them into its message."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:  # a name that ast chose
        match node.test:
            case ast.Compare(left=left, ops=[sign], comparators=[right]):
                names = "_lab_left", "_lab_right"
                test = ast.Compare(_kept(names[0], left), [sign], [_kept(names[1], right)])
                shown = ast.unparse(ast.Compare(ast.Name(names[0]), [sign], [ast.Name(names[1])]))
                said = [node.msg] if node.msg is not None else []
                sides = [ast.Name(name, ast.Load()) for name in names]
                middle = ast.Constant(shown.removeprefix(names[0]).removesuffix(names[1]))
                message = ast.JoinedStr([
                    *(part for text in said for part in (ast.FormattedValue(text, -1), ast.Constant(", "))),
                    ast.FormattedValue(sides[0], ord("r")), middle, ast.FormattedValue(sides[1], ord("r")),
                ])  # fmt: skip
                return ast.fix_missing_locations(ast.copy_location(ast.Assert(test, message), node))
        return node


def _kept(name: str, value: ast.expr) -> ast.NamedExpr:
    return ast.NamedExpr(ast.Name(name, ast.Store()), value)


def has_assert(function: Callable[..., object]) -> bool:
    """Whether the body of a function has an `assert`: a check that no recording shows."""
    statements = ast.walk(ast.parse(dedent(inspect.getsource(function))))
    return any(isinstance(each, ast.Assert) for each in statements)
