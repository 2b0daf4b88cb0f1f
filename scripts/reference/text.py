"""How the code's own words become Markdown: docstrings, attributes, anchors."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Final

GENERATED: Final = "<!-- Made from the code by `make docs`. Do not edit. -->"


def anchor(heading: str) -> str:
    """Return the anchor that a Markdown renderer gives to `heading`."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def doc(thing: object) -> str:
    """Return the docstring of a class or function. Raises ValueError where there is none."""
    text = inspect.getdoc(thing)
    if not text:
        raise ValueError(f"{thing!r} has no docstring")
    return text


def first_sentence(text: str) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(text.split("\n\n", 1)[0].split())


def cell(text: str) -> str:
    """Return `text` as one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


@cache
def attribute_docs(cls: type) -> dict[str, str]:
    """Return the docstrings below the attributes of a class and of its bases in our package, by name."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("ocicat"):
            docs.update(_own_attribute_docs(base))
    return docs


def _own_attribute_docs(cls: type) -> dict[str, str]:
    return {
        attribute.target.id: text
        for attribute, text in _documented(_body(cls))
        if isinstance(attribute.target, ast.Name)
    }


def instance_attributes(cls: type) -> list[tuple[str, str, str]]:
    """Return name, annotation and docstring of the public attributes that `__init__` sets and documents."""
    found = []
    for method in _body(cls):
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            for attribute, text in _documented(method.body):
                if isinstance(attribute.target, ast.Attribute) and not attribute.target.attr.startswith("_"):
                    found.append((attribute.target.attr, ast.unparse(attribute.annotation), text))
    return found


def _body(cls: type) -> list[ast.stmt]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    return tree.body if isinstance(tree, ast.ClassDef) else []


def _documented(body: list[ast.stmt]) -> Iterator[tuple[ast.AnnAssign, str]]:
    """Yield each annotated assignment that has a docstring below it, with that on one line."""
    for attribute, text in pairwise(body):
        if (
            isinstance(attribute, ast.AnnAssign)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            yield attribute, " ".join(text.value.value.split())
