"""The cells of the kinds of `idle`, in the words that people know. Source: spec/kubernetes-api §5."""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.cluster.resources.cells import NONE, UNSET, Cell, Thing, joined, pairs, part, rows, shortened
from ocicat.cluster.resources.kinds import metadata_of

_MODES: Final = {
    "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP",
}  # fmt: skip
_UNKNOWN: Final = "<unknown>"


def _text(path: str, empty: str = "") -> Cell:
    return lambda thing, now_ns: empty if (found := part(thing, path)) is None else str(found)


def _yes(path: str) -> Cell:
    return lambda thing, now_ns: bool(part(thing, path))


def _modes(path: str) -> Cell:
    def cell(thing: Thing, now_ns: int) -> str:
        found = part(thing, path)
        return joined((_MODES.get(str(mode), mode) for mode in found or ()), "")

    return cell


def _claim_status(thing: Thing, now_ns: int) -> str:
    return "Terminating" if metadata_of(thing).get("deletionTimestamp") else _text("status.phase")(thing, 0)


def _claim(thing: Thing, now_ns: int) -> str:
    found = part(thing, "spec.claimRef")
    return f"{found.get('namespace', '')}/{found.get('name', '')}" if isinstance(found, Mapping) else ""


def _reference(thing: Thing, now_ns: int) -> str:
    return f"{part(thing, 'spec.scaleTargetRef.kind')}/{part(thing, 'spec.scaleTargetRef.name')}"


def _targets(thing: Thing, now_ns: int) -> str:
    percent = part(thing, "spec.targetCPUUtilizationPercentage")
    if percent is not None:
        return f"cpu: {_UNKNOWN}/{percent}%"
    return shortened([_target(row) for row in rows(thing, "spec.metrics")], 2)


def _target(metric: Thing) -> str:
    kind = str(metric.get("type", ""))
    source = part(metric, kind[:1].lower() + kind[1:]) or {}
    name = part(source, "name") or part(source, "metric.name") or kind
    target = part(source, "target") or {}
    if target.get("averageUtilization") is not None:
        return f"{name}: {_UNKNOWN}/{target['averageUtilization']}%"
    if target.get("averageValue") is not None:
        return f"{name}: {_UNKNOWN}/{target['averageValue']} (avg)"
    return f"{name}: {_UNKNOWN}/{target.get('value', '')}"


def _hosts(thing: Thing, now_ns: int) -> str:
    found = [str(row["host"]) for row in rows(thing, "spec.rules") if row.get("host")]
    return shortened(found) if found else "*"


def _ingress_address(thing: Thing, now_ns: int) -> str:
    listed = rows(thing, "status.loadBalancer.ingress")
    return joined((row.get("ip") or row.get("hostname") for row in listed), "")


def _quota(*, limits: bool) -> Cell:
    def cell(thing: Thing, now_ns: int) -> str:
        hard, used = part(thing, "status.hard") or {}, part(thing, "status.used") or {}
        chosen = [name for name in sorted(hard) if name.startswith("limits.") == limits]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in chosen)

    return cell


def _template(field: str) -> Cell:
    return lambda thing, now_ns: joined(
        (row.get(field, "") for row in rows(thing, "template.spec.containers")), ""
    )


def _class_parameters(thing: Thing, now_ns: int) -> str:
    found: Any = part(thing, "spec.parameters")
    return f"{found.get('kind', '')}/{found.get('name', '')}" if isinstance(found, Mapping) else NONE


IDLE_CELLS: Final[Mapping[str, Cell]] = {
    "access_modes": _modes("status.accessModes"),
    "attributes_class": _text("spec.volumeAttributesClassName", UNSET),
    "budget_least": _text("spec.minAvailable", "N/A"),
    "budget_most": _text("spec.maxUnavailable", "N/A"),
    "capacity": _text("status.capacity.storage"),
    "claim": _claim,
    "claim_class": _text("spec.storageClassName"),
    "claim_status": _claim_status,
    "claim_volume": _text("spec.volumeName"),
    "class_parameters": _class_parameters,
    "expandable": _yes("allowVolumeExpansion"),
    "global_default": _yes("globalDefault"),
    "hpa_least": _text("spec.minReplicas", UNSET),
    "hpa_reference": _reference,
    "hpa_targets": _targets,
    "ingress_address": _ingress_address,
    "ingress_hosts": _hosts,
    "ingress_ports": lambda thing, now_ns: "80, 443" if part(thing, "spec.tls") else "80",
    "quota_limits": _quota(limits=True),
    "quota_requests": _quota(limits=False),
    "template_containers": _template("name"),
    "template_images": _template("image"),
    "template_labels": lambda thing, now_ns: pairs(part(thing, "template.metadata.labels") or {}),
    "volume_capacity": _text("spec.capacity.storage"),
    "volume_modes": _modes("spec.accessModes"),
    "volume_reason": _text("status.reason"),
}
