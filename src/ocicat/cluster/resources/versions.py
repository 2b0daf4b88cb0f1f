"""One resource in several versions: the form in which it is stored, and the one that was asked for.

Versions differ by name only, but for HorizontalPodAutoscaler: kubectl up to 1.32 writes `autoscaling/v1`,
which has a percentage where `v2`, the stored form, has a list of metrics.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ocicat.cluster.resources.cells import part, rows
from ocicat.cluster.resources.kinds import Kind

Thing = Mapping[str, Any]
_PERCENT: Final = "targetCPUUtilizationPercentage"


def in_version(kind: Kind, thing: Thing) -> Thing:
    """Return `thing` as the version of `kind` shows it; itself, where it is of that version already."""
    if thing.get("apiVersion") == kind.api_version:
        return thing
    changed = {**thing, "apiVersion": kind.api_version}
    convert = _CONVERSIONS.get((kind.resource, kind.version))
    return changed if convert is None else convert(changed)


def _to_v1(thing: Thing) -> Thing:
    spec = dict(thing.get("spec") or {})
    metrics = spec.pop("metrics", None) or ()
    for row in rows({"metrics": metrics}, "metrics"):
        percent = part(row, "resource.target.averageUtilization")
        if part(row, "resource.name") == "cpu" and percent is not None:
            spec[_PERCENT] = percent
    spec.pop("behavior", None)
    return {**thing, "spec": spec}


def _to_v2(thing: Thing) -> Thing:
    spec = dict(thing.get("spec") or {})
    percent = spec.pop(_PERCENT, None)
    if percent is not None:
        spec["metrics"] = [cpu_metric(percent)]
    return {**thing, "spec": spec}


def cpu_metric(percent: int) -> dict[str, Any]:
    """Return the metric of an average use of the processors, in percent of what is requested."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


_CONVERSIONS: Final[Mapping[tuple[str, str], Callable[[Thing], Thing]]] = {
    ("horizontalpodautoscalers.autoscaling", "v1"): _to_v1,
    ("horizontalpodautoscalers.autoscaling", "v2"): _to_v2,
}
