"""Every code a Problem can carry, once: its meaning, its usual fix, and how much it weighs.

docs/reference/problems.md is made from this table, so a code without an explanation cannot exist. `OC00xx`
are about reading and decoding what users write; `NP….` about what a policy says; `CV….` about what the
engine can make of it; `EN….` about what a node's kernel does with it. A code is never used for a second
meaning and never renumbered: people put them into CI rules.
"""

from collections.abc import Iterable
from typing import Final

from ocicat.base.problem import Problem, Where
from ocicat.model.codes.cluster import CLUSTER
from ocicat.model.codes.code import Code
from ocicat.model.codes.converting import CONVERTING
from ocicat.model.codes.decoding import DECODING
from ocicat.model.codes.endpoints import ENDPOINTS
from ocicat.model.codes.enforcing import ENFORCING
from ocicat.model.codes.kubernetes import KUBERNETES
from ocicat.model.codes.metadata import METADATA
from ocicat.model.codes.policies import POLICIES
from ocicat.model.codes.reading import READING
from ocicat.model.codes.rules import RULES

__all__ = ["CODES", "Code", "problem"]


def _table(codes: Iterable[Code]) -> dict[str, Code]:
    table: dict[str, Code] = {}
    for code in codes:
        if code.code in table:
            raise ValueError(f"problem code {code.code} is defined twice")
        table[code.code] = code
    return table


_GROUPS: Final = ("OC", "NP", "CV", "EN")
"""In the order in which an object meets them."""

CODES: Final[dict[str, Code]] = _table(
    sorted(
        (
            *READING,
            *DECODING,
            *METADATA,
            *RULES,
            *POLICIES,
            *ENDPOINTS,
            *KUBERNETES,
            *CLUSTER,
            *CONVERTING,
            *ENFORCING,
        ),
        key=lambda code: (_GROUPS.index(code.code[:2]), code.code),
    )
)
"""Every code by its name, in the order of the reference page."""


def problem(
    code: str, where: Where, what: str, *, fix: str = "", field: str = "", value: str = ""
) -> Problem:
    """Return a Problem with the severity of its code, and the code's usual fix where `fix` is empty.

    Raises KeyError for a code that the table does not have: that is a bug of ours, not a mistake of a user.
    """
    known = CODES[code]
    return Problem(code, known.severity, where, what, fix or known.fix, field, value)
