"""How lists merge: keys for strategic merge patch and for server-side apply. Source: spec/kubernetes-api §3.

One row per field: the definition's short name, the field, the strategy of a strategic merge, its key, the
type of the list in apply, and its keys. `*` is every definition that has such a field.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class Mark(msgspec.Struct, frozen=True):
    """What is known of one list or map."""

    owner: str
    field: str
    strategy: str = ""
    key: str = ""
    kind: str = ""
    keys: tuple[str, ...] = ()

    def as_schema(self) -> dict[str, Any]:
        """Return the marks as OpenAPI extensions."""
        marks: dict[str, Any] = {}
        if self.strategy:
            marks["x-kubernetes-patch-strategy"] = self.strategy
        if self.key:
            marks["x-kubernetes-patch-merge-key"] = self.key
        if self.kind in ("map", "set"):
            marks["x-kubernetes-list-type"] = self.kind
        if self.kind == "atomic":
            marks["x-kubernetes-list-type"] = "atomic"
        if self.kind == "atomic-map":
            marks["x-kubernetes-map-type"] = "atomic"
        if self.keys:
            marks["x-kubernetes-list-map-keys"] = list(self.keys)
        return marks


def _keyed(owner: str, field: str, key: str, *keys: str, strategy: str = "merge") -> Mark:
    return Mark(owner, field, strategy, key, "map", keys or (key,))


MARKS: Final = (
    _keyed("PodSpec", "containers", "name"),
    _keyed("PodSpec", "initContainers", "name"),
    _keyed("PodSpec", "ephemeralContainers", "name"),
    _keyed("PodSpec", "volumes", "name", strategy="merge,retainKeys"),
    _keyed("PodSpec", "imagePullSecrets", "name"),
    _keyed("PodSpec", "resourceClaims", "name", strategy="merge,retainKeys"),
    _keyed("PodSpec", "hostAliases", "ip"),
    _keyed("PodSpec", "topologySpreadConstraints", "topologyKey", "topologyKey", "whenUnsatisfiable"),
    Mark("PodSpec", "tolerations", kind="atomic"),
    Mark("PodSpec", "nodeSelector", kind="atomic-map"),
    *(
        mark
        for owner in ("Container", "EphemeralContainer")
        for mark in (
            _keyed(owner, "env", "name"),
            _keyed(owner, "ports", "containerPort", "containerPort", "protocol"),
            _keyed(owner, "volumeMounts", "mountPath"),
            _keyed(owner, "volumeDevices", "devicePath"),
            Mark(owner, "command", kind="atomic"),
            Mark(owner, "args", kind="atomic"),
            Mark(owner, "envFrom", kind="atomic"),
        )
    ),
    _keyed("PodStatus", "podIPs", "ip"),
    Mark("PodStatus", "hostIPs", "merge", "ip", "atomic"),
    _keyed("ServiceSpec", "ports", "port", "port", "protocol"),
    Mark("ServiceSpec", "selector", kind="atomic-map"),
    Mark("ServiceSpec", "clusterIPs", kind="atomic"),
    Mark("ServiceSpec", "externalIPs", kind="atomic"),
    Mark("ServiceSpec", "ipFamilies", kind="atomic"),
    Mark("ServiceSpec", "loadBalancerSourceRanges", kind="atomic"),
    _keyed("ServiceAccount", "secrets", "name"),
    Mark("ServiceAccount", "imagePullSecrets", kind="atomic"),
    _keyed("NodeStatus", "addresses", "type"),
    Mark("NodeSpec", "podCIDRs", "merge", "", "set"),
    Mark("LabelSelector", "matchExpressions", kind="atomic"),
    Mark("*", "conditions", "merge", "type", "map", ("type",)),
    _keyed("ObjectMeta", "ownerReferences", "uid"),
    Mark("ObjectMeta", "finalizers", "merge", "", "set"),
    Mark("EndpointSlice", "endpoints", kind="atomic"),
    Mark("EndpointSlice", "ports", kind="atomic"),
    Mark("Role", "rules", kind="atomic"),
    Mark("ClusterRole", "rules", kind="atomic"),
    Mark("RoleBinding", "subjects", kind="atomic"),
    Mark("ClusterRoleBinding", "subjects", kind="atomic"),
)

_TEXT_MAPS: Final = (
    "ConfigMap.data", "ConfigMap.binaryData", "Secret.data", "Secret.stringData", "ObjectMeta.labels",
    "ObjectMeta.annotations", "LabelSelector.matchLabels", "PodSpec.nodeSelector", "ServiceSpec.selector",
    "CSIVolumeSource.volumeAttributes", "Endpoint.deprecatedTopology",
)  # fmt: skip
_QUANTITY_MAPS: Final = (
    "ResourceRequirements.limits", "ResourceRequirements.requests", "PodSpec.overhead", "NodeStatus.capacity",
    "NodeStatus.allocatable", "VolumeResourceRequirements.limits", "VolumeResourceRequirements.requests",
)  # fmt: skip
"""Maps of which the models say no more than that they are maps."""
_TEXT: Final = {"type": "string"}
_QUANTITY: Final = {"type": "string", "format": "int-or-string", "x-kubernetes-int-or-string": True}


def _with_values(owner: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(properties)
    for names, value in ((_TEXT_MAPS, _TEXT), (_QUANTITY_MAPS, _QUANTITY)):
        for field in found:
            if f"{owner}.{field}" in names:
                bare = {
                    key: each
                    for key, each in found[field].items()
                    if not key.startswith("x-kubernetes-preserve")
                }
                found[field] = {**bare, "additionalProperties": value}
    return found


_ATOMIC_DEFINITIONS: Final = (
    "LabelSelector", "ObjectReference", "LocalObjectReference", "SecretKeySelector", "ConfigMapKeySelector",
    "ObjectFieldSelector", "ResourceFieldSelector", "RoleRef", "NodeSelector", "NodeSelectorTerm",
    "TypedLocalObjectReference",
)  # fmt: skip
"""Definitions whose objects are owned as one."""


def marked(definitions: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return `definitions` with the marks of this table put to their lists and maps."""
    by_owner: dict[str, list[Mark]] = {}
    for mark in MARKS:
        by_owner.setdefault(mark.owner, []).append(mark)
    found = {}
    for name, definition in definitions.items():
        short = name.rpartition(".")[2]
        properties = _with_values(short, definition.get("properties") or {})
        for mark in (*by_owner.get("*", ()), *by_owner.get(short, ())):
            node = properties.get(mark.field)
            if node is not None and (mark.owner != "*" or _is_condition_list(node)):
                properties[mark.field] = {**node, **mark.as_schema()}
        atomic = {"x-kubernetes-map-type": "atomic"} if short in _ATOMIC_DEFINITIONS else {}
        found[name] = {**definition, "properties": properties, **atomic}
    return found


def _is_condition_list(node: Mapping[str, Any]) -> bool:
    return str((node.get("items") or {}).get("$ref", "")).endswith("Condition")
