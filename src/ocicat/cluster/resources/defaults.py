"""Defaults, written into objects when they are stored, since clients compare against them. Source: spec §4.

Most are rows: where (a dotted path, `[]` for every item of a list), the field, the value. The few that
depend on other fields are functions.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ocicat.cluster.resources.kinds import Kind
from ocicat.cluster.resources.versions import cpu_metric

Row = tuple[str, str, Any]

_CONTAINER: Final[tuple[Row, ...]] = (
    ("", "terminationMessagePath", "/dev/termination-log"),
    ("", "terminationMessagePolicy", "File"),
    ("", "resources", {}),
    ("ports[]", "protocol", "TCP"),
    ("env[].valueFrom.fieldRef", "apiVersion", "v1"),
    *(
        row
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        for row in (
            (probe, "failureThreshold", 3),
            (probe, "periodSeconds", 10),
            (probe, "successThreshold", 1),
            (probe, "timeoutSeconds", 1),
            (f"{probe}.httpGet", "path", "/"),
            (f"{probe}.httpGet", "scheme", "HTTP"),
        )
    ),
)
_POD: Final[tuple[Row, ...]] = (
    ("", "restartPolicy", "Always"),
    ("", "dnsPolicy", "ClusterFirst"),
    ("", "schedulerName", "default-scheduler"),
    ("", "securityContext", {}),
    ("", "terminationGracePeriodSeconds", 30),
    ("volumes[].secret", "defaultMode", 420),
    ("volumes[].configMap", "defaultMode", 420),
    ("volumes[].projected", "defaultMode", 420),
    ("volumes[].downwardAPI", "defaultMode", 420),
    ("volumes[].downwardAPI.items[].fieldRef", "apiVersion", "v1"),
    ("volumes[].hostPath", "type", ""),
    *(
        (f"{group}[]{'.' + where if where else ''}", field, value)
        for group in ("containers", "initContainers", "ephemeralContainers")
        for where, field, value in _CONTAINER
    ),
)


def _below(prefix: str, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple((f"{prefix}.{where}" if where else prefix, field, value) for where, field, value in rows)


_JOB: Final[tuple[Row, ...]] = (
    ("", "backoffLimit", 6),
    ("", "completionMode", "NonIndexed"),
    ("", "suspend", False),
    ("", "podReplacementPolicy", "TerminatingOrFailed"),
    ("", "manualSelector", False),
    *_below("template.spec", _POD),
)
_ROLLING: Final = {"maxUnavailable": "25%", "maxSurge": "25%"}

ROWS: Final[Mapping[str, tuple[Row, ...]]] = {
    "pods": (*_below("spec", _POD), ("spec", "enableServiceLinks", True)),
    "deployments.apps": (
        ("spec", "replicas", 1),
        ("spec", "revisionHistoryLimit", 10),
        ("spec", "progressDeadlineSeconds", 600),
        ("spec", "strategy", {"type": "RollingUpdate"}),
        ("spec.strategy", "type", "RollingUpdate"),
        *_below("spec.template.spec", _POD),
    ),
    "replicasets.apps": (("spec", "replicas", 1), *_below("spec.template.spec", _POD)),
    "statefulsets.apps": (
        ("spec", "replicas", 1),
        ("spec", "revisionHistoryLimit", 10),
        ("spec", "podManagementPolicy", "OrderedReady"),
        ("spec", "updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        ("spec", "persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"}),
        *_below("spec.template.spec", _POD),
    ),
    "daemonsets.apps": (
        ("spec", "revisionHistoryLimit", 10),
        (
            "spec",
            "updateStrategy",
            {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        ),
        *_below("spec.template.spec", _POD),
    ),
    "jobs.batch": _below("spec", _JOB),
    "cronjobs.batch": (
        ("spec", "concurrencyPolicy", "Allow"),
        ("spec", "suspend", False),
        ("spec", "successfulJobsHistoryLimit", 3),
        ("spec", "failedJobsHistoryLimit", 1),
        *_below("spec.jobTemplate.spec.template.spec", _POD),
    ),
    "services": (
        ("spec", "type", "ClusterIP"),
        ("spec", "sessionAffinity", "None"),
        ("spec.ports[]", "protocol", "TCP"),
    ),
    "secrets": (("", "type", "Opaque"),),
    "networkpolicies.networking.k8s.io": (
        ("spec.ingress[].ports[]", "protocol", "TCP"),
        ("spec.egress[].ports[]", "protocol", "TCP"),
    ),
    "replicationcontrollers": (("spec", "replicas", 1), *_below("spec.template.spec", _POD)),
    "podtemplates": _below("template.spec", _POD),
    "horizontalpodautoscalers.autoscaling": (("spec", "minReplicas", 1),),
    "persistentvolumeclaims": (
        ("spec", "volumeMode", "Filesystem"),
        ("", "status", {}),
        ("status", "phase", "Pending"),
    ),
    "persistentvolumes": (
        ("spec", "volumeMode", "Filesystem"),
        ("spec", "persistentVolumeReclaimPolicy", "Retain"),
        ("", "status", {}),
        ("status", "phase", "Available"),
    ),
    "priorityclasses.scheduling.k8s.io": (("", "preemptionPolicy", "PreemptLowerPriority"),),
    "storageclasses.storage.k8s.io": (
        ("", "reclaimPolicy", "Delete"),
        ("", "volumeBindingMode", "Immediate"),
    ),
    "rolebindings.rbac.authorization.k8s.io": (("roleRef", "apiGroup", "rbac.authorization.k8s.io"),),
    "clusterrolebindings.rbac.authorization.k8s.io": (("roleRef", "apiGroup", "rbac.authorization.k8s.io"),),
    "customresourcedefinitions.apiextensions.k8s.io": (("spec", "conversion", {"strategy": "None"}),),
}


def defaulted(kind: Kind, thing: dict[str, Any]) -> dict[str, Any]:
    """Return `thing` with its defaults filled in. The argument is changed and must be the caller's own."""
    if not isinstance(thing.get("spec", {}), dict):
        return thing
    for where, field, value in ROWS.get(kind.resource, ()):
        for place in _places(thing, where):
            if place.get(field) is None:
                place[field] = _fresh(value)
    for function in _FUNCTIONS.get(kind.resource, ()):
        function(thing)
    return thing


