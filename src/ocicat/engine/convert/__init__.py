"""Resources → the engine's form. Pure and total: what decodes is converted, or is nothing, with a Problem.

Resources come validated and with their defaults filled in; conversion repeats no check for its message's
sake. It answers one question per kind: what does this mean to the engine (`ocicat.engine.policy`)? Policies
that are written in Kubernetes' words end as the same rules as Calico's. Source: spec/policy-semantics §5, §6,
§10.
"""

from ocicat.base.problem import Problem
from ocicat.engine.convert.calico import BUILT_IN_TIERS, calico_policy, missing_tier, profile_of, tier_of
from ocicat.engine.convert.clusterpolicy import cluster_policy
from ocicat.engine.convert.entities import (
    DEFAULT_ALLOW,
    WORKLOAD_PREFIXES,
    entity_of,
    namespace_profile,
    service_account_profile,
    workload_entity,
)
from ocicat.engine.convert.networkpolicy import network_policy
from ocicat.engine.convert.services import (
    FrontPort,
    ServicePorts,
    endpoints_of,
    service_endpoints,
    service_of,
    service_ports,
)
from ocicat.engine.policy import Policy
from ocicat.model import calico, clusterpolicy
from ocicat.model.meta import Resource
from ocicat.model.networkpolicy import KubernetesNetworkPolicy

__all__ = [
    "BUILT_IN_TIERS",
    "DEFAULT_ALLOW",
    "WORKLOAD_PREFIXES",
    "FrontPort",
    "ServicePorts",
    "endpoints_of",
    "entity_of",
    "missing_tier",
    "namespace_profile",
    "policy_of",
    "profile_of",
    "service_account_profile",
    "service_endpoints",
    "service_of",
    "service_ports",
    "tier_of",
    "workload_entity",
]


def policy_of(resource: Resource) -> tuple[Policy | None, list[Problem]]:
    """Return a policy of any kind in the engine's form, with what could not be converted.

    None without a Problem: the resource is no policy, or it is a staged policy whose action is Delete (§3.7).
    None with a Problem: it has no meaning and is treated as absent. Never raises.
    """
    match resource:
        case (
            calico.NetworkPolicy()
            | calico.GlobalNetworkPolicy()
            | calico.StagedNetworkPolicy()
            | calico.StagedGlobalNetworkPolicy()
        ):
            return calico_policy(resource)
        case KubernetesNetworkPolicy() | calico.StagedKubernetesNetworkPolicy():
            return network_policy(resource)
        case (
            clusterpolicy.ClusterNetworkPolicy()
            | clusterpolicy.AdminNetworkPolicy()
            | clusterpolicy.BaselineAdminNetworkPolicy()
        ):
            return cluster_policy(resource)
        case _:
            return None, []
