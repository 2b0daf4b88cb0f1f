"""Discovery: which groups, versions and resources there are, in the two forms that clients ask for.

Source: spec/kubernetes-api §2. Newer kubectls take one aggregated document, in `v2` or `v2beta1`; older
ones go from `/api` and `/apis` to each group's list.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ocicat.cluster.resources.kinds import Kind, Registry, Subresource

_AGGREGATED: Final = "APIGroupDiscoveryList"
VERSIONS: Final = ("v2", "v2beta1")


def aggregated_version(accept: str) -> str | None:
    """Return the version of the aggregated document that `accept` offers first, or None for the plain
    form."""
    for offer in accept.split(","):
        kind, *parameters = (part.strip() for part in offer.split(";"))
        given = dict(part.partition("=")[::2] for part in parameters)
        if kind != "application/json":
            continue
        if given.get("as") == _AGGREGATED and given.get("v") in VERSIONS:
            return given["v"]
        if "as" not in given:
            return None
    return None


def aggregated_type(version: str) -> str:
    """Return the media type of the aggregated document."""
    return f"application/json;g=apidiscovery.k8s.io;v={version};as={_AGGREGATED}"


def _in_order(registry: Registry) -> list[tuple[str, list[str]]]:
    return list(registry.versions().items())


def aggregated(registry: Registry, version: str, *, core: bool) -> dict[str, Any]:
    """Return the aggregated document of `/api` (`core`) or of `/apis`."""
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
            "versions": [
                {
                    "version": each,
                    "resources": [_aggregated_resource(kind) for kind in registry.within(group, each)],
                    "freshness": "Current",
                }
                for each in versions
            ],
        }
        for group, versions in _in_order(registry)
        if core == (not group)
    ]
    return {
        "kind": _AGGREGATED,
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(kind: Kind) -> dict[str, Any]:
    row: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": kind.gvk(),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.categories:
        row["categories"] = list(kind.categories)
    if kind.subresources:
        row["subresources"] = [
            {"subresource": sub.name, "responseKind": _gvk(kind, sub), "verbs": list(sub.verbs)}
            for sub in kind.subresources
        ]
    return row


def _gvk(kind: Kind, sub: Subresource) -> dict[str, str]:
    if not sub.kind:
        return kind.gvk()
    return {"group": sub.group, "version": sub.version, "kind": sub.kind}


def api_versions(address: str) -> dict[str, Any]:
    """Return the answer of `/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_document(group: str, versions: Sequence[str]) -> dict[str, Any]:
    """Return the `APIGroup` of one group."""
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def group_list(registry: Registry) -> dict[str, Any]:
    """Return the answer of `/apis`."""
    groups = [group_document(group, versions) for group, versions in _in_order(registry) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def one_group(registry: Registry, group: str) -> dict[str, Any] | None:
    """Return the answer of `/apis/group`, None where there is no such group."""
    versions = registry.versions().get(group)
    if not versions or not group:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **group_document(group, versions)}


def resource_list(registry: Registry, group: str, version: str) -> dict[str, Any] | None:
    """Return the answer of `/api/v1` or `/apis/group/version`, None where there is no such version."""
    kinds = registry.within(group, version)
    if not kinds:
        return None
    rows: list[Mapping[str, Any]] = []
    for kind in kinds:
        rows.append(_plain_resource(kind))
        rows.extend(_plain_subresource(kind, sub) for sub in kind.subresources)
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": rows}


def _plain_resource(kind: Kind) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.categories:
        row["categories"] = list(kind.categories)
    return row


def _plain_subresource(kind: Kind, sub: Subresource) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": sub.kind or kind.kind,
        "verbs": list(sub.verbs),
    }
    if sub.kind:
        row |= {"group": sub.group, "version": sub.version} if sub.group else {"version": sub.version}
    return row
