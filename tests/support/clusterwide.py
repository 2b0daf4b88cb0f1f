"""Cluster-wide policies that are valid but for what a test says."""

from typing import Any

import yaml

from support.judged import ADMIN, CLUSTER, Told, document, told

SUBJECT = {"namespaces": {}}
KINDS = ["ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy"]
ACCEPTS = {
    "ClusterNetworkPolicy": "Accept",
    "AdminNetworkPolicy": "Allow",
    "BaselineAdminNetworkPolicy": "Allow",
}
PEER = {"namespaces": {}}
EVERYBODY = [("ingress", "from"), ("egress", "to")]


def written(kind: str, spec: Any = None, **metadata: Any) -> dict[str, Any]:
    """Return a policy that is valid where `spec` says nothing else."""
    given = yaml.safe_load(spec) if isinstance(spec, str) else spec or {}
    base: dict[str, Any] = {"subject": SUBJECT}
    if kind == "ClusterNetworkPolicy":
        base |= {"tier": "Admin", "priority": 10}
    if kind == "AdminNetworkPolicy":
        base |= {"priority": 10}
    if kind == "BaselineAdminNetworkPolicy":
        metadata.setdefault("name", "default")
    api = CLUSTER if kind == "ClusterNetworkPolicy" else ADMIN
    return document(kind, {**base, **given}, api, **metadata)


def judged(kind: str, spec: Any = None, **metadata: Any) -> list[Told]:
    return told(written(kind, spec, **metadata))


def without(kind: str, *fields: str) -> list[Told]:
    """Return what is wrong with a policy that lacks `fields`."""
    found = written(kind)
    for field in fields:
        del found["spec"][field]
    return told(found)


def rule(kind: str, fields: Any, direction: str = "egress") -> list[Told]:
    """Return what is wrong with a rule that accepts and has a peer, unless `fields` say otherwise."""
    peers = "to" if direction == "egress" else "from"
    given = yaml.safe_load(fields) if isinstance(fields, str) else fields
    whole = {"action": ACCEPTS[kind], peers: [PEER], **given}
    return [
        (code, path.removeprefix(f"spec.{direction}[0]").removeprefix("."), what)
        for code, path, what in judged(kind, {direction: [whole]})
    ]
