"""The text of Calico's combined validation error, which its tools and its users look for.

Source: spec/policy-semantics §3.1.
"""

from collections.abc import Sequence

from ocicat.base.problem import Problem
from ocicat.model.codes import CODES


def calico_error_text(problems: Sequence[Problem]) -> str:
    """Return the problems of one object as Calico's API server words them; empty for none.

    One problem is one line; several are a list, each line of which ends in a line break.
    """
    fields = list(dict.fromkeys(_field(problem) for problem in problems))
    if not fields:
        return ""
    if len(fields) == 1:
        return f"error with field {fields[0]}"
    return "error with the following fields:\n" + "".join(f"-  {field}\n" for field in fields)


def _field(problem: Problem) -> str:
    name = problem.field or problem.where.path
    value = f" = '{problem.value}'" if problem.value and not _is_schema(name) else ""
    reason = _reason(problem)
    return f"{name}{value} ({reason})" if reason else f"{name}{value}"


def _is_schema(name: str) -> bool:
    """Tell whether a field is named by its path: the CRD schema's and CEL's errors, which tell no value."""
    return name[:1].islower()


def _reason(problem: Problem) -> str:
    """Return Calico's reason: that a field's check failed, where Calico knows no more, else the message."""
    tag = CODES[problem.code].tag
    if tag and not _is_schema(problem.field):
        return f"Reason: failed to validate Field: {problem.field} because of Tag: {tag} "
    return problem.what
