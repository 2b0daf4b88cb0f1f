"""How a built-in kind is written as one row of a table, and the words that the rows share.

Columns are written `Name|cell|type|priority`, where the cell is a dotted path or `=word` (a function of
`ocicat.cluster.resources.cells`). Source: spec/kubernetes-api §2, §5.
"""

from typing import Final

from ocicat.cluster.resources.kinds import Column, Kind, Subresource

CORE: Final = ""
CALICO: Final = "projectcalico.org"
CLUSTER_POLICY: Final = "policy.networking.k8s.io"
RBAC: Final = "rbac.authorization.k8s.io"
AUTHENTICATION: Final = "authentication.k8s.io"
AUTHORIZATION: Final = "authorization.k8s.io"
EXTENSIONS: Final = "apiextensions.k8s.io"

STATUS: Final = Subresource("status", ("get", "patch", "update"))
SCALE: Final = Subresource("scale", ("get", "patch", "update"), "autoscaling", "v1", "Scale")
POD_PARTS: Final = (
    Subresource("attach", ("create", "get"), "", "v1", "PodAttachOptions"),
    Subresource("binding", ("create",), "", "v1", "Binding"),
    Subresource("ephemeralcontainers", ("get", "patch", "update")),
    Subresource("eviction", ("create",), "policy", "v1", "Eviction"),
    Subresource("exec", ("create", "get"), "", "v1", "PodExecOptions"),
    Subresource("log", ("get",)),
    Subresource("portforward", ("create", "get"), "", "v1", "PodPortForwardOptions"),
    STATUS,
)

AGE: Final = "Age|=age"
CREATED: Final = "Created At|=created|date"

WORKLOAD_WIDE: Final = ("Containers|=containers||1", "Images|=images||1", "Selector|=selector||1")


def columns(*rows: str) -> tuple[Column, ...]:
    """Return the columns that `rows` describe."""
    found = []
    for row in rows:
        name, cell, kind, priority, *_ = [*row.split("|"), "", "", ""]
        found.append(Column(name, cell, kind or "string", int(priority or 0)))
    return tuple(found)


def kind_row(path: str, kind: str, short: str = "", *rows: str, **more: object) -> Kind:
    """Return a kind from `group/version/plural`; more keywords are fields of `Kind`."""
    group, version, plural = path.rsplit("/", 2)
    fields: dict[str, object] = {"namespaced": True, "schema": schema_name(group, version, kind), **more}
    return Kind(
        group,
        version,
        kind,
        plural,
        short_names=tuple(short.split()),
        columns=columns(*(rows or (AGE,))),
        **fields,  # type: ignore[arg-type]
    )


def schema_name(group: str, version: str, kind: str) -> str:
    """Return the name of a kind's definition, as upstream's OpenAPI spells it."""
    package = group.removesuffix(".k8s.io").removesuffix(".authorization") if group else "core"
    if group in (CALICO, CLUSTER_POLICY):
        return ".".join((*reversed(group.split(".")), version, kind))
    if group == EXTENSIONS:
        return f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"
    return f"io.k8s.api.{package}.{version}.{kind}"