def _fresh(value: Any) -> Any:
    return {key: _fresh(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _places(thing: Any, where: str) -> Iterator[dict[str, Any]]:
    """Yield the objects at the path `where` that are there; defaults never make the object that holds
    them."""
    if not where:
        if isinstance(thing, dict):
            yield thing
        return
    step, _, rest = where.partition(".")
    if not isinstance(thing, dict):
        return
    found = thing.get(step.removesuffix("[]"))
    if step.endswith("[]"):
        for item in found if isinstance(found, list) else ():
            yield from _places(item, rest)
    else:
        yield from _places(found, rest)


def _image_pull_policy(spec: dict[str, Any]) -> None:
    for group in ("containers", "initContainers", "ephemeralContainers"):
        for container in _places(spec, group + "[]"):
            image = str(container.get("image") or "")
            tag = image.rpartition("/")[2].partition(":")[2]
            newest = "@" not in image and tag in ("", "latest")
            if not container.get("imagePullPolicy"):
                container["imagePullPolicy"] = "Always" if newest else "IfNotPresent"


def _pod_specs(thing: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for where in ("spec.template.spec", "spec.jobTemplate.spec.template.spec"):
        yield from _places(thing, where)


def _templates(thing: dict[str, Any]) -> None:
    for spec in _pod_specs(thing):
        _image_pull_policy(spec)
        if spec.get("serviceAccountName"):
            spec.setdefault("serviceAccount", spec["serviceAccountName"])
        elif spec.get("serviceAccount"):
            spec["serviceAccountName"] = spec["serviceAccount"]


def _pod(thing: dict[str, Any]) -> None:
    spec = thing.get("spec")
    if not isinstance(spec, dict):
        return
    _image_pull_policy(spec)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in _places(spec, "containers[]"):
        for row in _places(container, "resources"):
            limits = row.get("limits")
            if isinstance(limits, dict):
                row["requests"] = {**limits, **(row.get("requests") or {})}
    if not isinstance(thing.get("status"), dict) or not thing["status"].get("phase"):
        thing["status"] = {**(thing.get("status") or {}), "phase": "Pending", "qosClass": _qos(spec)}


def _qos(spec: Mapping[str, Any]) -> str:
    resources = [
        row.get("resources") or {} for row in spec.get("containers") or () if isinstance(row, Mapping)
    ]
    if not any(row.get("requests") or row.get("limits") for row in resources):
        return "BestEffort"
    wanted = {"cpu", "memory"}
    guaranteed = all(
        wanted <= (row.get("limits") or {}).keys() and row.get("requests") == row.get("limits")
        for row in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _rolling_update(thing: dict[str, Any]) -> None:
    for strategy in _places(thing, "spec.strategy"):
        if strategy.get("type") == "RollingUpdate":
            strategy["rollingUpdate"] = {**_ROLLING, **(strategy.get("rollingUpdate") or {})}


def _labels_from_template(thing: dict[str, Any]) -> None:
    for template in _places(thing, "spec.template"):
        labels = (template.get("metadata") or {}).get("labels")
        metadata = thing["metadata"]
        if labels and not metadata.get("labels"):
            metadata["labels"] = dict(labels)


def _job_numbers(thing: dict[str, Any]) -> None:
    for spec in _places(thing, "spec"):
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = 1
        if spec.get("parallelism") is None:
            spec["parallelism"] = 1


def _service_ports(thing: dict[str, Any]) -> None:
    for spec in _places(thing, "spec"):
        for port in _places(spec, "ports[]"):
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port.get("port")
        if spec.get("type") != "ExternalName":
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            spec.setdefault("externalTrafficPolicy", "Cluster")
        if spec.get("type") == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
        if spec.get("sessionAffinity") == "ClientIP":
            spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    thing.setdefault("status", {"loadBalancer": {}})


def _namespace(thing: dict[str, Any]) -> None:
    metadata = thing["metadata"]
    if metadata.get("name"):
        metadata["labels"] = {
            **(metadata.get("labels") or {}),
            "kubernetes.io/metadata.name": metadata["name"],
        }
    status = thing.get("status") or {}
    thing["status"] = {**status, "phase": status.get("phase") or "Active"}
    if not metadata.get("deletionTimestamp"):
        thing["spec"] = {**(thing.get("spec") or {}), "finalizers": ["kubernetes"]}


def _secret(thing: dict[str, Any]) -> None:
    plain = thing.pop("stringData", None)
    if isinstance(plain, dict):
        folded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        thing["data"] = {**(thing.get("data") or {}), **folded}


def _policy_types(thing: dict[str, Any]) -> None:
    for spec in _places(thing, "spec"):
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _subjects(thing: dict[str, Any]) -> None:
    for row in _places(thing, "subjects[]"):
        if row.get("kind") in ("User", "Group") and not row.get("apiGroup"):
            row["apiGroup"] = "rbac.authorization.k8s.io"


def _use_of_processors(thing: dict[str, Any]) -> None:
    """Without a metric, an autoscaler goes by the use of processors, 80% (autoscaling/v1 and v2)."""
    for spec in _places(thing, "spec"):
        if thing.get("apiVersion") == "autoscaling/v1":
            spec.setdefault("targetCPUUtilizationPercentage", 80)
        elif not spec.get("metrics"):
            spec["metrics"] = [cpu_metric(80)]


def _names_of_definition(thing: dict[str, Any]) -> None:
    for names in _places(thing, "spec.names"):
        kind = names.get("kind")
        if isinstance(kind, str) and kind:
            names["singular"] = names.get("singular") or kind.lower()
            names["listKind"] = names.get("listKind") or kind + "List"


_FUNCTIONS: Final[Mapping[str, tuple[Callable[[dict[str, Any]], None], ...]]] = {
    "pods": (_pod,),
    "deployments.apps": (_templates, _rolling_update),
    "replicasets.apps": (_templates, _labels_from_template),
    "statefulsets.apps": (_templates,),
    "daemonsets.apps": (_templates,),
    "jobs.batch": (_templates, _job_numbers),
    "cronjobs.batch": (_templates,),
    "services": (_service_ports,),
    "namespaces": (_namespace,),
    "replicationcontrollers": (_templates, _labels_from_template),
    "horizontalpodautoscalers.autoscaling": (_use_of_processors,),
    "secrets": (_secret,),
    "networkpolicies.networking.k8s.io": (_policy_types,),
    "rolebindings.rbac.authorization.k8s.io": (_subjects,),
    "clusterrolebindings.rbac.authorization.k8s.io": (_subjects,),
    "customresourcedefinitions.apiextensions.k8s.io": (_names_of_definition,),
}
