"""A made-up cluster of any size, from a seed: namespaces of some fifty pods, a dozen apps in each.

Policies are of the kinds that people write: most are a namespace's own (Calico's and Kubernetes'), some are
cluster-wide in a security tier, some name networks.
"""

import random
from collections.abc import Iterator
from typing import Any

APPS = ("web", "api", "db", "cache", "queue", "auth", "cart", "mail", "search", "stats", "admin", "batch")
PODS_PER_NAMESPACE = 50
PORTS = (80, 443, 3306, 5432, 6379, 8080, 8443, 9090)

Document = dict[str, Any]


def namespace_count(pods: int) -> int:
    """Return how many namespaces hold that many pods."""
    return max(2, pods // PODS_PER_NAMESPACE)


def namespaces(pods: int) -> Iterator[Document]:
    """Yield the namespaces."""
    for number in range(namespace_count(pods)):
        labels = {"team": f"team-{number % 7}", "env": ("prod", "stage")[number % 2]}
        yield {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": f"ns-{number}", "labels": labels},
        }


def pod(number: int, pods: int, seed: int = 1) -> Document:
    """Return one pod, as a cluster would hold it."""
    chosen = random.Random(f"pod {seed} {number}")
    space = f"ns-{number % namespace_count(pods)}"
    app = chosen.choice(APPS)
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{app}-{number}",
            "generateName": f"{app}-",
            "namespace": space,
            "labels": {
                "app": app,
                "version": f"v{chosen.randrange(3)}",
                "pod-template-hash": f"{chosen.randrange(1 << 30):x}",
            },
        },
        "spec": {
            "nodeName": f"node-{number % 100}",
            "serviceAccountName": "default",
            "containers": [
                {
                    "name": "main",
                    "image": "x",
                    "ports": [{"name": "http", "containerPort": chosen.choice(PORTS)}],
                }
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}, {"ip": f"fd00::{number + 1:x}"}],
        },
    }


def tiers() -> Iterator[Document]:
    """Yield the tiers."""
    for name, order in (("security", 100), ("platform", 200)):
        yield {
            "apiVersion": "projectcalico.org/v3",
            "kind": "Tier",
            "metadata": {"name": name},
            "spec": {"order": order},
        }


def policy(number: int, pods: int, seed: int = 1) -> Document:
    """Return one policy."""
    chosen = random.Random(f"policy {seed} {number}")
    space = f"ns-{chosen.randrange(namespace_count(pods))}"
    app, peer, port = chosen.choice(APPS), chosen.choice(APPS), chosen.choice(PORTS)
    kind = chosen.random()
    if kind < 0.3:
        return _kubernetes_policy(number, space, app, peer, port)
    if kind < 0.9:
        return _calico_policy(number, space, app, peer, port, chosen)
    return _global_policy(number, peer, port, chosen)


def _kubernetes_policy(number: int, space: str, app: str, peer: str, port: int) -> Document:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"p-{number}", "namespace": space},
        "spec": {
            "podSelector": {"matchLabels": {"app": app}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"podSelector": {"matchLabels": {"app": peer}}}],
                    "ports": [{"protocol": "TCP", "port": port}],
                }
            ],
        },
    }


def _calico_policy(
    number: int, space: str, app: str, peer: str, port: int, chosen: random.Random
) -> Document:
    network = f"203.{chosen.randrange(256)}.0.0/16"
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"p-{number}", "namespace": space},
        "spec": {
            "order": chosen.randrange(1000),
            "selector": f"app == '{app}'",
            "types": ["Ingress", "Egress"],
            "ingress": [
                {
                    "action": "Allow",
                    "protocol": "TCP",
                    "source": {"selector": f"app == '{peer}' && version != 'v9'"},
                    "destination": {"ports": [port, "http"]},
                },
                {"action": "Deny", "protocol": "TCP", "source": {"nets": [network]}},
            ],
            "egress": [
                {
                    "action": "Allow",
                    "protocol": "TCP",
                    "destination": {"selector": f"app in {{'{peer}', 'db'}}", "ports": [port]},
                },
                {"action": "Pass"},
            ],
        },
    }


def _global_policy(number: int, peer: str, port: int, chosen: random.Random) -> Document:
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "GlobalNetworkPolicy",
        "metadata": {"name": f"p-{number}"},
        "spec": {
            "tier": chosen.choice(("security", "platform")),
            "order": chosen.randrange(1000),
            "namespaceSelector": f"team == 'team-{chosen.randrange(7)}'",
            "selector": f"app == '{chosen.choice(APPS)}'",
            "types": ["Ingress"],
            "ingress": [
                {
                    "action": "Deny",
                    "protocol": "TCP",
                    "source": {"selector": f"app == '{peer}'", "namespaceSelector": "env == 'stage'"},
                    "destination": {"ports": [port]},
                },
                {"action": "Pass"},
            ],
        },
    }
