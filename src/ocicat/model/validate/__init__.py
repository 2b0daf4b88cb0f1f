"""Is what a user wrote valid? Every mistake of an object at once, each with its place and its fix.

One module per idea: `metadata` (names, labels); `rules` with `ports`, `nets`, `entities`, `selectors` and
`http`; `policies`, `tiers`, `networksets`, `hostendpoints`, `profiles` for Calico's kinds; `networkpolicy`,
`clusterpolicy` and `core` for Kubernetes'; `together` for what shows only between objects. Objects are judged
as the API server judges them, after `ocicat.model.defaults` (spec/policy-semantics §3.1).
"""

from typing import Final

import msgspec

from ocicat.base.problem import Problem, Severity
from ocicat.model import calico, clusterpolicy
from ocicat.model.codes import CODES
from ocicat.model.meta import Resource
from ocicat.model.networkpolicy import KubernetesNetworkPolicy
from ocicat.model.positions import Path
from ocicat.model.validate.clusterpolicy import cluster_policy
from ocicat.model.validate.core import core
from ocicat.model.validate.finding import Finding, Findings, Locate
from ocicat.model.validate.hostendpoints import host_endpoint
from ocicat.model.validate.message import calico_error_text
from ocicat.model.validate.metadata import metadata
from ocicat.model.validate.networkpolicy import network_policy, staged_network_policy
from ocicat.model.validate.networksets import network_set
from ocicat.model.validate.policies import policy
from ocicat.model.validate.profiles import profile
from ocicat.model.validate.tiers import tier
from ocicat.model.validate.together import validate_together

__all__ = ["Locate", "calico_error_text", "validate", "validate_together"]

MAX_PROBLEMS: Final = 1000
"""Of one object. A list of a million slips of one kind is told well enough by a thousand of them."""


def validate(resource: Resource, where: Locate) -> list[Problem]:
    """Return everything that is wrong with `resource`: its metadata first, then the fields of its spec.

    Args:
        resource: With its defaults filled in.
        where: Tells where a path of the object is written; asked only for what is wrong.

    Never raises for any resource that decodes. Past `MAX_PROBLEMS` the rest is counted, not told. Cost:
    linear in the size of the object.
    """
    found: dict[tuple[str, Path, str], Finding] = {}
    untold = 0
    valid = True
    for finding in _findings(resource):
        is_error = CODES[finding.code].severity is Severity.ERROR
        if len(found) < MAX_PROBLEMS or (is_error and valid):  # warnings must not hide that there is an error
            found.setdefault((finding.code, finding.path, finding.what), finding)
            valid = valid and not is_error
        else:
            untold += 1
    problems = [finding.problem(where) for finding in found.values()]
    if untold:
        last = problems.pop()
        problems.append(msgspec.structs.replace(last, what=f"{last.what} (and {untold} more in this object)"))
    return problems


def _findings(resource: Resource) -> Findings:
    yield from metadata(resource)
    match resource:
        case (
            calico.NetworkPolicy()
            | calico.GlobalNetworkPolicy()
            | calico.StagedNetworkPolicy()
            | calico.StagedGlobalNetworkPolicy()
        ):
            yield from policy(resource)
        case calico.StagedKubernetesNetworkPolicy():
            yield from staged_network_policy(resource)
        case calico.Tier():
            yield from tier(resource)
        case calico.NetworkSet() | calico.GlobalNetworkSet():
            yield from network_set(resource)
        case calico.HostEndpoint():
            yield from host_endpoint(resource)
        case calico.Profile():
            yield from profile(resource)
        case KubernetesNetworkPolicy():
            yield from network_policy(resource)
        case (
            clusterpolicy.ClusterNetworkPolicy()
            | clusterpolicy.AdminNetworkPolicy()
            | clusterpolicy.BaselineAdminNetworkPolicy()
        ):
            yield from cluster_policy(resource)
        case _:
            yield from core(resource)
