"""Documents → typed resources, with every deviation from the types as a Problem.

The second half of loading (`ocicat.model.documents` is the first). Here objects get their types and nothing
more: defaults and rules of policy are `ocicat.model.defaults` and `ocicat.model.validate`. An object with
an error is treated as absent (policy-semantics §3.1): a policy that is half understood could allow what it
was to deny.
"""

import zlib
from typing import Final

import msgspec

from ocicat.base.problem import Problem, Severity, has_errors
from ocicat.model.codes import CODES, problem
from ocicat.model.conformity import Deviation, conformed
from ocicat.model.documents import Document
from ocicat.model.kinds import Kind
from ocicat.model.meta import ObjectMeta, Resource
from ocicat.model.recognition import Unread, recognised

DEFAULT_NAMESPACE: Final = "default"
"""Where a namespaced object lives that does not say where."""

MAX_PROBLEMS: Final = 100
"""Deviations told of one object; a thousand rules with the same slip are told well enough by a hundred."""

_GENERATED: Final = frozenset({"Pod", "Job"})
"""Kinds that people create from a generateName; anything else needs a name to be referred to."""
_SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
"""The letters of which Kubernetes makes the ends of generated names."""


def decode(document: Document) -> tuple[Resource | None, list[Problem]]:
    """Return the resource that `document` spells, and all that is wrong with it.

    Without a resource and without a Problem it is of a kind that ocicat has no use for (ConfigMap, Route, …);
    `document.kind` says which. A resource may come with warnings, never with errors. What Kubernetes would
    fill in on arrival and identity depends on is filled in: the namespace `default`, and a generated name.
    Never raises.
    """
    nameless = _unnamed(document, "apiVersion", "kind")
    if nameless:
        return None, nameless
    kind = recognised(document.api_version, document.kind)
    if kind is None:
        return None, []
    if isinstance(kind, Unread):
        where = document.where((kind.field,))
        return None, [problem(kind.code, where, kind.what, fix=kind.fix)]
    resource, problems = _typed(document, kind)
    if resource is None:
        return None, problems
    metadata, more = _identified(document, kind, resource.metadata)
    if metadata is None:
        return None, problems + more
    if metadata is not resource.metadata:
        resource = msgspec.structs.replace(resource, metadata=metadata)
    return resource, problems + more


def _unnamed(document: Document, *fields: str) -> list[Problem]:
    """Tell which of `fields` of the document are missing or no text."""
    problems: list[Problem] = []
    for field in fields:
        value = document.raw.get(field)
        if value is None or value == "":
            problems.append(problem("OC0020", document.where(), f"{field} is missing", fix=f"add {field}"))
        elif not isinstance(value, str):
            problems.append(problem("OC0025", document.where((field,)), f"{field} must be text"))
    return problems


def _typed(document: Document, kind: Kind) -> tuple[Resource | None, list[Problem]]:
    """Return the resource with the types of its kind; None where a deviation is an error.

    Kinds whose unknown fields do not matter mostly have nothing wrong with them, and then are not walked.
    """
    if not kind.policy:
        try:
            return msgspec.convert(document.raw, kind.struct), []
        except msgspec.ValidationError:
            pass  # the walk finds out what, and forgives nulls
    value, deviations = conformed(document.raw, kind.struct, unknown_fields=kind.policy)
    problems = _problems(document, deviations)
    if has_errors(problems):
        return None, problems
    try:
        return msgspec.convert(value, kind.struct), problems
    except msgspec.ValidationError as error:  # the walk and msgspec disagree: told all the same, never raised
        return None, [*problems, problem("OC0025", document.where(), str(error))]


def _problems(document: Document, deviations: list[Deviation]) -> list[Problem]:
    """Return the deviations as Problems: errors first, so that the bound never hides the last of them."""
    deviations = sorted(deviations, key=lambda each: CODES[each.code].severity is not Severity.ERROR)
    problems: list[Problem] = []
    for deviation in deviations[:MAX_PROBLEMS]:
        where = document.where(deviation.path, key=deviation.at_key)
        what = deviation.what
        if len(problems) + 1 == MAX_PROBLEMS < len(deviations):
            what = f"{what} (and {len(deviations) - MAX_PROBLEMS} more mistakes in this object)"
        problems.append(problem(deviation.code, where, what, fix=deviation.fix, value=deviation.value))
    return problems


def _identified(
    document: Document, kind: Kind, metadata: ObjectMeta
) -> tuple[ObjectMeta | None, list[Problem]]:
    """Return the metadata with name and namespace as the API server would store them; None without a name."""
    problems: list[Problem] = []
    name, namespace = metadata.name, metadata.namespace
    if not name and metadata.generate_name and kind.kind in _GENERATED:
        name = metadata.generate_name + _suffix(document)
    if not name:
        path = ("metadata", "generateName") if metadata.generate_name else ("metadata",)
        fix = "write metadata.name instead of generateName" if metadata.generate_name else ""
        return None, [problem("OC0021", document.where(path), "metadata.name is missing", fix=fix)]
    if kind.namespaced:
        namespace = namespace or DEFAULT_NAMESPACE
    elif namespace:
        what = f"{kind.kind} belongs to no namespace, so this one is ignored"
        where = document.where(("metadata", "namespace"), key=True)
        problems.append(problem("OC0027", where, what, value=namespace))
        namespace = ""
    if (name, namespace) == (metadata.name, metadata.namespace):
        return metadata, problems
    return msgspec.structs.replace(metadata, name=name, namespace=namespace), problems


def _suffix(document: Document) -> str:
    """Return the end of a generated name; made of the document's place, so that every run gives the same."""
    number = zlib.crc32(f"{document.file}:{document.line}:{document.column}".encode("utf-8", "replace"))
    letters: list[str] = []
    for _ in range(5):
        number, digit = divmod(number, len(_SUFFIX_ALPHABET))
        letters.append(_SUFFIX_ALPHABET[digit])
    return "".join(letters)
