"""Label and field selectors of list and watch requests. Source: spec/kubernetes-api §4.

A label selector is a comma list of `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (x,y)` and `a notin (x)`; a field
selector of `path=value`, `path==value` and `path!=value`. An object must meet all requirements.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.errors import bad_request
from ocicat.cluster.resources.kinds import metadata_of

_REQUIREMENT: Final = re.compile(
    r"\s*(?:(?P<absent>!\s*(?P<nokey>[^\s,=!()]+))"
    r"|(?P<key>[^\s,=!()]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[^\s,()=!]*)"
    r"|\b(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|\Z)"
)
_LABEL_KEY: Final = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class Requirement(msgspec.Struct, frozen=True):
    """`key` has one of `values` (or exists, when None); `negated` turns it round."""

    key: str
    values: frozenset[str] | None
    negated: bool = False

    def met_by(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` meet the requirement; an absent key meets every negated one."""
        found = self.key in labels if self.values is None else labels.get(self.key) in self.values
        return found != self.negated


class LabelSelector(msgspec.Struct, frozen=True):
    """All requirements must be met; none selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, thing: Mapping[str, Any]) -> bool:
        """Tell whether the labels of the object `thing` are selected."""
        if not self.requirements:
            return True
        labels = metadata_of(thing).get("labels") or {}
        return all(requirement.met_by(labels) for requirement in self.requirements)


def parse_labels(text: str) -> LabelSelector:
    """Return the label selector that `text` writes. Raises ApiError (400) where it cannot be read."""
    found: list[Requirement] = []
    position = 0
    while position < len(text):
        match = _REQUIREMENT.match(text, position)
        if match is None or match.end() == position:
            raise bad_request(f"unable to parse requirement: found {text[position : position + 40]!r}")
        position = match.end()
        found.append(_requirement(match))
    return LabelSelector(tuple(found))


def _requirement(match: re.Match[str]) -> Requirement:
    key = match["nokey"] or match["key"]
    if not _LABEL_KEY.fullmatch(key):
        raise bad_request(f"unable to parse requirement: <nil>: Invalid value: {key!r}: not a label key")
    if match["absent"]:
        return Requirement(key, None, negated=True)
    if match["set"]:
        values = frozenset(part.strip() for part in match["values"].split(","))
        negated = match["set"] == "notin"
    elif match["op"]:
        values = frozenset((match["value"],))
        negated = match["op"] == "!="
    else:
        return Requirement(key, None)
    for value in values:
        if not _LABEL_VALUE.fullmatch(value):
            raise bad_request(
                f"unable to parse requirement: values: Invalid value: {value!r}: not a label value"
            )
    return Requirement(key, values, negated)


def from_object(selector: Mapping[str, Any]) -> LabelSelector:
    """Return the selector that an object holds as `matchLabels` and `matchExpressions`."""
    found = [
        Requirement(key, frozenset((value,))) for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for row in selector.get("matchExpressions") or ():
        operator = row.get("operator")
        values = None if operator in ("Exists", "DoesNotExist") else frozenset(row.get("values") or ())
        found.append(Requirement(row.get("key", ""), values, operator in ("NotIn", "DoesNotExist")))
    return LabelSelector(tuple(found))


class FieldTerm(msgspec.Struct, frozen=True):
    """`path` equals `value`, or not."""

    path: str
    value: str
    negated: bool = False


class FieldSelector(msgspec.Struct, frozen=True):
    """All terms must hold; none selects everything."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, thing: Mapping[str, Any]) -> bool:
        """Tell whether the fields of the object `thing` are selected; an absent field is the empty word."""
        return all((field_text(thing, term.path) == term.value) != term.negated for term in self.terms)

    def only(self, path: str) -> str | None:
        """Return the value that `path` must have, or None when it is free."""
        return next((term.value for term in self.terms if term.path == path and not term.negated), None)


_EVERY_KIND: Final = ("metadata.name", "metadata.namespace")
_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "pods": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
        "reason", "reportingComponent", "source", "type",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
}  # fmt: skip
"""The fields by which each resource can be selected; every other one is refused, as upstream does."""

_TIERED: Final = "projectcalico.org"


def parse_fields(text: str, resource: str) -> FieldSelector:
    """Return the field selector that `text` writes for `resource` (`plural.group`).

    Raises:
        ApiError: 400, where it cannot be read or names a field by which nothing is selected.
    """
    allowed = (*_EVERY_KIND, *_FIELDS.get(resource, ()))
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if match is None:
            raise bad_request(f"invalid selector: {text[:200]!r}; can't understand {part[:100]!r}")
        path, operator, value = match.groups()
        if path not in allowed and not (resource.endswith(_TIERED) and path == "spec.tier"):
            raise bad_request(
                f'Unable to find "{resource}" that match field selector: field label not supported: {path}'
            )
        found.append(FieldTerm(path, value, operator == "!="))
    return FieldSelector(tuple(found))


def field_text(thing: Mapping[str, Any], path: str) -> str:
    """Return the field at the dotted `path` as selectors compare it: text, booleans as true or false."""
    value: Any = thing
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if path == "source" and isinstance(value, Mapping):
        value = value.get("component")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
