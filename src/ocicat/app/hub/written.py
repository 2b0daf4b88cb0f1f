"""Policies as somebody wrote them, from the JSON that a cluster tells: YAML, and where each rule is in it.

What a cluster stores is not what was typed: it has fields that only machines read, and no comments. We show
the object without those fields. Lines are found by reading our own YAML again.
"""

from typing import Any, Final

import msgspec
import yaml

from ocicat.engine.policy import Direction, PolicyKey
from ocicat.model import calico, networkpolicy
from ocicat.model.documents import Document, read
from ocicat.model.flow import HitKind
from ocicat.model.kinds import Kind
from ocicat.ports.policyview import UNKNOWN, Written

_OF_MACHINES: Final = ("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_KINDS: Final = {
    HitKind.CALICO_NETWORK_POLICY: (calico.GROUP, "NetworkPolicy"),
    HitKind.NETWORK_POLICY: (networkpolicy.GROUP, "NetworkPolicy"),
}
"""Kinds that hits name otherwise than the API does."""

_Place = tuple[str, str, str]
"""Kind, namespace and name."""


class WrittenPolicies:
    """The policies of a cluster. Notes every one that is read; keeps what was asked for lately."""

    def __init__(self) -> None:
        """Know none."""
        self._raw: dict[_Place, tuple[str, bytes]] = {}
        self._written: dict[_Place, Written] = {}

    def note(self, kind: Kind, raw: bytes) -> None:
        """Note a policy as the cluster tells it. What is no policy is passed over."""
        if not kind.policy:
            return
        meta = msgspec.json.decode(raw).get("metadata") or {}
        place = (_shown_kind(kind), str(meta.get("namespace") or ""), str(meta.get("name") or ""))
        self._raw[place] = (kind.api_version, raw)
        self._written.pop(place, None)

    def of(self, key: PolicyKey) -> Written:
        """Return a policy; `UNKNOWN` where none was noted."""
        place = (key.kind.value, key.namespace, key.name)
        if place not in self._written and place in self._raw:
            self._written[place] = _written(*self._raw[place])
        return self._written.get(place, UNKNOWN)


def _shown_kind(kind: Kind) -> str:
    for hit_kind, known in _KINDS.items():
        if known == (kind.group, kind.kind):
            return hit_kind.value
    return kind.kind


def _written(api_version: str, raw: bytes) -> Written:
    document: dict[str, Any] = msgspec.json.decode(raw)
    spec, meta = document.get("spec") or {}, dict(document.get("metadata") or {})
    changed = _changed(meta)
    annotations = {
        name: text for name, text in (meta.get("annotations") or {}).items() if name != _LAST_APPLIED
    }
    meta = {name: value for name, value in meta.items() if name not in (*_OF_MACHINES, "annotations")}
    if annotations:
        meta["annotations"] = annotations
    shown = {"apiVersion": api_version, "kind": document.get("kind", ""), "metadata": meta, "spec": spec}
    text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100)
    selector = spec.get("selector")
    return Written(
        text, selector if isinstance(selector, str) else "", changed, _lines(api_version, spec, text)
    )


def _changed(meta: dict[str, Any]) -> str:
    """Return the latest time that the metadata name."""
    times = [entry.get("time") for entry in meta.get("managedFields") or ()]
    return max([str(time) for time in [*times, meta.get("creationTimestamp")] if time], default="")


def _lines(api_version: str, spec: dict[str, Any], text: str) -> dict[tuple[Direction, int], tuple[int, int]]:
    """Return the lines of the rules. Kubernetes' own policies are not converted one to one (§10.2)."""
    if not api_version.startswith(calico.GROUP):
        return {}
    [document], _ = read(text.encode(), "")
    found = {}
    for direction in Direction:
        rules = spec.get(direction.value) or []
        for index in range(len(rules)):
            found[direction, index] = _span(document, text, ("spec", direction.value, index))
    return found


def _span(document: Document, text: str, path: tuple[str | int, ...]) -> tuple[int, int]:
    """Return first and last line of a list item: it ends before the next line not indented deeper."""
    lines = text.splitlines()
    first = document.position(path).line
    dash = len(lines[first - 1]) - len(lines[first - 1].lstrip())
    last = first
    while last < len(lines) and len(lines[last]) - len(lines[last].lstrip()) > dash:
        last += 1
    return first, last
