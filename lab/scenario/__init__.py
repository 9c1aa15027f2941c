"""The words a scenario author uses, and what finds, runs and records scenarios.

`from lab import scenario` gives an author the decorator. It gives this package, because a package's attribute for a
sub-package is the sub-package; so the package can be called, and then is `lab.scenario.registry.scenario`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Decorator(ModuleType):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from lab.scenario.registry import scenario

        return scenario(*arguments, **named)


sys.modules[__name__].__class__ = _Decorator
