"""CustomResourceDefinitions: the kinds, columns and structural schemas that users bring.

A definition's schema is OpenAPI v3 as it stands, with metadata put in; objects are pruned, defaulted and
judged by it. Its rules in CEL are judged by `rules`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ocicat.cluster.resources import rules
from ocicat.cluster.resources.errors import Cause, invalid_value, required, shown, unsupported_value
from ocicat.cluster.resources.expressions import ExpressionError, matches
from ocicat.cluster.resources.kinds import Column, Kind, Registry, metadata_of
from ocicat.cluster.resources.rows import SCALE, STATUS
from ocicat.cluster.resources.schema import PREFIX

_META: Final = {"$ref": PREFIX + "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
_TEXT: Final = {"type": "string"}
_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")
_DEPTH_LIMIT: Final = 64
Thing = Mapping[str, Any]


def kinds_of(definition: Thing) -> list[Kind]:
    """Return the kinds that a definition serves, the storage version first; none for one that is going
    away."""
    spec = definition["spec"]
    versions = sorted(
        (row for row in spec["versions"] if row.get("served")), key=lambda row: not row.get("storage")
    )
    return [_kind(spec, row) for row in versions]


def _kind(spec: Thing, row: Thing) -> Kind:
    names, parts = spec["names"], row.get("subresources") or {}
    subresources = tuple(sub for sub in (SCALE, STATUS) if isinstance(parts.get(sub.name), Mapping))
    return Kind(
        spec["group"], row["name"], names["kind"], names["plural"], spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=subresources,
        columns=_columns(row),
        schema=schema_name(spec["group"], row["name"], names["kind"]),
        strategic=False,
        status_apart="status" in parts,
        custom=True,
        single=names.get("singular") or "",
        list_kind=names.get("listKind") or "",
    )  # fmt: skip


def _columns(row: Thing) -> tuple[Column, ...]:
    wanted = row.get("additionalPrinterColumns") or ()
    found = tuple(
        Column(
            each["name"],
            each["jsonPath"],
            each["type"],
            int(each.get("priority") or 0),
            each.get("description", ""),
        )
        for each in wanted
    )
    return found or (_AGE,)


def schema_name(group: str, version: str, kind: str) -> str:
    """Return the name of a custom kind's definition."""
    return ".".join((*reversed(group.split(".")), version, kind))


