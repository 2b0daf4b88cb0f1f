"""`Finding`: a mistake in a resource, before it is known in which file and line it stands.

Every check is a generator of Findings over one value and its path; checks are combined by `yield from`, so
that none can hide another.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

import msgspec

from ocicat.base.problem import Problem, Where
from ocicat.model.codes import problem
from ocicat.model.positions import Path, path_text

Locate: TypeAlias = Callable[[Path], Where]
"""Tells where a path of the object is written."""

VALUE_SHOWN: Final = 256
"""Characters of a user's value that a Problem repeats: a name of legal length whole, a policy never."""


class Finding(msgspec.Struct, frozen=True):
    """One mistake, with the path at which it is in the object."""

    code: str
    path: Path
    what: str
    fix: str = ""
    """The edit for this very value; empty where the code's usual fix says it."""
    field: str = ""
    """The field as Calico's validator names it."""
    value: str = ""
    """What was found, printed as Go prints it, since it goes into Calico's error text."""

    def problem(self, where: Locate) -> Problem:
        """Return the Problem, at the place that `where` knows."""
        return problem(
            self.code, where(self.path), self.what, fix=self.fix, field=self.field, value=cut(self.value)
        )


Findings: TypeAlias = Iterator[Finding]


def cut(text: str) -> str:
    """Return `text`, shortened to `VALUE_SHOWN` characters."""
    return text if len(text) <= VALUE_SHOWN else f"{text[: VALUE_SHOWN - 1]}…"


def listed(items: Iterable[object]) -> str:
    """Return a list as Go prints it: `[a b]`."""
    return f"[{' '.join(str(item) for item in items)}]"


def schema_field(path: Path) -> str:
    """Return the name of a field in errors of the CRD schema and of CEL: its path."""
    return path_text(path)


def too_many(code: str, path: Path, items: int, limit: int) -> Findings:
    """Find a list that is longer than the schema allows."""
    if items > limit:
        what = f"must have at most {limit:,} items"
        fix = f"split the {items:,} items over several objects or rules"
        yield Finding(code, path, what, fix, schema_field(path), f"{items:,} items")


def too_long(code: str, path: Path, text: str, limit: int) -> Findings:
    """Find a text with more characters than the schema allows."""
    if len(text) > limit:
        what = f"may not be longer than {limit:,} characters"
        fix = f"shorten it by {len(text) - limit:,} characters"
        yield Finding(code, path, what, fix, schema_field(path), text)


def repeated(code: str, path: Path, items: Iterable[str]) -> Findings:
    """Find the items that a list, which is a set, has more than once; each repetition, never the first."""
    seen: set[str] = set()
    for index, item in enumerate(items):
        if item in seen:
            place = (*path, index)
            yield Finding(code, place, "duplicate value", f"remove this {item}", schema_field(place), item)
        seen.add(item)
