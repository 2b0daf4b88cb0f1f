"""deploy/kinds: a cluster without Calico takes the definitions, and keeps what ocicat's users write.

The embedded API server has these kinds itself; so the test gives them another group and lets it serve them
from the definitions alone.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.kubectl import NEW, Kubectl, required

ROOT = Path(__file__).resolve().parents[2]
GROUP, OTHER = "projectcalico.org", "policy.test"
NAMES = ("tiers", "catfacts-nwp", "allow-kube-dns")
PLURALS = {
    "Tier": "tiers",
    "NetworkPolicy": "networkpolicies",
    "GlobalNetworkPolicy": "globalnetworkpolicies",
}
FULL = """
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: full, namespace: default}
spec:
  tier: default
  order: 10.5
  selector: app == 'db'
  serviceAccountSelector: has(team)
  types: [Ingress, Egress]
  performanceHints: [AssumeNeededOnEveryNode]
  ingress:
    - action: Allow
      metadata: {annotations: {why: because}}
      ipVersion: 4
      protocol: TCP
      notProtocol: 17
      source: {nets: [10.0.0.0/8], notNets: [10.1.0.0/16], notSelector: a == 'b', namespaceSelector: all(),
        serviceAccounts: {names: [x], selector: all()}, notPorts: [1]}
      destination: {ports: [80, "8000:8100", http]}
      http: {methods: [GET], paths: [{exact: /a}, {prefix: /b}]}
    - action: Deny
      protocol: ICMP
      icmp: {type: 8, code: 0}
      notICMP: {type: 3}
  egress:
    - action: Pass
      destination: {services: {name: s, namespace: default}}
"""


@pytest.fixture
def kubectl(apiserver: Any, tmp_path: Path) -> Kubectl:
    return Kubectl(required(NEW), NEW, apiserver.kubeconfig, tmp_path)


def moved(text: str) -> str:
    """Return manifests under the other group, without short names, which the built-in kinds have already."""
    documents = [thing for thing in yaml.safe_load_all(text.replace(f"{GROUP}/v3", f"{OTHER}/v3")) if thing]
    for thing in documents:
        if thing["kind"] == "CustomResourceDefinition":
            thing["metadata"]["name"] = thing["metadata"]["name"].replace(GROUP, OTHER)
            thing["spec"]["group"] = OTHER
            thing["spec"]["names"].pop("shortNames", None)
    return yaml.safe_dump_all(documents)


def test_they_are_what_the_code_says() -> None:
    check = subprocess.run(
        [sys.executable, "scripts/kinds.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_a_cluster_serves_them_and_keeps_every_field(kubectl: Kubectl) -> None:
    definitions = moved(kubectl(f"kustomize {ROOT}/deploy/kinds"))
    assert len(kubectl("apply -f -", definitions).splitlines()) == 10
    kubectl("wait --for=condition=Established crd --all --timeout=30s")
    kubectl("create namespace catfacts")
    policies = [FULL, *((ROOT / "manifests" / f"{name}.yaml").read_text() for name in NAMES)]
    for thing in (thing for text in policies for thing in yaml.safe_load_all(moved(text))):
        kubectl("apply --validate=strict -f -", yaml.safe_dump(thing))
        where = f"-n {thing['metadata']['namespace']}" if "namespace" in thing["metadata"] else ""
        plural = PLURALS[thing["kind"]]
        kept = yaml.safe_load(kubectl(f"get {plural}.{OTHER} {thing['metadata']['name']} {where} -o yaml"))
        assert kept["spec"] == thing["spec"]
    assert kubectl(f"get tiers.{OTHER}").splitlines()[0].split()[:3] == ["NAME", "ORDER", "DEFAULT"]
    assert "tier" in kubectl(f"explain networkpolicies.{OTHER}.spec")


def test_what_has_the_wrong_type_is_refused(kubectl: Kubectl) -> None:
    kubectl("apply -f -", moved(kubectl(f"kustomize {ROOT}/deploy/kinds")))
    broken = moved(FULL).replace("selector: app == 'db'", "selector: [app]")
    assert "spec.selector" in kubectl.refused("apply -f -", broken)
