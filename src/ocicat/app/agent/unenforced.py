"""What was written and is not enforced, in one form: invalid objects, pods without interface, shortfalls."""

from typing import Final

import msgspec

from ocicat.engine.policy import EntityKey, EntityKind, PolicyKey
from ocicat.model import calico, clusterpolicy, kubernetes, networkpolicy
from ocicat.model.flow import HitKind
from ocicat.model.meta import Ref
from ocicat.ports.kernel import Shortfall

_GROUPS: Final = {
    HitKind.CALICO_NETWORK_POLICY: (calico.GROUP, "NetworkPolicy"),
    HitKind.NETWORK_POLICY: (networkpolicy.GROUP, "NetworkPolicy"),
    HitKind.ADMIN_NETWORK_POLICY: (clusterpolicy.GROUP, "AdminNetworkPolicy"),
    HitKind.BASELINE_ADMIN_NETWORK_POLICY: (clusterpolicy.GROUP, "BaselineAdminNetworkPolicy"),
    HitKind.CLUSTER_NETWORK_POLICY: (clusterpolicy.GROUP, "ClusterNetworkPolicy"),
}
"""Where the kind of a policy is not one of Calico's of the same name."""
_ENTITIES: Final = {
    EntityKind.WORKLOAD: (kubernetes.CORE, "Pod"),
    EntityKind.HOST: (calico.GROUP, "HostEndpoint"),
    EntityKind.NODE: (kubernetes.CORE, "Node"),
}


class Unenforced(msgspec.Struct, frozen=True, order=True):
    """Something that was written and is not, or not wholly, enforced on this node; or a warning of it."""

    ref: Ref
    reason: str
    """In words."""
    enforced: bool = False
    """Whether it is enforced as it is written all the same: then this is a warning of something else."""


def unenforced_of(shortfall: Shortfall) -> Unenforced:
    """Return a shortfall of the kernel side as one of an object."""
    found = shortfall.problem
    at = f" ({found.where.path})" if found.where.path else ""
    return Unenforced(ref_of(shortfall.subject), f"{found.code} {found.what}{at}", shortfall.enforced)


def ref_of(subject: PolicyKey | EntityKey) -> Ref:
    """Return the object that the engine knows as `subject`."""
    if isinstance(subject, PolicyKey):
        group, kind = _GROUPS.get(subject.kind, (calico.GROUP, subject.kind.value))
    elif subject.kind is EntityKind.NETWORK_SET:
        group, kind = calico.GROUP, "NetworkSet" if subject.namespace else "GlobalNetworkSet"
    else:
        group, kind = _ENTITIES[subject.kind]
    return Ref(group, kind, subject.namespace, subject.name)
