"""`Known`: what the watches have told of the cluster, as controllers look at it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.controllers.actions import Action, Thing
from ocicat.cluster.controllers.things import is_controlled_by, name_of, namespace_of
from ocicat.model.kinds import Kind
from ocicat.model.meta import Resource


class Raw(Resource, frozen=True):
    """An object as plain values, for kinds whose every field may matter."""

    body: Mapping[str, Any] = msgspec.field(default_factory=dict)


def _kind(group: str, version: str, kind: str, plural: str, *, namespaced: bool = True) -> Kind:
    return Kind(group, (version,), kind, plural, namespaced, Raw)


WATCHED: Final[dict[str, Kind]] = {
    kind.kind: kind
    for kind in (
        _kind("", "v1", "Namespace", "namespaces", namespaced=False),
        _kind("", "v1", "Node", "nodes", namespaced=False),
        _kind("", "v1", "Pod", "pods"),
        _kind("", "v1", "Service", "services"),
        _kind("", "v1", "ServiceAccount", "serviceaccounts"),
        _kind("", "v1", "ConfigMap", "configmaps"),
        _kind("", "v1", "Endpoints", "endpoints"),
        _kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        _kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
        _kind("coordination.k8s.io", "v1", "Lease", "leases"),
        _kind("apps", "v1", "Deployment", "deployments"),
        _kind("apps", "v1", "ReplicaSet", "replicasets"),
        _kind("apps", "v1", "StatefulSet", "statefulsets"),
        _kind("apps", "v1", "DaemonSet", "daemonsets"),
        _kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
        _kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
        _kind("batch", "v1", "Job", "jobs"),
        _kind("batch", "v1", "CronJob", "cronjobs"),
    )
}
"""The kinds that controllers follow, by name; no two groups here share one."""


class Seen(msgspec.Struct, frozen=True, order=True):
    """The identity of an object that is followed."""

    kind: str
    namespace: str
    name: str


def seen(thing: Thing) -> Seen:
    """Return the identity of an object."""
    return Seen(thing["kind"], namespace_of(thing), name_of(thing))


class Known:
    """Objects by kind and name. Answers of writes are entered too, so that nothing is done twice."""

    def __init__(self) -> None:
        """Know nothing."""
        self._things: dict[str, dict[tuple[str, str], Thing]] = {kind: {} for kind in WATCHED}

    def put(self, thing: Thing) -> bool:
        """Enter an object unless a later revision of it is known; tell whether it was entered."""
        things = self._things.get(thing["kind"])
        if things is None:
            return False
        key = (namespace_of(thing), name_of(thing))
        old = things.get(key)
        if old is not None and _is_older(thing, old):
            return False
        things[key] = thing
        return True

    def drop(self, what: Seen) -> Thing | None:
        """Forget an object, and return it."""
        return self._things[what.kind].pop((what.namespace, what.name), None)

    def get(self, kind: str, namespace: str, name: str) -> Thing | None:
        """Return an object, or None."""
        return self._things[kind].get((namespace, name))

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Thing]:
        """Yield the objects of a kind, of one namespace or of all, by namespace and name."""
        for (space, _), thing in sorted(self._things[kind].items(), key=lambda item: item[0]):
            if namespace is None or space == namespace:
                yield thing

    def controlled(self, kind: str, owner: Thing) -> list[Thing]:
        """Return the objects of a kind whose controller is `owner`."""
        return [thing for thing in self.all(kind, namespace_of(owner)) if is_controlled_by(thing, owner)]

    def each(self) -> Iterator[Thing]:
        """Yield everything."""
        for things in self._things.values():
            yield from things.values()


def _is_older(new: Thing, old: Thing) -> bool:
    """Tell whether `new` is an earlier state. Our revisions are decimal (kubernetes-api §4)."""
    if new["metadata"].get("uid") != old["metadata"].get("uid"):
        return False
    revisions = [thing["metadata"].get("resourceVersion", "") for thing in (new, old)]
    return all(map(str.isdecimal, revisions)) and int(revisions[0]) < int(revisions[1])


Reconcile = Callable[[Known, Thing, int], list[Action]]
"""(what is known, the object, nanoseconds since 1970) → what to write."""
