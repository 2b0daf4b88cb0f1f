"""Amounts of CPU and memory: what a container asks for, as numbers, and as the downward API shows them. Pure.

Source: the Kubernetes API reference of v1.32, Quantity and ResourceFieldSelector.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

Thing = Mapping[str, Any]
_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+|[A-Za-z]*)")
_EXPONENT: Final = 18
"""Beyond it no quantity means anything, and the number would not fit into memory."""
_SCALES: Final = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{name: Fraction(1000**power) for power, name in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{name: Fraction(1024**power) for power, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def amount(text: object) -> Fraction:
    """Return a quantity such as `100m`, `64Mi` or `1e3` as a number. Raises ValueError."""
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None or (match[2] not in _SCALES and match[2][0] not in "eE"):
        raise ValueError(f"{text!r} is no quantity")
    scale = _SCALES.get(match[2])
    if scale is None:
        exponent = int(match[2][1:])
        if abs(exponent) > _EXPONENT:
            raise ValueError(f"{text!r} has too large an exponent")
        scale = Fraction(10) ** exponent
    return Fraction(match[1]) * scale


def resource_of(container: Thing, reference: Thing, capacity: Mapping[str, str]) -> str:
    """Return what a resourceFieldRef names, in units of its divisor, rounded up.

    Args:
        container: The one whose `resources` are meant.
        reference: `resource` (`limits.cpu`, `requests.memory`, …) and perhaps `divisor`.
        capacity: What the node has: the limit of a container that sets none.

    Raises:
        ValueError: There is no such resource, or a quantity is malformed.
    """
    group, _, resource = str(reference.get("resource", "")).partition(".")
    if group not in ("limits", "requests") or not resource:
        raise ValueError(f"resource {reference.get('resource')!r} cannot be read")
    asked = (container.get("resources") or {}).get(group) or {}
    if resource in asked:
        found = amount(asked[resource])
    else:
        found = amount(capacity.get(resource, "0")) if group == "limits" else Fraction(0)
    divisor = amount(reference.get("divisor") or "1") or Fraction(1)
    return str(math.ceil(found / divisor))


def service_class(pod: Thing) -> str:
    """Return a pod's quality of service: Guaranteed, Burstable or BestEffort."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    rows = [row.get("resources") or {} for row in containers]
    asked = [(row.get("requests") or {}, row.get("limits") or {}) for row in rows]
    if not any(part.get(name) for pair in asked for part in pair for name in ("cpu", "memory")):
        return "BestEffort"
    guaranteed = all(
        name in limits and amount(requests.get(name, limits[name])) == amount(limits[name])
        for requests, limits in asked
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if guaranteed else "Burstable"
