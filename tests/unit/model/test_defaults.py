"""Defaults. Source: spec/policy-semantics §1, §2.1, §3.1, §3.2, §3.7, §16.13."""

from typing import Any

import msgspec
import pytest

from ocicat.model.defaults import defaulted
from support.judged import ADMIN, CLUSTER, KUBERNETES, document
from support.written import decoded

NAMESPACED = ["NetworkPolicy", "StagedNetworkPolicy"]
POLICIES = [*NAMESPACED, "GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"]
STAGED = ["StagedNetworkPolicy", "StagedGlobalNetworkPolicy"]
RULE = [{"action": "Allow"}]


def complete(found: dict[str, Any]) -> Any:
    """Return the object with its defaults, as plain values."""
    return msgspec.json.decode(msgspec.json.encode(defaulted(decoded(found))))


# "no egress rules → [Ingress] (even if there are no ingress rules either); egress rules only → [Egress];
# both → [Ingress, Egress]"; by how many there are, not by whether the field is written (§16.13)
TYPES = [
    ({}, ["Ingress"]),
    ({"types": []}, ["Ingress"]),
    ({"ingress": RULE}, ["Ingress"]),
    ({"egress": RULE}, ["Egress"]),
    ({"ingress": RULE, "egress": RULE}, ["Ingress", "Egress"]),
    ({"ingress": RULE, "egress": []}, ["Ingress"]),
    ({"ingress": [], "egress": RULE}, ["Egress"]),
    ({"ingress": [], "egress": []}, ["Ingress"]),
    # … and only where there are none
    ({"egress": RULE, "types": ["Ingress"]}, ["Ingress"]),
    ({"types": ["Egress", "Ingress"]}, ["Egress", "Ingress"]),
    ({"types": ["nonsense"]}, ["nonsense"]),
]


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize(("spec", "types"), TYPES)
def test_types(kind: str, spec: dict[str, Any], types: list[str]) -> None:
    assert complete(document(kind, spec))["spec"]["types"] == types


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize(("tier", "expected"), [(None, "default"), ("", "default"), ("eng", "eng")])
def test_the_tier_and_its_label(kind: str, tier: str | None, expected: str) -> None:
    """§1: "Always set on write to the effective tier (overwrites a user value)"."""
    given = {} if tier is None else {"tier": tier}
    found = complete(document(kind, given, labels={"team": "cats", "projectcalico.org/tier": "mine"}))
    assert found["spec"]["tier"] == expected
    assert found["metadata"]["labels"] == {"team": "cats", "projectcalico.org/tier": expected}


@pytest.mark.parametrize("kind", STAGED)
@pytest.mark.parametrize(("action", "expected"), [(None, "Set"), ("", "Set"), ("Learn", "Learn")])
def test_the_staged_action(kind: str, action: str | None, expected: str) -> None:
    given = {} if action is None else {"stagedAction": action}
    assert defaulted(decoded(document(kind, given))).spec.staged_action == expected


@pytest.mark.parametrize("kind", STAGED)
@pytest.mark.parametrize("types", [(), ("Ingress",)])
def test_a_staged_deletion_gets_no_types(kind: str, types: tuple[str, ...]) -> None:
    """§3.7: "For Delete the defaulted `types` is cleared again before validation"."""
    spec = defaulted(decoded(document(kind, {"stagedAction": "Delete", "types": list(types)}))).spec
    assert (spec.types, spec.tier) == (types, "default")


@pytest.mark.parametrize(("action", "expected"), [("", "Set"), ("Delete", "Delete")])
def test_a_staged_kubernetes_policy(action: str, expected: str) -> None:
    resource = defaulted(decoded(document("StagedKubernetesNetworkPolicy", {"stagedAction": action})))
    assert (resource.spec.staged_action, resource.spec.policy_types) == (expected, ())
    assert resource.metadata.labels == {}


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, ("Ingress",)),
        ({"ingress": [{}]}, ("Ingress",)),
        ({"egress": [{}]}, ("Ingress", "Egress")),
        ({"egress": []}, ("Ingress",)),
        ({"egress": [{}], "policyTypes": ["Egress"]}, ("Egress",)),
        ({"policyTypes": []}, ("Ingress",)),
    ],
)
def test_policy_types_as_kubernetes_fills_them_in(spec: dict[str, Any], types: tuple[str, ...]) -> None:
    assert defaulted(decoded(document("NetworkPolicy", spec, KUBERNETES))).spec.policy_types == types


@pytest.mark.parametrize(("order", "expected"), [(None, 1_000_000), (0, 0), (-5.5, -5.5)])
def test_the_order_of_a_tier(order: float | None, expected: float) -> None:
    """§2.1: "We MUST apply the 1000000 substitution at load time"."""
    given = {} if order is None else {"order": order}
    spec = defaulted(decoded(document("Tier", given))).spec
    assert (spec.order, spec.default_action) == (expected, "Deny")


@pytest.mark.parametrize("kind", POLICIES)
def test_the_order_of_a_policy_stays_absent(kind: str) -> None:
    """§3.2: "null = +∞"."""
    assert defaulted(decoded(document(kind))).spec.order is None


OTHERS = [
    document("NetworkSet", {"nets": ["10.0.0.1"]}),
    document("HostEndpoint", {"node": "n"}),
    document("Profile", {"ingress": RULE}),
    document("Tier", {"order": 5, "defaultAction": "nonsense"}),
    document("ClusterNetworkPolicy", {"tier": "Admin"}, CLUSTER),
    document("AdminNetworkPolicy", {}, ADMIN),
    document("Pod", {}, "v1"),
    document("NetworkPolicy", {"policyTypes": ["Egress"]}, KUBERNETES),
]


@pytest.mark.parametrize("found", OTHERS, ids=lambda found: found["kind"])
def test_what_needs_nothing_stays_itself(found: dict[str, Any]) -> None:
    resource = decoded(found)
    assert defaulted(resource) is resource


def test_defaulting_changes_nothing_in_its_input() -> None:
    resource = decoded(document("NetworkPolicy", {"egress": RULE}, labels={"a": "b"}))
    before = msgspec.json.encode(resource)
    defaulted(resource)
    assert msgspec.json.encode(resource) == before
