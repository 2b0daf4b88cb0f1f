"""Paths → `World`: read, decode, fill in defaults, validate, compile.

An object with an error is reported and treated as absent, as the engine of a cluster would treat it; all
problems of all documents come at once. Source: spec/policy-semantics §3.1.
"""

import os
import sys
from collections.abc import Iterable, Sequence

from ocicat.app.files import Source, sources
from ocicat.base.errors import OcicatError
from ocicat.base.problem import Problem, has_errors
from ocicat.engine.world import World
from ocicat.model.decode import decode
from ocicat.model.defaults import defaulted
from ocicat.model.documents import DEFAULT_LIMITS, Document, Limits, read
from ocicat.model.meta import Ref, Resource
from ocicat.model.validate import validate, validate_together


class InvalidError(OcicatError):
    """Strict loading found errors; `problems` holds everything that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems; the message shows the errors."""
        self.problems = tuple(problems)
        super().__init__("\n".join(line for problem in self.problems for line in problem.lines()))


def load(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    strict: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> World:
    """Return the World of the manifests below `paths`.

    Args:
        paths: One path or several: files, folders (searched for .yaml, .yml and .json), globs, or `-` for
            standard input.
        strict: Raise when anything is an error, instead of treating that object as absent.
        limits: Bounds on what is read.

    Raises:
        InvalidError: With `strict`, when a problem is an error.
    """
    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    world = compiled(
        sources([os.fspath(path) for path in several], stdin=sys.stdin.buffer, limits=limits), limits
    )
    if strict and not world.ok:
        raise InvalidError(world.problems)
    return world


def compiled(read_from: Iterable[Source | Problem], limits: Limits = DEFAULT_LIMITS) -> World:
    """Return the World of what `read_from` holds."""
    problems: list[Problem] = []
    found: list[tuple[Resource, Document]] = []
    for source in read_from:
        if isinstance(source, Problem):
            problems.append(source)
            continue
        documents, unreadable = read(source.data, source.name, limits)
        problems += unreadable
        for document in documents:
            resource, wrong = checked(document)
            problems += wrong
            if resource is not None:
                found.append((resource, document))
    problems += validate_together([(resource, document.where) for resource, document in found])
    first: dict[Ref, tuple[Resource, Document]] = {}
    for resource, document in found:
        first.setdefault(resource.ref, (resource, document))
    origins = {ref: document for ref, (_, document) in first.items()}
    return World([resource for resource, _ in first.values()], problems, origins)


def checked(document: Document) -> tuple[Resource | None, list[Problem]]:
    """Return the resource of a document with its defaults, None where it has an error; and all problems."""
    resource, problems = decode(document)
    if resource is None:
        return None, problems
    complete = defaulted(resource)
    problems += validate(complete, document.where)
    return (None if has_errors(problems) else complete), problems
