"""A hub that lets in the users of a cluster: tokens and roles of our own API server. Source: adr/0012."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import msgspec
import pytest

from ocicat.cluster.client import connect
from support.hub import RealHub, denied_record, flow_record
from support.hubcluster import CALICO, fill
from support.kubectl import start

RBAC = "rbac.authorization.k8s.io/v1"
SHARED = {
    "apiVersion": RBAC,
    "kind": "ClusterRole",
    "metadata": {"name": "shared-policies"},
    "rules": [{"apiGroups": ["projectcalico.org"], "resources": ["*"], "verbs": ["get", "list"]}],
}


def binding(role: str, account: str, namespace: str = "") -> dict[str, Any]:
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    return {
        "apiVersion": RBAC,
        "kind": kind,
        "metadata": {"name": f"{account}-{role}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "catfacts"}],
    }


async def tokens(kubeconfig: Path) -> dict[str, str]:
    """Make accounts that see all, catfacts only, and nothing; return their tokens."""
    client, rbac, here = connect(str(kubeconfig)), f"/apis/{RBAC}", "/api/v1/namespaces/catfacts"
    try:
        await client.post(f"{rbac}/clusterroles", SHARED)
        for role in ("view", "shared-policies"):
            await client.post(f"{rbac}/clusterrolebindings", binding(role, "auditor"))
        viewer = binding("view", "viewer", "catfacts")
        await client.post(f"{rbac}/namespaces/catfacts/rolebindings", viewer)
        found = {}
        for account in ("auditor", "viewer", "stranger"):
            meta = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
            await client.post(f"{here}/serviceaccounts", meta)
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            said = await client.post(f"{here}/serviceaccounts/{account}/token", request)
            found[account] = str(msgspec.json.decode(said)["status"]["token"])
        return found
    finally:
        await client.close()


class Exposed:
    """A hub of a cluster, as its users ask it."""

    def __init__(self, hub: RealHub, tokens: dict[str, str]) -> None:
        self.hub = hub
        self.tokens = tokens

    def get(self, account: str, path: str, **query: str) -> Any:
        answer = self.ask(account, path, **query)
        answer.raise_for_status()
        return answer.json()

    def ask(self, account: str, path: str, **query: str) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[account]}"}
        return httpx.get(f"{self.hub.url}{path}", headers=headers, params=query, trust_env=False, timeout=30)


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    server = start(tmp_path_factory.mktemp("state"))
    try:
        asyncio.run(fill(server.kubeconfig))
        found = asyncio.run(tokens(server.kubeconfig))
        folder = tmp_path_factory.mktemp("hub")
        hub = RealHub(folder, "--kubeconfig", str(server.kubeconfig), "--auth", "kubernetes")
        try:
            elsewhere = flow_record("worker", "db", 1)
            shop = msgspec.structs.replace(elsewhere.key, source_namespace="shop", dest_namespace="shop")
            hub.push([flow_record(), denied_record(), msgspec.structs.replace(elsewhere, key=shop)])
            made = Exposed(hub, found)
            deadline = time.monotonic() + 30
            while not made.get("auditor", "/api/v1/policies")["tiers"] and time.monotonic() < deadline:
                time.sleep(0.1)
            yield made
        finally:
            hub.stop()
    finally:
        server.stop()


def test_each_account_sees_the_flows_of_its_namespaces(exposed: Exposed) -> None:
    seen = {account: len(exposed.get(account, "/api/v1/flows")["items"]) for account in exposed.tokens}
    assert seen == {"auditor": 3, "viewer": 2, "stranger": 0}
    who = exposed.get("viewer", "/api/v1/session")
    assert who["user"] == "system:serviceaccount:catfacts:viewer"
    assert (who["all_namespaces"], who["namespaces"]) == (False, ["catfacts"])
    assert exposed.get("auditor", "/api/v1/session")["all_namespaces"]


def test_policies_without_namespace_judge_everybody_but_not_everybody_reads_them(exposed: Exposed) -> None:
    boards = {
        account: {
            card["ref"]["name"]: card
            for tier in exposed.get(account, "/api/v1/policies")["tiers"]
            for card in tier["policies"]
        }
        for account in exposed.tokens
    }
    assert boards["auditor"].keys() == boards["viewer"].keys() == {"facts", "default-deny"}
    assert boards["stranger"].keys() == {"default-deny"}
    assert "Deny" in boards["viewer"]["facts"]["yaml"]
    assert CALICO in boards["auditor"]["default-deny"]["yaml"]
    for account in ("viewer", "stranger"):
        hidden = boards[account]["default-deny"]
        assert (hidden["yaml"], hidden["selector"], hidden["selects"]) == ("", "", "")
    assert boards["stranger"]["default-deny"]["selected"] == []


def test_walks_and_pods_of_namespaces_that_may_not_be_seen_are_not_told(exposed: Exposed) -> None:
    [denied] = exposed.get("viewer", "/api/v1/flows", q="action=Deny")["items"]
    details = exposed.get("viewer", f"/api/v1/flows/{denied['id']}")
    assert details["ingress"]["verdict"] == "Deny"
    assert [pod["name"] for pod in details["dest"]["pods"]] == ["facts-7c9d5f-abcde"]
    assert exposed.ask("stranger", f"/api/v1/flows/{denied['id']}").status_code == 404
    assert exposed.get("stranger", "/api/v1/endpoints")["endpoints"] == []
    assert len(exposed.get("viewer", "/api/v1/endpoints")["endpoints"]) == 3


def test_who_has_no_token_of_the_cluster_is_not_let_in(exposed: Exposed) -> None:
    assert httpx.get(f"{exposed.hub.url}/api/v1/flows", trust_env=False).status_code == 401
    assert httpx.get(f"{exposed.hub.url}/healthz", trust_env=False).status_code == 200
    logged_in = httpx.post(
        f"{exposed.hub.url}/login", json={"token": exposed.tokens["viewer"]}, trust_env=False
    )
    assert logged_in.status_code == 204
    cookies = {"Cookie": logged_in.headers["Set-Cookie"].partition(";")[0]}
    found = httpx.get(f"{exposed.hub.url}/api/v1/flows", headers=cookies, trust_env=False).json()
    assert len(found["items"]) == 2
