"""Does a value have the shape that a type asks for? Every deviation at once, with the edit that mends each.

msgspec stops at the first mistake and knows nothing of nulls as Kubernetes means them, so the value is
walked here along the description that msgspec has of the type. Kubernetes' rules, which are the API
server's: a number is not text and text is not a number; a null field is an absent field; a null among
labels is the empty text; fields that the type does not have are dropped, which for policies is worth a
warning.
"""

from difflib import get_close_matches
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from ocicat.model.meta import ObjectMeta, Resource
from ocicat.model.positions import Path, path_text
from ocicat.model.reading import shown
from ocicat.model.scalars import as_json

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
"""The API's integers have 64 bits at most."""
FLOAT_BOUND: Final = 2**1023
"""Below it every integer has a float."""

_TRUTHS: Final = {
    **dict.fromkeys(("true", "yes", "on", "y"), "true"),
    **dict.fromkeys(("false", "no", "off", "n"), "false"),
}


class Deviation(msgspec.Struct, frozen=True):
    """One place at which a value is not what its type asks for."""

    code: str
    path: Path
    what: str
    fix: str = ""
    value: str = ""
    at_key: bool = False
    """Whether the key is wrong, rather than the value."""


def conformed(value: Any, struct: type[Resource], *, unknown_fields: bool) -> tuple[Any, list[Deviation]]:
    """Return `value` without its nulls, and all its deviations from `struct`.

    Where no deviation is an error, `msgspec.convert` accepts the answer. `unknown_fields` asks for those too,
    except under `metadata` and `status`, where everybody writes (managedFields, …).

    The recursion is as deep as the types are: twelve levels, whatever the value.
    """
    walk = _Walk(unknown_fields=unknown_fields)
    return walk.value(value, _type_of(struct), ()), walk.deviations


class _Walk:
    def __init__(self, *, unknown_fields: bool) -> None:
        self.unknown_fields = unknown_fields
        self.deviations: list[Deviation] = []

    def value(self, value: Any, kind: inspect.Type, path: Path) -> Any:
        """Return `value` as `kind` wants it. A null never gets here."""
        match kind:
            case inspect.StructType():
                return self._struct(value, kind, path)
            case inspect.VarTupleType():
                return self._list(value, kind, path)
            case inspect.DictType():
                return self._map(value, kind, path)
            case inspect.UnionType():
                return self._union(value, kind, path)
            case _:
                if not _fits(value, kind):
                    self._wrong(value, (kind,), path)
                return value

    def _struct(self, value: Any, kind: inspect.StructType, path: Path) -> Any:
        fields = _fields(kind.cls)
        if type(value) is not dict:
            self._wrong(value, (kind,), path)
            return value
        kept: dict[str, Any] = {}
        for name, member in value.items():
            field = fields.get(name)
            if field is None:
                if self.unknown_fields and kind.cls is not ObjectMeta and (path or name != "status"):
                    self._unknown(name, tuple(fields), path)
            elif member is not None:
                kept[name] = self.value(member, field, (*path, name))
        return kept

    def _list(self, value: Any, kind: inspect.VarTupleType, path: Path) -> Any:
        if type(value) is not list:
            self._wrong(value, (kind,), path)
            return value
        kept: list[Any] = []
        for index, member in enumerate(value):
            if member is None:
                self._wrong(None, _alternatives(kind.item_type), (*path, index))
            else:
                kept.append(self.value(member, kind.item_type, (*path, index)))
        return kept

    def _map(self, value: Any, kind: inspect.DictType, path: Path) -> Any:
        if type(value) is not dict:
            self._wrong(value, (kind,), path)
            return value
        return {
            name: "" if member is None else self.value(member, kind.value_type, (*path, name))
            for name, member in value.items()
        }

    def _union(self, value: Any, union: inspect.UnionType, path: Path) -> Any:
        kinds = _alternatives(union)
        if len(kinds) == 1:
            return self.value(value, kinds[0], path)
        if not any(_fits(value, kind) for kind in kinds):
            self._wrong(value, kinds, path)
        return value

    def _wrong(self, value: Any, kinds: tuple[inspect.Type, ...], path: Path) -> None:
        wanted = " or ".join(dict.fromkeys(_wanted(kind) for kind in kinds))
        what = f"must be {wanted}, and is {_found(value)}"
        code, fix = "OC0025", f"write {wanted}"
        if type(value) is int and any(
            isinstance(kind, inspect.IntType | inspect.FloatType) for kind in kinds
        ):
            code, what, fix = "OC0014", "the number is out of range", "write a smaller number"
        else:
            fix = next((fix for kind in kinds if (fix := _fix(value, kind))), fix)
        self.deviations.append(Deviation(code, path, what, fix, _written(value)))

    def _unknown(self, name: str, fields: tuple[str, ...], path: Path) -> None:
        spelled = {field.lower(): field for field in fields}
        close = spelled.get(name.lower()) or next(iter(get_close_matches(name, fields, 1)), "")
        fix = f'write "{close}"' if close else f"remove it; the fields here are {', '.join(fields)}"
        what = f'unknown field "{shown(path_text((*path, name)))}"'
        self.deviations.append(Deviation("OC0026", (*path, name), what, fix, at_key=True))


