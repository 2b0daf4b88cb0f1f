"""docs/reference/kinds.md: which kinds ocicat reads, and which of their fields."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect as types

from ocicat.model.kinds import KINDS, Kind
from ocicat.model.meta import Resource
from reference.text import GENERATED, anchor, attribute_docs, cell, doc, first_sentence

INTRODUCTION = """\
# Kinds

These are the kinds that ocicat reads from files, and the fields of them that it looks at. Other kinds are
passed over, and one that the API groups of policy do not have is reported. Of the policy kinds every field is
listed, so an unknown one is worth a warning; of the kinds that policy refers to, only the fields that policy
looks at are read. Every kind has `apiVersion`, `kind` and `metadata`, an [ObjectMeta](#objectmeta).
"""


def page() -> str:
    """Return the page."""
    lines = [GENERATED, "", INTRODUCTION]
    lines += ["| kind | API version | scope | resource |", "|---|---|---|---|"]
    for kind in KINDS:
        scope = "namespaced" if kind.namespaced else "cluster"
        versions = ", ".join(f"`{kind.group}/{v}`" if kind.group else f"`{v}`" for v in kind.versions)
        lines.append(f"| [{kind.kind}](#{anchor(_heading(kind))}) | {versions} | {scope} | `{kind.plural}` |")
    for kind in KINDS:
        lines += ["", f"## {_heading(kind)}", "", first_sentence(doc(kind.struct)), ""]
        lines += _table(_kind_rows(kind)) or ["Only its metadata is read."]
    lines += ["", "# Parts", "", "What the fields above are made of."]
    for part in sorted(_parts(KINDS), key=lambda part: part.__name__):
        lines += ["", f"## {part.__name__}", "", first_sentence(doc(part)), "", *_table(_rows(part))]
    return "\n".join(lines) + "\n"


def _heading(kind: Kind) -> str:
    return f"{kind.kind} ({kind.api_version})"


class Row(msgspec.Struct, frozen=True):
    """One line of a table of fields."""

    field: str
    type: str
    default: str
    meaning: str


def _kind_rows(kind: Kind) -> Iterator[Row]:
    """Yield the fields of a kind, those of its `spec` and `status` in the place of these."""
    for field, row in zip(_own_fields(kind), _rows(kind.struct), strict=True):
        if field.encode_name in ("apiVersion", "kind", "metadata"):
            continue
        if isinstance(field.type, types.StructType):
            yield from _rows(field.type.cls, f"{field.encode_name}.")
        else:
            yield row


def _own_fields(kind: Kind) -> Iterable[types.Field]:
    return _struct(kind.struct).fields


def _rows(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[Row]:
    docs = attribute_docs(struct)
    for field in _struct(struct).fields:
        meaning = cell(docs.get(field.name, ""))
        yield Row(f"`{prefix}{field.encode_name}`", _type_text(field.type), _default(field), meaning)


def _table(rows: Iterable[Row]) -> list[str]:
    """Return the rows as a table with the columns that hold anything; nothing where there are no rows."""
    rows = list(rows)
    titles = [name for name in ("field", "type", "default", "meaning") if any(getattr(r, name) for r in rows)]
    if not rows:
        return []
    lines = [titles, ["---"] * len(titles), *([getattr(row, name) for name in titles] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _default(field: types.Field) -> str:
    value = field.default
    if value is msgspec.NODEFAULT or isinstance(value, msgspec.Struct) or value in (None, "", ()):
        return ""
    return f"`{msgspec.json.encode(value).decode()}`"


def _type_text(kind: types.Type) -> str:
    match kind:
        case types.StructType(cls=cls):
            return f"[{cls.__name__}](#{anchor(cls.__name__)})"
        case types.VarTupleType(item_type=item):
            return f"list of {_type_text(item)}"
        case types.DictType(key_type=key, value_type=value):
            return f"map of {_type_text(key)} to {_type_text(value)}"
        case types.UnionType(types=members):
            return " or ".join(_type_text(m) for m in members if not isinstance(m, types.NoneType))
        case types.StrType():
            return "text"
        case types.IntType():
            return "integer"
        case types.FloatType():
            return "number"
        case types.BoolType():
            return "true or false"
        case _:
            raise TypeError(f"no words for {kind}")


def _struct(struct: type[msgspec.Struct]) -> types.StructType:
    described = types.type_info(struct)
    if not isinstance(described, types.StructType):
        raise TypeError(f"{struct} is no struct")
    return described


def _parts(kinds: Iterable[Kind]) -> set[type[Any]]:
    """Return every struct that is a part of some kind. Raises ValueError where two have one name."""
    found: set[type[Any]] = set()
    waiting: list[types.Type] = []
    for field in (field for kind in kinds for field in _own_fields(kind)):
        # A kind's `spec` stands on its page in full, so it is no part of its own.
        waiting += _inside(field.type) if isinstance(field.type, types.StructType) else [field.type]
    while waiting:
        described = waiting.pop()
        if isinstance(described, types.StructType):
            if described.cls in found:
                continue
            found.add(described.cls)
        waiting += _inside(described)
    parts = {cls for cls in found if not issubclass(cls, Resource)}
    if len({part.__name__ for part in parts}) != len(parts):
        raise ValueError("two parts have one name, so their headings would be alike")
    return parts


def _inside(described: types.Type) -> Iterator[types.Type]:
    match described:
        case types.StructType(fields=fields):
            yield from (field.type for field in fields)
        case types.VarTupleType(item_type=item):
            yield item
        case types.DictType(value_type=value):
            yield value
        case types.UnionType(types=members):
            yield from members
        case _:
            pass
