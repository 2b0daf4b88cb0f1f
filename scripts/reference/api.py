"""docs/reference/api.md: the public Python API, which is what `ocicat.__all__` names."""

import enum
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

import ocicat
from reference.text import GENERATED, attribute_docs, doc, instance_attributes

INTRODUCTION = """\
# Python API

What `import ocicat` offers. Everything else in the package may change without notice. Sections (§) are those
of [Policy semantics](../explanation/policy-semantics.md).
"""


def page() -> str:
    """Return the page."""
    lines = [GENERATED, "", INTRODUCTION.rstrip()]
    for name in sorted(ocicat.__all__, key=str.lower):
        lines += ["", f"## {name}", *_described(name, getattr(ocicat, name))]
    return "\n".join(lines) + "\n"


def _described(name: str, thing: object) -> Iterator[str]:
    if isinstance(thing, type):
        yield from _prose(doc(thing))
        yield from _members(thing)
    elif inspect.isfunction(thing):
        yield from _function(name, thing)
    else:
        raise TypeError(f"no words for {name}, a {type(thing).__name__}")


def _members(cls: type[Any]) -> Iterator[str]:
    if issubclass(cls, enum.Enum):
        yield ""
        yield from (f"* `{member.name}` = `{member.value!r}`" for member in cls)
    elif issubclass(cls, msgspec.Struct):
        docs = attribute_docs(cls)
        yield ""
        for field in msgspec.structs.fields(cls):
            meaning = f": {docs[field.name]}" if field.name in docs else ""
            yield f"* `{field.name}`: `{_annotation(field.type)}`{meaning}"
    elif attributes := instance_attributes(cls):
        yield ""
        yield from (f"* `{name}`: `{annotation}`: {meaning}" for name, annotation, meaning in attributes)
    for name, member in inspect.getmembers_static(cls):
        if name.startswith("_") or not _is_ours(cls, name):
            continue
        title = f"{cls.__name__}.{name}"
        if isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(member):
            yield f"\n### {title}"
            yield from (
                _prose(doc(member)) if isinstance(member, property) else _function(title, getattr(cls, name))
            )


def _is_ours(cls: type, name: str) -> bool:
    return any(name in vars(base) for base in cls.__mro__ if base.__module__.startswith("ocicat"))


def _function(title: str, function: Callable[..., object]) -> Iterator[str]:
    yield f"\n```python\n{title}{_signature(function)}\n```"
    yield from _prose(doc(function))


def _signature(function: Callable[..., object]) -> str:
    signature = inspect.signature(function)
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        text = f"{parameter.name}: {_annotation(parameter.annotation)}"
        parameters.append(
            text if parameter.default is parameter.empty else f"{text} = {_default(parameter.default)}"
        )
    returned = _annotation(signature.return_annotation)
    one_line = f"({', '.join(parameters)}) -> {returned}"
    if len(one_line) < 80:
        return one_line
    return "\n".join(["(", *(f"    {text}," for text in parameters), f") -> {returned}"])


def _default(value: object) -> str:
    """Return a default as code; of a struct with its own defaults only the name."""
    if isinstance(value, msgspec.Struct):
        return f"{type(value).__name__}()"
    return repr(value).replace("'", '"')


def _annotation(annotation: object) -> str:
    """Return an annotation without the modules in which its types live."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text)


def _prose(docstring: str) -> Iterator[str]:
    """Yield a docstring as Markdown; its Args and Raises become lists."""
    for paragraph in docstring.split("\n\n"):
        title, _, rest = paragraph.partition("\n")
        if title not in ("Args:", "Raises:", "Returns:", "Yields:"):
            yield f"\n{paragraph}"
            continue
        yield f"\n{title.removesuffix(':')}:\n"
        items = re.sub(r"\n {8,}", " ", rest).splitlines()
        yield from (re.sub(r"^ {4}(\w+): ", r"* `\1`: ", item) for item in items)
