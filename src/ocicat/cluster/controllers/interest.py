"""Which objects a change of another concerns: who has to be looked at again when something moves."""

from collections.abc import Iterator

from ocicat.cluster.controllers.actions import Thing
from ocicat.cluster.controllers.endpoints import SERVICE_NAME
from ocicat.cluster.controllers.known import WATCHED, Known
from ocicat.cluster.controllers.things import is_going, labels_of, name_of, namespace_of, spec_of
from ocicat.cluster.resources.claims import claim_names


def interested(known: Known, thing: Thing) -> Iterator[Thing]:
    """Yield the objects that a change of `thing` concerns, itself apart."""
    yield from _owners(known, thing)
    match thing["kind"]:
        case "Pod":
            yield from _services_of(known, thing)
        case "EndpointSlice":
            yield from _one(known, "Service", namespace_of(thing), labels_of(thing).get(SERVICE_NAME, ""))
        case "Endpoints":
            yield from _one(known, "Service", namespace_of(thing), name_of(thing))
        case "PersistentVolumeClaim":
            yield from (
                pod
                for pod in known.all("Pod", namespace_of(thing))
                if name_of(thing) in claim_names(pod) and not spec_of(pod).get("nodeName")
            )
        case "ClusterRole":
            yield from (role for role in known.all("ClusterRole") if role.get("aggregationRule"))
        case "ServiceAccount" | "ConfigMap":
            yield from _one(known, "Namespace", "", namespace_of(thing))
        case "Node":
            yield from known.all("DaemonSet")
            yield from (pod for pod in known.all("Pod") if not spec_of(pod).get("nodeName"))
        case _:
            pass


def _owners(known: Known, thing: Thing) -> Iterator[Thing]:
    """Its controller acts on it; an owner that is going waits for it."""
    for reference in thing["metadata"].get("ownerReferences") or ():
        if reference.get("kind") in WATCHED:
            namespace = namespace_of(thing) if WATCHED[reference["kind"]].namespaced else ""
            for owner in _one(known, reference["kind"], namespace, reference["name"]):
                if reference.get("controller") or is_going(owner):
                    yield owner


def _services_of(known: Known, pod: Thing) -> Iterator[Thing]:
    for service in known.all("Service", namespace_of(pod)):
        selector = spec_of(service).get("selector") or {}
        if selector and selector.items() <= labels_of(pod).items():
            yield service


def _one(known: Known, kind: str, namespace: str, name: str) -> Iterator[Thing]:
    found = known.get(kind, namespace, name)
    if found is not None:
        yield found
