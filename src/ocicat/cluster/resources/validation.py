"""The rules that built-in objects must keep, with upstream's messages. Calico's kinds are judged by
`ocicat.model`.

`problems` looks at one state, `changes` at the step from one to the next (what must not change).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ocicat.cluster.resources import certrequests
from ocicat.cluster.resources.cells import part, rows
from ocicat.cluster.resources.errors import Cause, invalid_value, required, unsupported_value
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.podrules import (
    LABEL_RULE,
    SUBDOMAIN_RULE,
    is_label,
    is_subdomain,
    reference_problems,
    resource_problems,
    volume_problems,
)
from ocicat.cluster.resources.selectors import from_object

Thing = Mapping[str, Any]
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_RULE: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or"
    " 'KEY_NAME',"
    " or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
IMMUTABLE: Final = "field is immutable"
_DATA_LIMIT: Final = 1024 * 1024


def problems(kind: Kind, thing: Thing) -> list[Cause]:
    """Return what is wrong with a built-in object."""
    judge = _JUDGES.get(kind.resource)
    return list(judge(thing)) if judge else []


def changes(kind: Kind, old: Thing, new: Thing) -> list[Cause]:
    """Return what an update changes that must not change."""
    fixed = [
        invalid_value(path, part(new, path), IMMUTABLE)
        for path in _FIXED.get(kind.resource, ())
        if part(old, path) not in (None, "") and part(old, path) != part(new, path)
    ]
    if kind.resource in ("configmaps", "secrets") and old.get("immutable"):
        text = "Forbidden: field is immutable when `immutable` is set"
        fixed += [Cause("FieldValueForbidden", text, field) for field in ("data", "binaryData", "immutable")
                  if old.get(field) != new.get(field)]  # fmt: skip
    return fixed + (_pod_changes(old, new) if kind.resource == "pods" else [])


_FIXED: Final[Mapping[str, tuple[str, ...]]] = {
    "deployments.apps": ("spec.selector",),
    "replicasets.apps": ("spec.selector",),
    "statefulsets.apps": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy"),
    "daemonsets.apps": ("spec.selector",),
    "jobs.batch": ("spec.selector", "spec.completionMode", "spec.template"),
    "secrets": ("type",),
    "rolebindings.rbac.authorization.k8s.io": ("roleRef",),
    "clusterrolebindings.rbac.authorization.k8s.io": ("roleRef",),
    "endpointslices.discovery.k8s.io": ("addressType",),
    certrequests.RESOURCE: ("spec",),
    "customresourcedefinitions.apiextensions.k8s.io": (
        "spec.group", "spec.names.plural", "spec.names.kind", "spec.scope",
    ),
}  # fmt: skip


def _pod_changes(old: Thing, new: Thing) -> list[Cause]:
    def frozen(thing: Thing) -> Any:
        spec = dict(thing.get("spec") or {})
        for name in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName",
                     "ephemeralContainers", "schedulingGates"):  # fmt: skip
            spec.pop(name, None)
        for name in ("containers", "initContainers"):
            spec[name] = [{**row, "image": ""} for row in rows(thing, f"spec.{name}")]
        return spec

    if frozen(old) == frozen(new):
        return []
    text = (
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to"
        " existing"
        " tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously"
        " negative)"
    )
    return [Cause("FieldValueForbidden", text, "spec")]


def _pod_spec(thing: Thing, where: str, policies: tuple[str, ...]) -> Iterator[Cause]:
    spec = part(thing, where)
    if not isinstance(spec, Mapping) or not spec.get("containers"):
        yield required(f"{where}.containers")
        return
    yield from volume_problems(spec, where)
    volumes = {row.get("name") for row in rows(spec, "volumes")}
    volumes |= {part(row, "metadata.name") for row in rows(thing, "spec.volumeClaimTemplates")}
    seen: set[object] = set()
    node = spec.get("nodeName")
    if node and not is_subdomain(node):
        yield invalid_value(f"{where}.nodeName", node, SUBDOMAIN_RULE)
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for position, row in enumerate(rows(spec, group)):
            yield from _container(row, f"{where}.{group}[{position}]", seen, volumes)
    if (policy := spec.get("restartPolicy")) is not None and policy not in policies:
        yield unsupported_value(f"{where}.restartPolicy", policy, policies)


def _container(row: Thing, where: str, seen: set[object], volumes: set[object]) -> Iterator[Cause]:
    name = row.get("name")
    if not name:
        yield required(f"{where}.name")
    elif not is_label(name):
        yield invalid_value(f"{where}.name", name, LABEL_RULE)
    elif name in seen:
        yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{where}.name")
    seen.add(name)
    if not row.get("image"):
        yield required(f"{where}.image")
    yield from resource_problems(row, where)
    yield from reference_problems(row, where)
    for position, port in enumerate(rows(row, "ports")):
        yield from _port_number(port.get("containerPort"), f"{where}.ports[{position}].containerPort")
    for position, mount in enumerate(rows(row, "volumeMounts")):
        if mount.get("name") not in volumes:
            field = f"{where}.volumeMounts[{position}].name"
            yield Cause("FieldValueNotFound", f'Not found: "{mount.get("name")}"', field)


def _port_number(value: object, where: str) -> Iterator[Cause]:
    if value is None:
        yield required(where)
    elif not isinstance(value, int) or not 1 <= value <= 65535:
        yield invalid_value(where, value, "must be between 1 and 65535, inclusive")


def _pod(thing: Thing) -> Iterator[Cause]:
    yield from _pod_spec(thing, "spec", ("Always", "OnFailure", "Never"))


def _workload(thing: Thing) -> Iterator[Cause]:
    replicas = part(thing, "spec.replicas")
    if isinstance(replicas, int) and replicas < 0:
        yield invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
    selector = part(thing, "spec.selector")
    labels = part(thing, "spec.template.metadata.labels") or {}
    if not isinstance(selector, Mapping) or not selector:
        yield required("spec.selector")
    elif not from_object(selector).matches({"metadata": {"labels": labels}}):
        yield invalid_value(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    yield from _pod_spec(thing, "spec.template.spec", ("Always",))


def _job(thing: Thing) -> Iterator[Cause]:
    yield from _pod_spec(thing, "spec.template.spec", ("OnFailure", "Never"))


def _cron_job(thing: Thing) -> Iterator[Cause]:
    if not part(thing, "spec.schedule"):
        yield required("spec.schedule")
    elif len(str(part(thing, "spec.schedule")).split()) != 5 and not str(
        part(thing, "spec.schedule")
    ).startswith("@"):
        yield invalid_value("spec.schedule", part(thing, "spec.schedule"), "expected exactly 5 fields")
    yield from _pod_spec(thing, "spec.jobTemplate.spec.template.spec", ("OnFailure", "Never"))


def _service(thing: Thing) -> Iterator[Cause]:
    spec = thing.get("spec")
    if not isinstance(spec, Mapping):
        yield required("spec")
        return
    types = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec.get("type") not in types:
        yield unsupported_value("spec.type", spec.get("type"), types)
    if spec.get("type") == "ExternalName":
        if not spec.get("externalName"):
            yield required("spec.externalName")
        return
    ports = rows(spec, "ports")
    if not ports and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    names: set[object] = set()
    for position, port in enumerate(ports):
        where = f"spec.ports[{position}]"
        yield from _port_number(port.get("port"), f"{where}.port")
        name = port.get("name")
        if len(ports) > 1 and not name:
            yield required(f"{where}.name")
        elif name and name in names:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{where}.name")
        names.add(name)


def _data(fields: Iterable[str]) -> Callable[[Thing], Iterator[Cause]]:
    def judge(thing: Thing) -> Iterator[Cause]:
        total = 0
        for field in fields:
            for key, value in (thing.get(field) or {}).items():
                total += len(str(value))
                if not _KEY.fullmatch(key) or len(key) > 253:
                    yield invalid_value(f"{field}[{key[:60]}]", key, _KEY_RULE)
        if total > _DATA_LIMIT * 4 // 3:
            yield Cause("FieldValueTooLong", f"Too long: may not be more than {_DATA_LIMIT} bytes", "data")

    return judge


def _binding(thing: Thing) -> Iterator[Cause]:
    kind = part(thing, "roleRef.kind")
    words = ("Role", "ClusterRole") if metadata_of(thing).get("namespace") else ("ClusterRole",)
    if kind not in words:
        yield unsupported_value("roleRef.kind", kind, words)
    if not part(thing, "roleRef.name"):
        yield required("roleRef.name")
    for position, row in enumerate(rows(thing, "subjects")):
        if row.get("kind") not in ("User", "Group", "ServiceAccount"):
            allowed = ("ServiceAccount", "User", "Group")
            yield unsupported_value(f"subjects[{position}].kind", row.get("kind"), allowed)
        if not row.get("name"):
            yield required(f"subjects[{position}].name")
        if (
            row.get("kind") == "ServiceAccount"
            and not row.get("namespace")
            and not metadata_of(thing).get("namespace")
        ):
            yield required(f"subjects[{position}].namespace")


def _role(thing: Thing) -> Iterator[Cause]:
    for position, rule in enumerate(rows(thing, "rules")):
        if not rule.get("verbs"):
            yield required(f"rules[{position}].verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            yield required(
                f"rules[{position}].apiGroups", "resource rules must supply at least one api group"
            )
        if not rule.get("resources"):
            yield required(f"rules[{position}].resources", "resource rules must supply at least one resource")


def _event(thing: Thing) -> Iterator[Cause]:
    found = part(thing, "involvedObject.namespace") or "default"
    if metadata_of(thing).get("namespace") != found:
        yield invalid_value("involvedObject.namespace", found, "does not match event.namespace")


_JUDGES: Final[Mapping[str, Callable[[Thing], Iterator[Cause]]]] = {
    "pods": _pod,
    "deployments.apps": _workload,
    "replicasets.apps": _workload,
    "statefulsets.apps": _workload,
    "daemonsets.apps": _workload,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "services": _service,
    "configmaps": _data(("data", "binaryData")),
    "secrets": _data(("data",)),
    "roles.rbac.authorization.k8s.io": _role,
    "clusterroles.rbac.authorization.k8s.io": _role,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "events": _event,
    certrequests.RESOURCE: lambda thing: iter(certrequests.problems(thing)),
}