def schema_of(definition: Thing, version: str) -> dict[str, Any]:
    """Return the schema of one version, with metadata, apiVersion and kind in it."""
    row = next(row for row in definition["spec"]["versions"] if row["name"] == version)
    given = (row.get("schema") or {}).get("openAPIV3Schema") or {"x-kubernetes-preserve-unknown-fields": True}
    properties = {**(given.get("properties") or {}), "apiVersion": _TEXT, "kind": _TEXT, "metadata": _META}
    if isinstance((row.get("subresources") or {}).get("status"), Mapping):
        properties.setdefault("status", {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    return {"type": "object", **given, "properties": properties}


def with_defaults(thing: Any, schema: Thing, depth: int = 0) -> Any:
    """Return `thing` with the schema's defaults filled in, at every level."""
    if depth > _DEPTH_LIMIT:
        return thing
    if isinstance(thing, Mapping):
        filled = dict(thing)
        for name, inner in (schema.get("properties") or {}).items():
            if filled.get(name) is None and "default" in inner:
                filled[name] = inner["default"]
            if name in filled:
                filled[name] = with_defaults(filled[name], inner, depth + 1)
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping):
            known = schema.get("properties") or {}
            filled |= {
                key: with_defaults(value, more, depth + 1)
                for key, value in filled.items()
                if key not in known
            }
        return filled
    if isinstance(thing, list) and isinstance(schema.get("items"), Mapping):
        return [with_defaults(item, schema["items"], depth + 1) for item in thing]
    return thing


def violations(thing: Any, schema: Thing, path: str = "", depth: int = 0) -> Iterator[Cause]:
    """Yield what in `thing` breaks the schema. Types are checked before, when the body is read."""
    if thing is None or depth > _DEPTH_LIMIT:
        return
    if "enum" in schema and thing not in schema["enum"]:
        yield unsupported_value(path, thing, (str(word) for word in schema["enum"]))
    yield from _bounds(thing, schema, path)
    if isinstance(thing, Mapping):
        for name in schema.get("required") or ():
            if thing.get(name) is None:
                yield required(f"{path}.{name}" if path else name)
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, value in thing.items():
            inner = properties.get(name, more)
            if isinstance(inner, Mapping) and not (not path and name == "metadata"):
                yield from violations(value, inner, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(thing, list) and isinstance(schema.get("items"), Mapping):
        for position, item in enumerate(thing):
            yield from violations(item, schema["items"], f"{path}[{position}]", depth + 1)
    yield from _combinations(thing, schema, path, depth)


def _combinations(thing: Any, schema: Thing, path: str, depth: int) -> Iterator[Cause]:
    def fits(inner: Thing) -> bool:
        return not any(True for _ in violations(thing, inner, path, depth + 1))

    for inner in schema.get("allOf") or ():
        yield from violations(thing, inner, path, depth + 1)
    if (any_of := schema.get("anyOf")) and not any(map(fits, any_of)):
        yield invalid_value(path, thing, "must validate at least one schema (anyOf)")
    if (one_of := schema.get("oneOf")) and sum(map(fits, one_of)) != 1:
        yield invalid_value(path, thing, "must validate one and only one schema (oneOf)")
    if (excluded := schema.get("not")) and fits(excluded):
        yield invalid_value(path, thing, "must not validate the schema (not)")


def _bounds(thing: Any, schema: Thing, path: str) -> Iterator[Cause]:
    if isinstance(thing, bool):
        return
    if isinstance(thing, int | float):
        yield from _numbers(thing, schema, path)
    elif isinstance(thing, str):
        pattern = schema.get("pattern")
        if pattern and not matches(pattern, thing):
            yield invalid_value(path, thing, f"{path} in body should match '{pattern}'")
        yield from _length(len(thing), schema, "Length", "chars long", path, thing)
    elif isinstance(thing, list):
        yield from _length(len(thing), schema, "Items", "items", path, thing)
        if schema.get("uniqueItems") and any(item in thing[:place] for place, item in enumerate(thing)):
            yield Cause("FieldValueDuplicate", f"Duplicate value: {shown(thing)}", path)
    elif isinstance(thing, Mapping):
        yield from _length(len(thing), schema, "Properties", "properties", path, thing)


def _is_pattern(pattern: Any) -> bool:
    try:
        matches(str(pattern), "")
    except ExpressionError:
        return False
    return True


def _numbers(thing: float, schema: Thing, path: str) -> Iterator[Cause]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (thing < low or (thing == low and schema.get("exclusiveMinimum"))):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid_value(path, thing, f"{path} in body should be {word} {low}")
    if high is not None and (thing > high or (thing == high and schema.get("exclusiveMaximum"))):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield invalid_value(path, thing, f"{path} in body should be {word} {high}")
    step = schema.get("multipleOf")
    if step and thing % step:
        yield invalid_value(path, thing, f"{path} in body should be a multiple of {step}")


def _length(size: int, schema: Thing, what: str, unit: str, path: str, thing: Any) -> Iterator[Cause]:
    low, high = schema.get("min" + what), schema.get("max" + what)
    if low is not None and size < low:
        yield invalid_value(path, thing, f"{path} in body should be at least {low} {unit}")
    if high is not None and size > high:
        yield invalid_value(path, thing, f"{path} in body should be at most {high} {unit}")


def problems(definition: Thing) -> list[Cause]:
    """Return what is wrong with a definition: names, versions, and schemas that are not structural."""
    spec = definition.get("spec")
    if not isinstance(spec, Mapping):
        return [required("spec")]
    causes = [
        required(f"spec.{name}") for name in ("group", "scope", "names", "versions") if not spec.get(name)
    ]
    names = spec.get("names")
    if causes or not isinstance(names, Mapping):
        return causes or [required("spec.names")]
    causes += [required(f"spec.names.{name}") for name in ("plural", "kind") if not names.get(name)]
    wanted = f"{names.get('plural')}.{spec['group']}"
    if metadata_of(definition).get("name") != wanted:
        text = 'must be spec.names.plural+"."+spec.group'
        causes.append(invalid_value("metadata.name", metadata_of(definition).get("name"), text))
    if spec["scope"] not in ("Cluster", "Namespaced"):
        causes.append(unsupported_value("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
    conversion = spec.get("conversion")
    if isinstance(conversion, Mapping) and conversion.get("strategy") not in (None, "None"):
        causes.append(unsupported_value("spec.conversion.strategy", conversion["strategy"], ("None",)))
    return causes + list(_version_problems(spec["versions"]))


def taken(definition: Thing, present: Registry) -> list[Cause]:
    """Return the names of a definition that kinds of `present` have already; both could not be served."""
    spec = definition["spec"]
    group, names = spec["group"], spec["names"]
    causes = []
    for kind in present.kinds:
        if kind.group != group or (kind.resource == metadata_of(definition).get("name") and kind.custom):
            continue
        for field, found in (("plural", kind.plural), ("kind", kind.kind)):
            if names.get(field) == found:
                why = f"{kind.kind} of {kind.api_version} is served already"
                causes.append(invalid_value(f"spec.names.{field}", found, why))
    return causes


def _version_problems(versions: Any) -> Iterator[Cause]:
    if not isinstance(versions, list) or not all(
        isinstance(row, Mapping) and row.get("name") for row in versions
    ):
        yield required("spec.versions[0].name")
        return
    if sum(1 for row in versions if row.get("storage")) != 1:
        yield invalid_value("spec.versions", [row["name"] for row in versions],
                            "must have exactly one version marked as storage version")  # fmt: skip
    for position, row in enumerate(versions):
        schema = (row.get("schema") or {}).get("openAPIV3Schema")
        where = f"spec.versions[{position}].schema.openAPIV3Schema"
        if not isinstance(schema, Mapping):
            yield required(where, "schemas are required")
        else:
            yield from _structural(schema, where, 0)


def _structural(schema: Thing, where: str, depth: int) -> Iterator[Cause]:
    open_ended = schema.get("x-kubernetes-int-or-string") or schema.get(
        "x-kubernetes-preserve-unknown-fields"
    )
    if not schema.get("type") and not open_ended:
        yield required(
            f"{where}.type",
            "must not be empty for specified object fields" if depth else "must not be empty at the root",
        )
    if depth == 0 and schema.get("type") not in ("object", None):
        yield invalid_value(f"{where}.type", schema.get("type"), "must be object at the root")
    if depth > _DEPTH_LIMIT:
        yield invalid_value(where, depth, "nests too deep")
        return
    if schema.get("pattern") and not _is_pattern(schema["pattern"]):
        yield invalid_value(f"{where}.pattern", schema["pattern"], "is not a regular expression of RE2")
    yield from rules.problems(schema, where)
    for name, inner in _named_parts(schema):
        if isinstance(inner, Mapping):
            yield from _structural(inner, f"{where}.{name}", depth + 1)
    if schema.get("type") == "array" and not isinstance(schema.get("items"), Mapping):
        yield required(f"{where}.items", "must be specified")


def _named_parts(schema: Thing) -> Iterable[tuple[str, Any]]:
    for name, inner in (schema.get("properties") or {}).items():
        yield f"properties[{name}]", inner
    for name in ("items", "additionalProperties"):
        yield name, schema.get(name)


def established(definition: Thing, time: str) -> dict[str, Any]:
    """Return the status of a definition whose kinds are served."""

    def condition(kind: str, reason: str, message: str) -> dict[str, str]:
        return {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": time,
        }

    spec = definition["spec"]
    before = definition.get("status") or {}
    stored = [row["name"] for row in spec["versions"] if row.get("storage")]
    versions = list(dict.fromkeys([*(before.get("storedVersions") or ()), *stored]))
    return {
        "acceptedNames": spec["names"],
        "conditions": before.get("conditions")
        or [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": versions,
    }
