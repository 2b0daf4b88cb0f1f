"""`Problem`: one mistake in what a user wrote, with where it is and how to mend it.

Validation, linting, what-if and the API's status 422 all speak in Problems: they are collected, sorted
and shown at once, never raised one by one.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How much a Problem weighs: an error makes its object count as absent, a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


class Where(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """The place a Problem speaks of."""

    subject: str = ""
    """The object, as `Kind namespace/name`; empty when the text could not be read as an object."""
    path: str = ""
    """The field, as `spec.ingress[0].destination.ports[1]`."""
    file: str = ""
    """The file as the user named it, `-` for standard input; empty when the object came over an API."""
    line: int = 0
    """1-based; 0 when unknown."""
    column: int = 0
    """1-based; 0 when unknown."""

    def position(self) -> str:
        """Return `file:line:column` with the parts that are known."""
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(part for part in parts if part)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mistake: a stable code, the place, the fact, and the edit that makes it go away."""

    code: str
    """Stable, for example `NP0107`; each has an entry in docs/reference/problems.md."""
    severity: Severity
    where: Where
    what: str
    """The fact. Where Calico has a message for it, Calico's wording."""
    fix: str
    """The edit that makes the Problem go away."""
    field: str = ""
    """The field as Calico's validator names it (`Metadata.Name`, `Port`), for its error text."""
    value: str = ""
    """The value that was found, as text; empty when there is none to show."""

    def lines(self) -> list[str]:
        """Return the Problem as the lines that a terminal shows."""
        head = " ".join(part for part in (self.where.position(), self.where.subject, self.where.path) if part)
        found = f" (found {self.value})" if self.value else ""
        body = f"  {self.code} {self.severity}: {self.what}{found}"
        return [head, body, f"  fix: {self.fix}"] if head else [body, f"  fix: {self.fix}"]


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return `problems` sorted by file, line, column, then object, path and code."""
    return sorted(
        problems,
        key=lambda p: (
            p.where.file,
            p.where.line,
            p.where.column,
            p.where.subject,
            p.where.path,
            p.code,
            p.what,
        ),
    )


def has_errors(problems: Iterable[Problem]) -> bool:
    """Tell whether any of `problems` is an error."""
    return any(problem.severity is Severity.ERROR for problem in problems)
