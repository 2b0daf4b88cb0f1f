"""The environment variables of containers, and what they and volumes take their values from. Pure.

Source: the Kubernetes API reference of v1.32, Container and EnvVarSource; spec/workshop (Service variables).
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.pods.quantities import resource_of

Thing = Mapping[str, Any]
_REFERENCE: Final = re.compile(r"\$(\$|\(([-._A-Za-z][-._A-Za-z0-9]*)\))")
_FIELD_KEY: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class MissingError(Exception):
    """Something that a container needs does not exist; the message says what."""


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Return a text with $(NAME) filled in; unknown names stay, $$ is $."""

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return known.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


def service_variables(namespace: str, services: Iterable[Thing]) -> dict[str, str]:
    """Return the variables by which a pod of `namespace` finds Services, and `kubernetes` of `default`."""
    found: dict[str, str] = {}
    for service in services:
        metadata, spec = service["metadata"], service.get("spec") or {}
        address, ports = spec.get("clusterIP"), spec.get("ports") or []
        shared = metadata["namespace"] == "default" and metadata["name"] == "kubernetes"
        if (
            not address
            or address == "None"
            or not ports
            or not (metadata["namespace"] == namespace or shared)
        ):
            continue
        name = metadata["name"].upper().replace("-", "_")
        host = f"[{address}]" if ":" in address else address
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        first = ports[0]
        found[f"{name}_PORT"] = f"{first.get('protocol', 'TCP').lower()}://{host}:{first['port']}"
        for port in ports:
            protocol = port.get("protocol", "TCP")
            if port.get("name"):
                found[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
            stem = f"{name}_PORT_{port['port']}_{protocol}"
            found[stem] = f"{protocol.lower()}://{host}:{port['port']}"
            found |= {f"{stem}_PROTO": protocol.lower(), f"{stem}_PORT": str(port["port"])}
            found[f"{stem}_ADDR"] = address
    return found


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the values of a pod's variables and volumes are taken from."""

    pod: Thing
    sources: "Sources" = {}
    addresses: tuple[str, ...] = ()
    """The pod's own."""
    host_addresses: tuple[str, ...] = ()
    """Its node's."""
    capacity: Mapping[str, str] = {}
    """What its node has, by resource: the limit of a container that sets none."""


def field_of(given: Given, path: str) -> str:
    """Return what a fieldRef of the downward API names. Raises MissingError."""
    metadata, spec = given.pod["metadata"], given.pod["spec"]
    if match := _FIELD_KEY.fullmatch(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        rows = sorted((metadata.get(path.partition(".")[2]) or {}).items())
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in rows)
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": "".join(given.addresses[:1]),
        "status.podIPs": ",".join(given.addresses),
        "status.hostIP": "".join(given.host_addresses[:1]),
        "status.hostIPs": ",".join(given.host_addresses),
    }
    if path not in known:
        raise MissingError(f"field {path} cannot be read")
    return str(known[path])


def resource_field(given: Given, container: Thing, reference: Thing) -> str:
    """Return what a resourceFieldRef names, of a container unless it names another. Raises MissingError."""
    named = reference.get("containerName")
    rows = (*given.pod["spec"]["containers"], *(given.pod["spec"].get("initContainers") or ()))
    meant = next((row for row in rows if row["name"] == named), None) if named else container
    if meant is None:
        raise MissingError(f"container {named} is not in the pod")
    try:
        return resource_of(meant, reference, given.capacity)
    except ValueError as error:
        raise MissingError(str(error)) from error


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def containers_of(spec: Thing) -> list[Thing]:
    """Return all containers of a pod: first, main, and those that were added to look at it."""
    groups = ("initContainers", "containers", "ephemeralContainers")
    return [row for group in groups for row in spec.get(group) or ()]


def references(pod: Thing) -> set[tuple[str, str]]:
    """Return the ConfigMaps and Secrets (kind, name) that the containers and volumes of a pod name."""
    spec = pod["spec"]
    found: set[tuple[str, str]] = set()
    for container in containers_of(spec):
        for source in container.get("envFrom") or ():
            found |= _named(source, "configMapRef", "secretRef")
        for variable in container.get("env") or ():
            found |= _named(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            found |= _named(source, "configMap", "secret")
    return found


def _named(source: Thing, config_map: str, secret: str) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    if config_map in source:
        found.add(("ConfigMap", source[config_map]["name"]))
    if secret in source:
        # A volume says secretName where everything else says name.
        found.add(("Secret", source[secret].get("secretName") or source[secret].get("name", "")))
    return found


Sources = Mapping[tuple[str, str], Thing]
"""ConfigMaps and Secrets by kind and name."""


def data_of(kind: str, thing: Thing) -> dict[str, bytes]:
    """Return the contents of a ConfigMap or Secret by key."""
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in (thing.get("data") or {}).items()}
    texts = {key: value.encode() for key, value in (thing.get("data") or {}).items()}
    return texts | {key: base64.b64decode(value) for key, value in (thing.get("binaryData") or {}).items()}


def variables(given: Given, container: Thing, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a container on top of `base`. Raises MissingError."""
    found = dict(base)
    for source in container.get("envFrom") or ():
        kind, key = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
        for name, content in _texts(kind, source.get(key) or {}, given.sources).items():
            found[source.get("prefix", "") + name] = content
    # $(NAME) means what is set above it, or by the cluster.
    for variable in container.get("env") or ():
        value = _value(given, container, variable, found)
        if value is not None:
            found[variable["name"]] = value
    for name, value in found.items():
        if "\0" in name + value:
            raise MissingError(f"variable {name} has a zero byte, which no environment can hold")
    return found


def _value(given: Given, container: Thing, variable: Thing, known: Mapping[str, str]) -> str | None:
    origin = variable.get("valueFrom")
    if not origin:
        return expanded(variable.get("value") or "", known)
    if "fieldRef" in origin:
        return field_of(given, origin["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in origin:
        return resource_field(given, container, origin["resourceFieldRef"])
    kind, key = (
        ("ConfigMap", "configMapKeyRef") if "configMapKeyRef" in origin else ("Secret", "secretKeyRef")
    )
    reference = origin[key]
    texts = _texts(kind, reference, given.sources)
    if reference["key"] not in texts:
        if reference.get("optional"):
            return None
        raise MissingError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    return texts[reference["key"]]


def _texts(kind: str, reference: Thing, sources: Sources) -> dict[str, str]:
    """Return the texts of a ConfigMap or Secret; what a ConfigMap has of bytes is for volumes alone."""
    thing = found_source(kind, reference, sources)
    if kind == "ConfigMap":
        thing = {"data": thing.get("data")}
    return {key: value.decode("utf-8", "replace") for key, value in data_of(kind, thing).items()}


def found_source(kind: str, reference: Thing, sources: Sources) -> Thing:
    """Return a ConfigMap or Secret; an empty one where it is absent and optional. Raises MissingError."""
    name = reference.get("name") or reference.get("secretName", "")
    thing = sources.get((kind, name))
    if thing is None:
        if reference.get("optional"):
            return {}
        raise MissingError(f'{kind.lower()} "{name}" not found')
    return thing
