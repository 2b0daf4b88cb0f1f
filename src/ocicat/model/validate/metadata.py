"""Names, namespaces, labels and annotations of every kind.

Source: spec/policy-semantics §2.2 (names, by kind), §2.3 (labels, annotations), §2.1 (tiers).
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from ocicat.model import calico, kubernetes
from ocicat.model.defaults import TIER_LABEL
from ocicat.model.meta import Resource
from ocicat.model.positions import Path
from ocicat.model.validate import formats
from ocicat.model.validate.finding import Finding, Findings
from ocicat.model.validate.spelling import as_label_value, as_name

ANNOTATIONS_BYTES: Final = 256 * 1024
"""Of all keys and values of an object, or of a rule, together."""

_NAME: Final[Path] = ("metadata", "name")
_FIELD: Final = "Metadata.Name"
_NOT_A_POLICY_NAME: Final = (
    f"name must consist of lower case alphanumeric characters or '-' (regex: {formats.LABEL})"
)
_NOT_A_NAME: Final = (
    f"name must consist of lower case alphanumeric characters, '-' or '.' (regex: {formats.SUBDOMAIN})"
)
_GLOBAL_POLICY: Final = rf"({formats.LABEL}\.)?{formats.LABEL}"
_POLICY: Final = rf"{_GLOBAL_POLICY}|(knp|ossg)\.default\.{formats.SUBDOMAIN}"
"""The second form is that of policies which Calico made of Kubernetes' and OpenStack's."""
_SHAPES: Final[Mapping[type[Resource], re.Pattern[str]]] = {
    calico.NetworkPolicy: re.compile(_POLICY),
    calico.StagedNetworkPolicy: re.compile(_POLICY),
    calico.GlobalNetworkPolicy: re.compile(_GLOBAL_POLICY),
    calico.StagedGlobalNetworkPolicy: re.compile(_GLOBAL_POLICY),
    calico.Tier: re.compile(formats.LABEL),
}
"""The kinds whose names are narrower than a DNS subdomain."""


def metadata(resource: Resource) -> Findings:
    """Find what is wrong with the metadata of any object."""
    meta = resource.metadata
    if resource.__class__.__module__ == calico.__name__:
        yield from _calico_name(resource)
    else:
        yield from _kubernetes_name(resource)
    if meta.namespace:
        for what in formats.label_name(meta.namespace):
            fix = _write(as_name(meta.namespace, dots=0))
            yield Finding(
                "NP0009", ("metadata", "namespace"), what, fix, "metadata.namespace", meta.namespace
            )
    own = {key: value for key, value in meta.labels.items() if key != TIER_LABEL}
    yield from labels(own, ("metadata", "labels"))
    yield from annotations(meta.annotations, ("metadata", "annotations"))


def _calico_name(resource: Resource) -> Findings:
    """§2.2: every kind obeys the general rule, and policies and tiers one of their own besides."""
    name = resource.metadata.name
    yield from _too_long(name, formats.SUBDOMAIN_BYTES)
    shape = _SHAPES.get(type(resource))
    if not formats.is_subdomain(name):
        yield Finding("NP0003", _NAME, _NOT_A_NAME, _name_fix(resource), _FIELD, name)
    if isinstance(resource, calico.Tier):
        yield from _too_long(name, formats.LABEL_BYTES)
    if shape is not None and not shape.fullmatch(name):
        yield Finding("NP0002", _NAME, _NOT_A_POLICY_NAME, _name_fix(resource), _FIELD, name)


def _too_long(name: str, limit: int) -> Findings:
    excess = formats.size(name) - limit
    if excess > 0:
        fix = f"shorten metadata.name by {excess} bytes"
        yield Finding("NP0001", _NAME, f"name is too long by {excess} bytes", fix, _FIELD, name)


def _name_fix(resource: Resource) -> str:
    dots = 0 if isinstance(resource, calico.Tier) else 1 if type(resource) in _SHAPES else 99
    return _write(as_name(resource.metadata.name, dots))


def _write(guess: str) -> str:
    return f"write {guess}" if guess else ""


def _kubernetes_name(resource: Resource) -> Findings:
    name = resource.metadata.name
    is_label = isinstance(resource, kubernetes.Namespace | kubernetes.Service)
    wrong: Callable[[str], list[str]] = formats.label_name if is_label else formats.subdomain
    for what in wrong(name):
        fix = _write(as_name(name, dots=0 if is_label else 99))
        yield Finding("NP0008", _NAME, what, fix, "metadata.name", name)


def labels(written: Mapping[str, str], path: Path) -> Findings:
    """Find the keys and values that no label can have."""
    for key, value in written.items():
        for what in formats.qualified_name(key):
            yield Finding("NP0004", (*path, key), what, "", "Metadata.Labels (label)", key)
        for what in formats.label_value(value):
            fix = _write(as_label_value(value))
            yield Finding("NP0005", (*path, key), what, fix, "Metadata.Labels (value)", value)


def annotations(written: Mapping[str, str], path: Path) -> Findings:
    """Find the keys that no annotation can have, and whether all of them together are too large."""
    field = "Metadata.Annotations (key)"
    for key in written:
        for what in formats.qualified_name(key.lower()):
            yield Finding("NP0006", (*path, key), what, "", field, key)
    total = sum(formats.size(key) + formats.size(value) for key, value in written.items())
    excess = total - ANNOTATIONS_BYTES
    if excess > 0:
        what = f"total size of annotations is too large by {excess} bytes"
        yield Finding("NP0007", path, what, f"shorten the annotations by {excess} bytes", field)
