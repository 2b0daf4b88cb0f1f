"""Services → EndpointSlices and Endpoints: the ready pods that a selector chooses, with their ports."""

from typing import Final

from ocicat.cluster.controllers.actions import Action, Change, Create, Remove, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.things import (
    is_finished,
    is_going,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    owned,
    spec_of,
    status_of,
)

SERVICE_NAME: Final = "kubernetes.io/service-name"
MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"
FAMILIES: Final = (("IPv4", "."), ("IPv6", ":"))
"""Address types with what tells their addresses apart."""


def reconcile(known: Known, service: Thing, now_ns: int) -> list[Action]:
    """Return the slices and Endpoints to write. A Service without selector has those that somebody wrote."""
    selector = spec_of(service).get("selector")
    if is_going(service) or not selector or spec_of(service).get("type") == "ExternalName":
        return []
    pods = [
        pod
        for pod in known.all("Pod", namespace_of(service))
        if selector.items() <= labels_of(pod).items() and _addresses(pod) and not is_finished(pod)
    ]
    actions: list[Action] = []
    for family, mark in FAMILIES:
        if family in spec_of(service).get("ipFamilies", ["IPv4"]):
            actions += _slices(known, service, pods, family, mark)
    return actions + _endpoints(known, service, pods)


def _slices(known: Known, service: Thing, pods: list[Thing], family: str, mark: str) -> list[Action]:
    """One slice for each set of port numbers: a named target port may differ from pod to pod."""
    wanted: list[tuple[list[Thing], list[Thing]]] = []
    for numbers, chosen in _by_ports(service, pods).items():
        endpoints = [item for pod in chosen if (item := _endpoint(service, pod, mark)) is not None]
        if endpoints:
            wanted.append((_slice_ports(service, numbers), endpoints))
    if not wanted:
        wanted = [([], [])]
    existing = [
        item
        for item in known.all("EndpointSlice", namespace_of(service))
        if labels_of(item).get(SERVICE_NAME) == name_of(service)
        and labels_of(item).get(MANAGED_BY) == MANAGER
        and item.get("addressType") == family
        and not is_going(item)
    ]
    actions: list[Action] = []
    for number, (ports, endpoints) in enumerate(wanted):
        if number >= len(existing):
            actions.append(Create(_slice(service, family, ports, endpoints)))
        elif (existing[number].get("endpoints") or [], existing[number].get("ports") or []) != (
            endpoints,
            ports,
        ):
            actions.append(Change(existing[number], {"endpoints": endpoints, "ports": ports}))
    return actions + [Remove(item) for item in existing[len(wanted) :]]


def _by_ports(service: Thing, pods: list[Thing]) -> dict[tuple[int | None, ...], list[Thing]]:
    found: dict[tuple[int | None, ...], list[Thing]] = {}
    for pod in pods:
        numbers = tuple(target_port(port, pod) for port in spec_of(service).get("ports") or ())
        found.setdefault(numbers, []).append(pod)
    return found


def target_port(port: Thing, pod: Thing) -> int | None:
    """Return the port of a pod that a port of a Service means; None where the pod declares no such name."""
    target: int | str = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in spec_of(pod).get("containers") or ():
        for declared in container.get("ports") or ():
            same = declared.get("protocol", "TCP") == port.get("protocol", "TCP")
            if declared.get("name") == target and same:
                return int(declared["containerPort"])
    return int(target) if str(target).isdecimal() else None


def _slice_ports(service: Thing, numbers: tuple[int | None, ...]) -> list[Thing]:
    return [
        {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": number}
        for port, number in zip(spec_of(service).get("ports") or (), numbers, strict=True)
        if number is not None
    ]


def _endpoint(service: Thing, pod: Thing, mark: str) -> Thing | None:
    address = next((address for address in _addresses(pod) if mark in address), None)
    if address is None:
        return None
    serving = is_ready(pod)
    ready = (serving and not is_going(pod)) or bool(spec_of(service).get("publishNotReadyAddresses"))
    endpoint: Thing = {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": serving, "terminating": is_going(pod)},
        "targetRef": _target(pod),
    }
    if node := spec_of(pod).get("nodeName"):
        endpoint["nodeName"] = node
    if hostname := _hostname(service, pod):
        endpoint["hostname"] = hostname
    return endpoint


def _hostname(service: Thing, pod: Thing) -> str:
    spec = spec_of(pod)
    return str(spec.get("hostname", "")) if spec.get("subdomain") == name_of(service) else ""


def _target(pod: Thing) -> Thing:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata.get("uid", ""),
    }


def _addresses(pod: Thing) -> list[str]:
    status = status_of(pod)
    found = [item["ip"] for item in status.get("podIPs") or () if item.get("ip")]
    return found or ([status["podIP"]] if status.get("podIP") else [])


def _slice(service: Thing, family: str, ports: list[Thing], endpoints: list[Thing]) -> Thing:
    labels = {**labels_of(service), SERVICE_NAME: name_of(service), MANAGED_BY: MANAGER}
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"generateName": f"{name_of(service)}-", "labels": labels},
        "addressType": family,
        "endpoints": endpoints,
        "ports": ports,
    }
    return owned(body, service)


def _endpoints(known: Known, service: Thing, pods: list[Thing]) -> list[Action]:
    """The older form, which clients before 1.31 read: IPv4 only, ready and not ready apart."""
    subsets = []
    for numbers, chosen in _by_ports(service, pods).items():
        subset: Thing = {}
        for pod in chosen:
            endpoint = _endpoint(service, pod, ".")
            if endpoint is None or (is_going(pod) and not endpoint["conditions"]["ready"]):
                continue
            place = "addresses" if endpoint["conditions"]["ready"] else "notReadyAddresses"
            entry = {"ip": endpoint["addresses"][0], "targetRef": endpoint["targetRef"]}
            subset.setdefault(place, []).append(
                entry | {k: endpoint[k] for k in ("nodeName",) if k in endpoint}
            )
        if subset:
            ports = _slice_ports(service, numbers)
            subset["ports"] = [{key: value for key, value in port.items() if value != ""} for port in ports]
            subsets.append(subset)
    existing = known.get("Endpoints", namespace_of(service), name_of(service))
    if existing is None:
        metadata = {
            "name": name_of(service),
            "namespace": namespace_of(service),
            "labels": labels_of(service),
        }
        return [Create({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets})]
    return [] if (existing.get("subsets") or []) == subsets else [Change(existing, {"subsets": subsets})]
