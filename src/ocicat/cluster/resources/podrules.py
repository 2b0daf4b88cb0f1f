"""The rules that volumes and amounts in a pod's spec must keep, with upstream's messages. Pure.

Names and paths of volumes become names of files on a node, so they are judged here before anything else.
Source: the Kubernetes API reference of v1.32, Volume, KeyToPath and Quantity.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ocicat.cluster.resources.cells import part, rows
from ocicat.cluster.resources.errors import Cause, invalid_value, required

Thing = Mapping[str, Any]
LABEL: Final = re.compile("[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start"
    " and end"
    " with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must"
    " start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUANTITY: Final = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?(?:[0-9]|1[0-8]))?"
)
_QUANTITY_RULE: Final = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)


def is_label(name: object) -> bool:
    """Tell whether a name is an RFC 1123 label."""
    return isinstance(name, str) and len(name) <= 63 and LABEL.fullmatch(name) is not None


def is_subdomain(name: object) -> bool:
    """Tell whether a name is an RFC 1123 subdomain."""
    return isinstance(name, str) and len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def volume_problems(spec: Thing, where: str) -> Iterator[Cause]:
    """Yield what is wrong with the volumes of a pod's spec; `where` is the spec's path."""
    seen: set[object] = set()
    for position, volume in enumerate(rows(spec, "volumes")):
        path, name = f"{where}.volumes[{position}]", volume.get("name")
        if not name:
            yield required(f"{path}.name")
        elif not is_label(name):
            yield invalid_value(f"{path}.name", name, LABEL_RULE)
        elif name in seen:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{path}.name")
        seen.add(name)
        host = part(volume, "hostPath.path")
        if isinstance(host, str) and ".." in host.split("/"):
            yield invalid_value(f"{path}.hostPath.path", host, "must not contain '..'")
        for kind in ("configMap", "secret", "downwardAPI"):
            yield from _items(part(volume, kind), f"{path}.{kind}")
        for number, source in enumerate(rows(volume, "projected.sources")):
            yield from _projected(source, f"{path}.projected.sources[{number}]")


def _projected(source: Thing, where: str) -> Iterator[Cause]:
    for kind in ("configMap", "secret", "downwardAPI"):
        yield from _items(source.get(kind), f"{where}.{kind}")
    if isinstance(token := source.get("serviceAccountToken"), Mapping):
        yield from _path(token.get("path"), f"{where}.serviceAccountToken.path")


def _items(source: object, where: str) -> Iterator[Cause]:
    if isinstance(source, Mapping):
        for number, row in enumerate(rows(source, "items")):
            yield from _path(row.get("path"), f"{where}.items[{number}].path")


def _path(path: object, where: str) -> Iterator[Cause]:
    """Judge the path of a file in a volume: it stays there, and is none of the node's own names."""
    if not path or not isinstance(path, str):
        yield required(where)
    elif path.startswith("/"):
        yield invalid_value(where, path, "must be a relative path")
    elif ".." in path.split("/"):
        yield invalid_value(where, path, "must not contain '..'")
    elif path.startswith(".."):
        yield invalid_value(where, path, "must not start with '..'")


def resource_problems(container: Thing, where: str) -> Iterator[Cause]:
    """Yield what is wrong with the amounts that a container asks for; `where` is the container's path."""
    for group in ("limits", "requests"):
        for name, amount in (part(container, f"resources.{group}") or {}).items():
            if not _QUANTITY.fullmatch(str(amount)):
                yield invalid_value(f"{where}.resources.{group}[{name}]", amount, _QUANTITY_RULE)


def reference_problems(container: Thing, where: str) -> Iterator[Cause]:
    """Yield what is wrong with the variables of a container that take their values from elsewhere."""
    for number, variable in enumerate(rows(container, "env")):
        source, path = variable.get("valueFrom"), f"{where}.env[{number}].valueFrom"
        if not isinstance(source, Mapping):
            continue
        for kind, field in (("fieldRef", "fieldPath"), ("resourceFieldRef", "resource")):
            if kind in source and not part(source, f"{kind}.{field}"):
                yield required(f"{path}.{kind}.{field}")
        for kind in ("configMapKeyRef", "secretKeyRef"):
            if kind in source and not part(source, f"{kind}.key"):
                yield required(f"{path}.{kind}.key")
