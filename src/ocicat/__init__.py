"""Tiered network policy for Kubernetes: prove it, enforce it, explain every denial.

The public API is what this module names:

* `load(paths)` reads manifests and returns a `World`; `world.evaluate(src, dst, protocol, port)` answers with
  a `Decision`;
* `Selector.parse(text).matches(labels)` is Calico's selector language;
* `Problem` is one mistake in what was read, `OcicatError` the root of what is raised.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ocicat.app.load import InvalidError, load
    from ocicat.base.errors import OcicatError
    from ocicat.base.problem import Problem, Severity, Where
    from ocicat.engine.decision import Decision, HostStep, Report
    from ocicat.engine.world import World
    from ocicat.model.flow import Action, Hit, HitKind, Trigger
    from ocicat.model.selector import Selector, SelectorError

__all__ = [
    "Action",
    "Decision",
    "Hit",
    "HitKind",
    "HostStep",
    "InvalidError",
    "OcicatError",
    "Problem",
    "Report",
    "Selector",
    "SelectorError",
    "Severity",
    "Trigger",
    "Where",
    "World",
    "load",
]

_HOMES: Final = {
    "ocicat.app.load": ("InvalidError", "load"),
    "ocicat.base.errors": ("OcicatError",),
    "ocicat.base.problem": ("Problem", "Severity", "Where"),
    "ocicat.engine.decision": ("Decision", "HostStep", "Report"),
    "ocicat.engine.world": ("World",),
    "ocicat.model.flow": ("Action", "Hit", "HitKind", "Trigger"),
    "ocicat.model.selector": ("Selector", "SelectorError"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import ocicat` itself costs nothing."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
