"""The cells of `kubectl get` that need more than a path: one small function per column.

Each takes the object and the time in nanoseconds, and must bear every object that a user can store: absent
fields are shown as kubectl shows them. Source: spec/kubernetes-api §5.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ocicat.cluster.resources.kinds import metadata_of
from ocicat.cluster.resources.times import age, rfc3339, seconds_since_1970, span

Thing = Mapping[str, Any]
Cell = Callable[[Thing, int], Any]
NONE: Final = "<none>"
UNSET: Final = "<unset>"


def part(thing: Any, path: str) -> Any:
    """Return the value at the dotted `path`, or None where a step is absent."""
    for step in path.split("."):
        thing = thing.get(step) if isinstance(thing, Mapping) else None
    return thing


def rows(thing: Any, path: str) -> list[Mapping[str, Any]]:
    """Return the objects of the list at the dotted `path`; whatever else is there is left out."""
    found = part(thing, path)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def joined(words: Iterable[object], empty: str = NONE) -> str:
    """Return the words with commas between them, `empty` where there is none."""
    return ",".join(str(word) for word in words) or empty


def pairs(labels: object) -> str:
    """Return labels as `key=value`, with commas between them."""
    return joined(f"{key}={value}" for key, value in labels.items()) if isinstance(labels, Mapping) else NONE


def label_selector_text(selector: Any) -> str:
    """Return a label selector as one line: `app=web,tier in (a,b),!old`."""
    if not isinstance(selector, Mapping):
        return NONE
    words = [f"{key}={value}" for key, value in (part(selector, "matchLabels") or {}).items()]
    for row in rows(selector, "matchExpressions"):
        key, operator = row.get("key", ""), row.get("operator")
        values = ",".join(str(value) for value in row.get("values") or ())
        shapes = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        words.append(shapes.get(str(operator), f"!{key}"))
    return joined(words)


def _created(thing: Thing, now_ns: int) -> Any:
    return metadata_of(thing).get("creationTimestamp")


def _containers(thing: Thing, now_ns: int) -> str:
    return joined((row.get("name", "") for row in rows(thing, "spec.template.spec.containers")), "")


def _images(thing: Thing, now_ns: int) -> str:
    return joined((row.get("image", "") for row in rows(thing, "spec.template.spec.containers")), "")


def _cron(cell: Cell) -> Cell:
    return lambda thing, now_ns: cell({"spec": part(thing, "spec.jobTemplate.spec") or {}}, now_ns)


def _ended(row: Thing) -> bool:
    return part(row, "state.terminated") is not None


def _init_status(thing: Thing) -> str:
    total = len(rows(thing, "spec.initContainers"))
    for position, row in enumerate(rows(thing, "status.initContainerStatuses")):
        ended = part(row, "state.terminated")
        if isinstance(ended, Mapping):
            if ended.get("exitCode") == 0:
                continue
            return f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
        reason = part(row, "state.waiting.reason")
        return f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{position}/{total}"
    return ""


def _pod_status(thing: Thing, now_ns: int) -> str:
    reason = str(part(thing, "status.reason") or part(thing, "status.phase") or "Unknown")
    init = _init_status(thing)
    if init:
        reason = init
    else:
        running = False
        for row in reversed(rows(thing, "status.containerStatuses")):
            waiting, ended = part(row, "state.waiting.reason"), part(row, "state.terminated")
            if waiting:
                reason = str(waiting)
            elif isinstance(ended, Mapping):
                reason = str(ended.get("reason") or f"ExitCode:{ended.get('exitCode')}")
            elif row.get("ready") and part(row, "state.running") is not None:
                running = True
        if reason == "Completed" and running:
            reason = "Running"
    return "Terminating" if metadata_of(thing).get("deletionTimestamp") else reason


def _pod_ready(thing: Thing, now_ns: int) -> str:
    statuses = rows(thing, "status.containerStatuses")
    ready = sum(1 for row in statuses if row.get("ready") and not _ended(row))
    return f"{ready}/{len(rows(thing, 'spec.containers'))}"


def _pod_restarts(thing: Thing, now_ns: int) -> str:
    undone = [row for row in rows(thing, "status.conditions") if row.get("type") == "Initialized"]
    # While init containers run, it is they that may fail again and again.
    running_up = bool(undone) and undone[0].get("status") != "True"
    statuses = rows(thing, "status.initContainerStatuses" if running_up else "status.containerStatuses")
    count = sum(int(row.get("restartCount") or 0) for row in statuses)
    ends = [str(end) for row in statuses if (end := part(row, "lastState.terminated.finishedAt"))]
    return f"{count} ({age(max(ends), now_ns)} ago)" if count and ends else str(count)


def _node_status(thing: Thing, now_ns: int) -> str:
    ready = next((row for row in rows(thing, "status.conditions") if row.get("type") == "Ready"), None)
    word = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return word + (",SchedulingDisabled" if part(thing, "spec.unschedulable") else "")


def _node_roles(thing: Thing, now_ns: int) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = metadata_of(thing).get("labels") or {}
    return joined(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix)))


def _node_address(kind: str) -> Cell:
    def cell(thing: Thing, now_ns: int) -> str:
        listed = rows(thing, "status.addresses")
        return next((str(row.get("address")) for row in listed if row.get("type") == kind), NONE)

    return cell


def _external_ip(thing: Thing, now_ns: int) -> str:
    kind = part(thing, "spec.type")
    if kind == "ExternalName":
        return str(part(thing, "spec.externalName") or NONE)
    found = list(part(thing, "spec.externalIPs") or ())
    if kind == "LoadBalancer":
        found += [row.get("ip") or row.get("hostname") for row in rows(thing, "status.loadBalancer.ingress")]
        return joined(found, "<pending>")
    return joined(found)


def _service_ports(thing: Thing, now_ns: int) -> str:
    def text(row: Thing) -> str:
        node = f":{row['nodePort']}" if row.get("nodePort") else ""
        return f"{row.get('port')}{node}/{row.get('protocol', 'TCP')}"

    return joined(text(row) for row in rows(thing, "spec.ports"))


def shortened(words: list[str], shown: int = 3) -> str:
    """Return the first words, and how many more there are."""
    if len(words) > shown:
        return f"{','.join(words[:shown])} + {len(words) - shown} more..."
    return joined(words)


def _endpoints(thing: Thing, now_ns: int) -> str:
    found = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in rows(thing, "subsets")
        for port in rows(subset, "ports")
        for address in rows(subset, "addresses")
    ]
    return shortened(found)


def _slice_endpoints(thing: Thing, now_ns: int) -> str:
    found = [str(address) for row in rows(thing, "endpoints") for address in row.get("addresses") or ()]
    return shortened(found) if found else UNSET


def _slice_ports(thing: Thing, now_ns: int) -> str:
    found = [str(row.get("port")) for row in rows(thing, "ports")]
    return shortened(found) if found else UNSET


def _last_seen(thing: Thing, now_ns: int) -> str:
    found = part(thing, "series.lastObservedTime") or thing.get("lastTimestamp") or thing.get("eventTime")
    return age(found or _created(thing, now_ns), now_ns)


def _first_seen(thing: Thing, now_ns: int) -> str:
    return age(thing.get("firstTimestamp") or thing.get("eventTime") or _created(thing, now_ns), now_ns)


def _involved(thing: Thing, now_ns: int) -> str:
    kind = str(part(thing, "involvedObject.kind") or "").lower()
    return f"{kind}/{part(thing, 'involvedObject.name') or ''}"


def _event_source(thing: Thing, now_ns: int) -> str:
    words = (part(thing, "source.component") or thing.get("reportingComponent"), part(thing, "source.host"))
    return ", ".join(str(word) for word in words if word)


def _job_status(thing: Thing, now_ns: int) -> str:
    for row in rows(thing, "status.conditions"):
        if row.get("status") == "True" and row.get("type") in ("Complete", "Failed", "Suspended"):
            return str(row["type"])
    return "Terminating" if metadata_of(thing).get("deletionTimestamp") else "Running"


def _completions(thing: Thing, now_ns: int) -> str:
    wanted = part(thing, "spec.completions")
    done = part(thing, "status.succeeded") or 0
    if wanted is None:
        parallel = part(thing, "spec.parallelism") or 0
        return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"
    return f"{done}/{wanted}"


def _duration(thing: Thing, now_ns: int) -> str:
    start = seconds_since_1970(part(thing, "status.startTime"))
    if start is None:
        return ""
    end = seconds_since_1970(part(thing, "status.completionTime"))
    return span((now_ns / 1e9 if end is None else end) - start)


def _last_schedule(thing: Thing, now_ns: int) -> str:
    last = part(thing, "status.lastScheduleTime")
    return age(last, now_ns) if last else NONE


def _subjects(kind: str) -> Cell:
    def cell(thing: Thing, now_ns: int) -> str:
        found = (row for row in rows(thing, "subjects") if row.get("kind") == kind)
        if kind == "ServiceAccount":
            return ", ".join(f"{row.get('namespace', '')}/{row.get('name', '')}" for row in found)
        return ", ".join(str(row.get("name", "")) for row in found)

    return cell


def _csr_duration(thing: Thing, now_ns: int) -> str:
    seconds = part(thing, "spec.expirationSeconds")
    return span(seconds) if isinstance(seconds, int) else NONE


def _csr_condition(thing: Thing, now_ns: int) -> str:
    words = [str(row.get("type")) for row in rows(thing, "status.conditions")]
    return joined([*words, *(["Issued"] if part(thing, "status.certificate") else [])], "Pending")


def _controller(thing: Thing, now_ns: int) -> str:
    owner = next((row for row in rows(thing, "metadata.ownerReferences") if row.get("controller")), None)
    if owner is None:
        return NONE
    group = str(owner.get("apiVersion", "")).rpartition("/")[0]
    return f"{str(owner.get('kind', '')).lower()}{'.' + group if group else ''}/{owner.get('name', '')}"


def _count(*paths: str) -> Cell:
    return lambda thing, now_ns: sum(len(part(thing, path) or ()) for path in paths)


CELLS: Final[Mapping[str, Cell]] = {
    "accounts": _subjects("ServiceAccount"),
    "active_count": _count("status.active"),
    "age": lambda thing, now_ns: age(_created(thing, now_ns), now_ns),
    "completions": _completions,
    "containers": _containers,
    "controller": _controller,
    "created": lambda thing, now_ns: _created(thing, now_ns) or rfc3339(0),
    "csr_condition": _csr_condition,
    "csr_duration": _csr_duration,
    "cron_containers": _cron(_containers),
    "cron_images": _cron(_images),
    "data_count": _count("data", "binaryData"),
    "duration": _duration,
    "endpoints": _endpoints,
    "event_count": lambda thing, now_ns: part(thing, "series.count") or thing.get("count") or 1,
    "event_source": _event_source,
    "external_ip": _external_ip,
    "first_seen": _first_seen,
    "groups": _subjects("Group"),
    "images": _images,
    "involved": _involved,
    "job_status": _job_status,
    "last_schedule": _last_schedule,
    "last_seen": _last_seen,
    "node_external": _node_address("ExternalIP"),
    "node_internal": _node_address("InternalIP"),
    "node_roles": _node_roles,
    "node_selector": lambda thing, now_ns: pairs(part(thing, "spec.template.spec.nodeSelector") or {}),
    "node_status": _node_status,
    "pod_ready": _pod_ready,
    "pod_restarts": _pod_restarts,
    "pod_selector": lambda thing, now_ns: label_selector_text(part(thing, "spec.podSelector")),
    "pod_status": _pod_status,
    "readiness_gates": lambda thing, now_ns: joined(
        str(row.get("conditionType")) for row in rows(thing, "spec.readinessGates")
    ),
    "replicas_ready": lambda thing, now_ns: (
        f"{part(thing, 'status.readyReplicas') or 0}/{part(thing, 'spec.replicas') or 0}"
    ),
    "role_ref": lambda thing, now_ns: f"{part(thing, 'roleRef.kind')}/{part(thing, 'roleRef.name')}",
    "secrets_count": _count("secrets"),
    "selector": lambda thing, now_ns: label_selector_text(part(thing, "spec.selector")),
    "service_ports": _service_ports,
    "service_selector": lambda thing, now_ns: pairs(part(thing, "spec.selector")),
    "slice_endpoints": _slice_endpoints,
    "slice_ports": _slice_ports,
    "suspend": lambda thing, now_ns: str(bool(part(thing, "spec.suspend"))),
    "time_zone": lambda thing, now_ns: part(thing, "spec.timeZone") or NONE,
    "users": _subjects("User"),
}
