"""Which kinds ocicat reads: group, versions, scope and struct. One table for loader, agent and API server."""

from typing import Final

import msgspec

from ocicat.model import calico, clusterpolicy, kubernetes, networkpolicy
from ocicat.model.meta import Resource


class Kind(msgspec.Struct, frozen=True):
    """One kind that ocicat reads."""

    group: str
    versions: tuple[str, ...]
    """The versions that are read, the preferred one first."""
    kind: str
    plural: str
    namespaced: bool
    struct: type[Resource]
    policy: bool = False
    """Whether ocicat models every field of it, so that an unknown field is worth a warning."""

    @property
    def api_version(self) -> str:
        """Return `group/version` with the preferred version."""
        return f"{self.group}/{self.versions[0]}" if self.group else self.versions[0]


def _calico(struct: type[Resource], plural: str, *, namespaced: bool) -> Kind:
    return Kind(calico.GROUP, ("v3",), struct.__name__, plural, namespaced, struct, policy=True)


def _kubernetes(group: str, struct: type[Resource], plural: str, *, namespaced: bool = True) -> Kind:
    return Kind(group, ("v1",), struct.__name__, plural, namespaced, struct)


def _cluster_policy(struct: type[Resource], plural: str, version: str) -> Kind:
    return Kind(clusterpolicy.GROUP, (version,), struct.__name__, plural, False, struct, policy=True)


KINDS: Final[tuple[Kind, ...]] = (
    _calico(calico.Tier, "tiers", namespaced=False),
    _calico(calico.NetworkPolicy, "networkpolicies", namespaced=True),
    _calico(calico.GlobalNetworkPolicy, "globalnetworkpolicies", namespaced=False),
    _calico(calico.StagedNetworkPolicy, "stagednetworkpolicies", namespaced=True),
    _calico(calico.StagedGlobalNetworkPolicy, "stagedglobalnetworkpolicies", namespaced=False),
    _calico(calico.StagedKubernetesNetworkPolicy, "stagedkubernetesnetworkpolicies", namespaced=True),
    _calico(calico.NetworkSet, "networksets", namespaced=True),
    _calico(calico.GlobalNetworkSet, "globalnetworksets", namespaced=False),
    _calico(calico.HostEndpoint, "hostendpoints", namespaced=False),
    _calico(calico.Profile, "profiles", namespaced=False),
    Kind(
        networkpolicy.GROUP,
        ("v1",),
        "NetworkPolicy",
        "networkpolicies",
        True,
        networkpolicy.KubernetesNetworkPolicy,
        policy=True,
    ),
    _cluster_policy(clusterpolicy.ClusterNetworkPolicy, "clusternetworkpolicies", "v1alpha2"),
    _cluster_policy(clusterpolicy.AdminNetworkPolicy, "adminnetworkpolicies", "v1alpha1"),
    _cluster_policy(clusterpolicy.BaselineAdminNetworkPolicy, "baselineadminnetworkpolicies", "v1alpha1"),
    _kubernetes(kubernetes.CORE, kubernetes.Namespace, "namespaces", namespaced=False),
    _kubernetes(kubernetes.CORE, kubernetes.Pod, "pods"),
    _kubernetes(kubernetes.CORE, kubernetes.ServiceAccount, "serviceaccounts"),
    _kubernetes(kubernetes.CORE, kubernetes.Service, "services"),
    _kubernetes(kubernetes.CORE, kubernetes.Node, "nodes", namespaced=False),
    _kubernetes(kubernetes.DISCOVERY, kubernetes.EndpointSlice, "endpointslices"),
    _kubernetes(kubernetes.APPS, kubernetes.Deployment, "deployments"),
    _kubernetes(kubernetes.APPS, kubernetes.ReplicaSet, "replicasets"),
    _kubernetes(kubernetes.APPS, kubernetes.StatefulSet, "statefulsets"),
    _kubernetes(kubernetes.APPS, kubernetes.DaemonSet, "daemonsets"),
    _kubernetes(kubernetes.BATCH, kubernetes.Job, "jobs"),
    _kubernetes(kubernetes.BATCH, kubernetes.CronJob, "cronjobs"),
)

_BY_NAME: Final = {(kind.group, kind.kind): kind for kind in KINDS}


def kind_of(group: str, kind: str) -> Kind | None:
    """Return the kind, or None where ocicat does not read it."""
    return _BY_NAME.get((group, kind))
