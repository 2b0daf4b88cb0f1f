"""The catfacts application with its policies, put into an API server, for hubs that follow it."""

from pathlib import Path
from typing import Any

from ocicat.cluster.client import connect

CALICO = "projectcalico.org/v3"
TIER = {
    "apiVersion": CALICO,
    "kind": "Tier",
    "metadata": {"name": "application-catfacts"},
    "spec": {"order": 100, "defaultAction": "Deny"},
}
FACTS = {
    "apiVersion": CALICO,
    "kind": "NetworkPolicy",
    "metadata": {"name": "application-catfacts.facts", "namespace": "catfacts"},
    "spec": {
        "tier": "application-catfacts",
        "order": 10,
        "selector": "app == 'facts'",
        "types": ["Ingress"],
        "ingress": [
            {"action": "Allow", "protocol": "TCP", "destination": {"ports": [8080]}},
            {"action": "Deny", "protocol": "TCP", "destination": {"ports": [80]}},
        ],
    },
}
STAGED_DENY = {
    "apiVersion": CALICO,
    "kind": "StagedGlobalNetworkPolicy",
    "metadata": {"name": "default-deny"},
    "spec": {
        "tier": "default",
        "selector": "projectcalico.org/namespace == 'catfacts'",
        "types": ["Ingress"],
    },
}


def pod(app: str, address: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{app}-7c9d5f-abcde",
            "generateName": f"{app}-7c9d5f-",
            "namespace": "catfacts",
            "labels": {"app": app},
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i:1"}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }


async def fill(kubeconfig: Path) -> None:
    """Create the catfacts application, its policies, and pods with addresses."""
    client = connect(str(kubeconfig))
    calico, core = f"/apis/{CALICO}", "/api/v1/namespaces"
    try:
        await client.post(core, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "catfacts"}})
        await client.post(f"{calico}/tiers", TIER)
        await client.post(f"{calico}/namespaces/catfacts/networkpolicies", FACTS)
        await client.post(f"{calico}/stagedglobalnetworkpolicies", STAGED_DENY)
        for app, address in (("worker", "10.65.0.7"), ("facts", "10.65.0.8"), ("db", "10.65.0.9")):
            made = pod(app, address)
            await client.post(f"{core}/catfacts/pods", made)
            path = f"{core}/catfacts/pods/{made['metadata']['name']}/status"
            await client.patch(path, {"status": made["status"]})
    finally:
        await client.close()
