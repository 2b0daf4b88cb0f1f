"""What happens to a resource, or a part of one, that means nothing to the engine.

Validation comes first and says more; conversion only has to be total. A Calico policy that fails here is
treated as absent and never applied in part (spec/policy-semantics §3.1); a Kubernetes rule that fails allows
nothing (§10.2); a rule of a cluster policy fails closed (§10.3).
"""

from typing import Final

from ocicat.base.errors import OcicatError
from ocicat.base.problem import Problem, Where
from ocicat.model.codes import problem
from ocicat.model.meta import Resource
from ocicat.model.net import NetError
from ocicat.model.selector import SelectorError


class Unconvertible(OcicatError, ValueError):  # noqa: N818  # it is the adjective that each `raise` needs
    """A part of a resource has no meaning for the engine. The message says why, `path` where."""

    def __init__(self, what: str, path: str = "spec") -> None:
        """Keep the reason and the field."""
        super().__init__(what)
        self.path = path


class DomainNamesUnsupported(Unconvertible):
    """A peer names domains."""


FAILURES: Final = (Unconvertible, NetError, SelectorError)
"""What converting a part of a resource can raise."""


def absent(resource: Resource, error: Exception) -> Problem:
    """Return the Problem of an object that is treated as absent."""
    path = error.path if isinstance(error, Unconvertible) else "spec"
    return problem("CV0001", Where(str(resource.ref), path), f"{error}; the object is treated as absent")


def allows_nothing(resource: Resource, path: str, error: Exception) -> Problem:
    """Return the Problem of a Kubernetes rule that is dropped."""
    return problem("CV0002", Where(str(resource.ref), path), f"{error}; the rule allows nothing")


def fails_closed(resource: Resource, path: str, error: Exception, consequence: str) -> Problem:
    """Return the Problem of a rule of a cluster policy that fails closed."""
    code = "CV0004" if isinstance(error, DomainNamesUnsupported) else "CV0003"
    return problem(code, Where(str(resource.ref), path), f"{error}; {consequence}")
