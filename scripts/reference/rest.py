"""docs/reference/rest.md: the hub's paths below /api/v1, from the table of its OpenAPI document."""

from collections.abc import Iterator
from typing import Any

import msgspec

from ocicat.api.contract.failures import Failure
from ocicat.api.contract.flows import Answer
from ocicat.api.contract.operations import OPERATIONS, Operation, Parameter
from reference.text import GENERATED, attribute_docs, doc, first_sentence

INTRODUCTION = """\
# The hub's API

Paths below `/api/v1`, all asked with GET. A hub serves the same as OpenAPI at `/api/v1/openapi.json`.
[What the console asks of the hub](../explanation/console-api.md) explains filters, times and the stream;
[Let others use the hub](../howto/expose-the-hub.md) says who may ask. A refusal is a `Failure`, as
`application/problem+json`.
"""


def page() -> str:
    """Return the page."""
    lines = [GENERATED, "", INTRODUCTION.rstrip()]
    for operation in OPERATIONS:
        lines += ["", f"## GET {operation.path}", "", f"{operation.summary}.", *_operation(operation)]
    lines += ["", "## Types"]
    for answer in _types():
        lines += ["", f"### {answer.__name__}", "", first_sentence(doc(answer)), "", *_fields(answer)]
    return "\n".join(lines) + "\n"


def _operation(operation: Operation) -> Iterator[str]:
    if operation.parameters:
        yield ""
        yield from map(_parameter, operation.parameters)
    yield ""
    if operation.answer is not None:
        yield f"Answers [`{operation.answer.__name__}`](#{operation.answer.__name__.lower()})."
    else:
        yield f"Answers {', '.join(f'`{media}`' for media in operation.media)}."


def _parameter(parameter: Parameter) -> str:
    words = parameter.schema.get("enum")
    choice = f" One of {', '.join(f'`{word}`' for word in words)}; the first by default." if words else ""
    default = parameter.schema.get("default")
    said = f" Default: `{default}`." if default not in (None, "") and not words else ""
    return f"* `{parameter.name}`: {parameter.meaning}{choice}{said}"


def _types() -> list[type[Answer]]:
    """Return the types of all answers and of what is in them, by name."""
    roots = [operation.answer for operation in OPERATIONS if operation.answer is not None]
    found: dict[str, type[Answer]] = {}
    waiting: list[type[Answer]] = [*roots, Failure]
    while waiting:
        answer = waiting.pop()
        if answer.__name__ not in found:
            found[answer.__name__] = answer
            waiting += [inner for field in msgspec.structs.fields(answer) for inner in _inner(field.type)]
    return [found[name] for name in sorted(found)]


def _inner(annotation: Any) -> Iterator[type[Answer]]:
    if isinstance(annotation, type) and issubclass(annotation, Answer):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _inner(argument)


def _fields(answer: type[Answer]) -> Iterator[str]:
    docs = attribute_docs(answer)
    for field in msgspec.structs.fields(answer):
        meaning = f": {first_sentence(docs[field.name])}" if field.name in docs else ""
        yield f"* `{field.encode_name}`: {_type(field.type)}{meaning}"


def _type(annotation: Any) -> str:
    """Return a type in words, those of ours as links."""
    if isinstance(annotation, type) and issubclass(annotation, Answer):
        return f"[`{annotation.__name__}`](#{annotation.__name__.lower()})"
    arguments = getattr(annotation, "__args__", ())
    origin = str(getattr(annotation, "__origin__", ""))
    if "Literal" in origin:
        return " or ".join(f"`{word}`" for word in arguments)
    if "list" in origin or "tuple" in origin:
        return f"list of {_type(arguments[0])}"
    if arguments:
        return " or ".join("null" if kind is type(None) else _type(kind) for kind in arguments)
    return {str: "text", int: "integer", float: "number", bool: "boolean"}.get(
        annotation, annotation.__name__
    )