_type_of: Final = cache(inspect.type_info)


@cache
def _fields(struct: type) -> dict[str, inspect.Type]:
    """Return the fields of a struct by their name in manifests."""
    info = _type_of(struct)
    return (
        {field.encode_name: field.type for field in info.fields}
        if isinstance(info, inspect.StructType)
        else {}
    )


def _alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """Return the types of a union but for null; a type that is no union is its own alternative."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return tuple(each for each in kinds if not isinstance(each, inspect.NoneType))


def _fits(value: Any, kind: inspect.Type) -> bool:
    """Tell whether a value is of a scalar type. True and False are no numbers here."""
    match kind:
        case inspect.StrType():
            return type(value) is str
        case inspect.BoolType():
            return type(value) is bool
        case inspect.IntType():
            return type(value) is int and INT_MIN <= value <= INT_MAX
        case inspect.FloatType():
            return type(value) is float or (type(value) is int and abs(value) < FLOAT_BOUND)
        case _:
            raise AssertionError(f"no field of a resource is of type {kind}")


def _wanted(kind: inspect.Type) -> str:
    match kind:
        case inspect.StrType():
            return "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return "a number"
        case inspect.VarTupleType():
            return "a list"
        case _:
            return "a map"


def _found(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "a truth value"
        case int():
            return "a number"
        case float():
            return "a number with a fraction"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a map"


def _written(value: Any) -> str:
    """Return a scalar as it may have been written; nothing for maps and lists, which can be large."""
    match value:
        case str():
            return f'"{shown(value)}"'
        case bool() | int() | float():
            return shown(as_json(value))
        case _:
            return ""


def _fix(value: Any, kind: inspect.Type) -> str:
    """Return the edit that makes `value` fit `kind`, where there is an obvious one."""
    match kind, value:
        case inspect.StrType(), bool() | int() | float():
            return "put the value into quotes"
        case inspect.IntType() | inspect.FloatType(), str() if _is_decimal(value):
            return f"write {value}, without quotes"
        case inspect.IntType(), float() if value.is_integer():
            return f"write {int(value)}"
        case inspect.BoolType(), str() if value.lower() in _TRUTHS:
            return f"write {_TRUTHS[value.lower()]}"
        case inspect.VarTupleType(), _:
            return 'write a list: begin each item with "- "'
        case inspect.StructType() | inspect.DictType(), list():
            return 'write "key: value" pairs, without "- " before them'
        case inspect.StructType() | inspect.DictType(), _:
            return 'write "key: value" pairs, indented below it'
        case _:
            return ""


def _is_decimal(text: str) -> bool:
    return len(text) < 20 and text.isascii() and text.isdecimal()
