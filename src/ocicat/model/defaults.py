"""What the API server fills in before it looks whether an object is valid.

Source: spec/policy-semantics §3.1 (steps 2 and 5), §3.2 and §16.13 (`types`), §2.1 (a tier's null order),
§3.7 (`stagedAction`), §1 (the tier label). Kubernetes NetworkPolicies get the policyTypes that kube-apiserver
gives them.
"""

from typing import Final, TypeAlias

import msgspec

from ocicat.model.calico import (
    GlobalNetworkPolicy,
    NetworkPolicy,
    NetworkPolicySpec,
    StagedGlobalNetworkPolicy,
    StagedGlobalNetworkPolicySpec,
    StagedKubernetesNetworkPolicy,
    StagedNetworkPolicy,
    StagedNetworkPolicySpec,
    Tier,
)
from ocicat.model.meta import ObjectMeta, Resource
from ocicat.model.networkpolicy import KubernetesNetworkPolicy

TieredPolicy: TypeAlias = (
    NetworkPolicy | GlobalNetworkPolicy | StagedNetworkPolicy | StagedGlobalNetworkPolicy
)
"""The kinds whose `spec.tier` says where they belong."""

DEFAULT_TIER: Final = "default"
DEFAULT_TIER_ORDER: Final = 1_000_000.0
"""The order of the tier `default`, and of a tier without one."""
TIER_LABEL: Final = "projectcalico.org/tier"
"""Calico writes it on every policy, over whatever the user put there: so a tier's policies can be listed."""
SET: Final = "Set"
DELETE: Final = "Delete"


def defaulted(resource: Resource) -> Resource:
    """Return `resource` with its defaults filled in; `resource` itself where its kind has none.

    `types` depend on how many rules there are, never on whether an empty list is written (§16.13). A staged
    policy with the action Delete keeps its `types` as they are, since its spec must be empty (§3.7).
    Idempotent. Never raises.
    """
    match resource:
        case NetworkPolicy() | GlobalNetworkPolicy() | StagedNetworkPolicy() | StagedGlobalNetworkPolicy():
            return _policy(resource)
        case StagedKubernetesNetworkPolicy():
            return _with_spec(resource, staged_action=resource.spec.staged_action or SET)
        case KubernetesNetworkPolicy():
            return _kubernetes(resource)
        case Tier() if resource.spec.order is None:
            return _with_spec(resource, order=DEFAULT_TIER_ORDER)
        case _:
            return resource


def _policy(policy: TieredPolicy) -> Resource:
    spec: NetworkPolicySpec = policy.spec
    tier = spec.tier or DEFAULT_TIER
    changes: dict[str, object] = {"tier": tier}
    deletion = False
    if isinstance(spec, StagedNetworkPolicySpec | StagedGlobalNetworkPolicySpec):
        changes["staged_action"] = spec.staged_action or SET
        deletion = spec.staged_action == DELETE
    if not spec.types and not deletion:
        changes["types"] = _types(ingress=bool(spec.ingress), egress=bool(spec.egress))
    return msgspec.structs.replace(_with_spec(policy, **changes), metadata=_labelled(policy.metadata, tier))


def _types(*, ingress: bool, egress: bool) -> tuple[str, ...]:
    if ingress and egress:
        return ("Ingress", "Egress")
    return ("Egress",) if egress else ("Ingress",)


def _labelled(metadata: ObjectMeta, tier: str) -> ObjectMeta:
    return msgspec.structs.replace(metadata, labels={**metadata.labels, TIER_LABEL: tier})


def _kubernetes(policy: KubernetesNetworkPolicy) -> Resource:
    if policy.spec.policy_types:
        return policy
    types = ("Ingress", "Egress") if policy.spec.egress else ("Ingress",)
    return _with_spec(policy, policy_types=types)


def _with_spec(
    resource: TieredPolicy | StagedKubernetesNetworkPolicy | KubernetesNetworkPolicy | Tier, **changes: object
) -> Resource:
    return msgspec.structs.replace(resource, spec=msgspec.structs.replace(resource.spec, **changes))
