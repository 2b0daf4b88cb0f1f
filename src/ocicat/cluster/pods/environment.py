"""What a container sees: environment variables, files of volumes, /etc/hosts and /etc/resolv.conf. Pure.

Source: the Kubernetes API reference of v1.32, Pod; spec/workshop (Service variables, hostAliases).
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ocicat.cluster.pods.network import DNS_ADDRESS

Thing = Mapping[str, Any]
_REFERENCE: Final = re.compile(r"\$(\$|\(([-._A-Za-z][-._A-Za-z0-9]*)\))")
_FIELD_KEY: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
DOMAIN: Final = "cluster.local"


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


def field_of(pod: Thing, path: str, addresses: tuple[str, ...]) -> str:
    """Return what a fieldRef of the downward API names. Raises MissingError."""
    metadata, spec = pod["metadata"], pod["spec"]
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
        "status.podIP": addresses[0] if addresses else "",
        "status.podIPs": ",".join(addresses),
        "status.hostIP": (pod.get("status") or {}).get("hostIP", ""),
    }
    if path not in known:
        raise MissingError(f"field {path} cannot be read")
    return str(known[path])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def references(pod: Thing) -> set[tuple[str, str]]:
    """Return the ConfigMaps and Secrets (kind, name) that the containers and volumes of a pod name."""
    spec = pod["spec"]
    found: set[tuple[str, str]] = set()
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
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


def variables(
    pod: Thing, container: Thing, base: Mapping[str, str], sources: Sources, addresses: tuple[str, ...]
) -> dict[str, str]:
    """Return the environment of a container on top of `base`. Raises MissingError."""
    found = dict(base)
    for source in container.get("envFrom") or ():
        kind, key = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
        reference = source.get(key) or {}
        for name, content in _data(kind, reference, sources).items():
            found[source.get("prefix", "") + name] = content.decode("utf-8", "replace")
    for variable in container.get("env") or ():
        value = _value(pod, variable, found, sources, addresses)
        if value is not None:
            found[variable["name"]] = value
    return found


def _value(
    pod: Thing, variable: Thing, known: Mapping[str, str], sources: Sources, addresses: tuple[str, ...]
) -> str | None:
    origin = variable.get("valueFrom")
    if not origin:
        return expanded(variable.get("value") or "", known)
    if "fieldRef" in origin:
        return field_of(pod, origin["fieldRef"]["fieldPath"], addresses)
    if "resourceFieldRef" in origin:
        return "0"
    kind, key = (
        ("ConfigMap", "configMapKeyRef") if "configMapKeyRef" in origin else ("Secret", "secretKeyRef")
    )
    reference = origin[key]
    data = _data(kind, reference, sources)
    if reference["key"] not in data:
        if reference.get("optional"):
            return None
        raise MissingError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    return data[reference["key"]].decode("utf-8", "replace")


def _data(kind: str, reference: Thing, sources: Sources) -> dict[str, bytes]:
    name = reference.get("name") or reference.get("secretName", "")
    thing = sources.get((kind, name))
    if thing is None:
        if reference.get("optional"):
            return {}
        raise MissingError(f'{kind.lower()} "{name}" not found')
    return data_of(kind, thing)


def volume_files(
    pod: Thing, volume: Thing, sources: Sources, addresses: tuple[str, ...], token: str, authority: str
) -> dict[str, bytes] | None:
    """Return the files of a volume by path, or None for one that holds none of its own (emptyDir).

    Args:
        token: The service account's, for a projected volume that asks for one.
        authority: The cluster's certificate authority.

    Raises:
        MissingError: The volume is of a kind that is not known here, or names what does not exist.
    """
    if "projected" in volume:
        found: dict[str, bytes] = {}
        for source in volume["projected"].get("sources") or ():
            if "serviceAccountToken" in source:
                found[source["serviceAccountToken"]["path"]] = token.encode()
            else:
                found |= volume_files(pod, source, sources, addresses, token, authority) or {}
        return found
    for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if key in volume:
            data = _data(kind, volume[key], sources)
            items = volume[key].get("items")
            if not items:
                return data
            return {row["path"]: data[row["key"]] for row in items if row["key"] in data}
    if "downwardAPI" in volume:
        rows = volume["downwardAPI"].get("items") or ()
        return {
            row["path"]: field_of(pod, row["fieldRef"]["fieldPath"], addresses).encode()
            for row in rows
            if "fieldRef" in row
        }
    if "emptyDir" in volume:
        return None
    kinds = ", ".join(sorted(set(volume) - {"name"}))
    raise MissingError(f"volume {volume.get('name', '')}: {kinds} is not provided by this cluster")


def hosts_file(pod: Thing, addresses: tuple[str, ...]) -> str:
    """Return a pod's /etc/hosts."""
    spec = pod["spec"]
    name = spec.get("hostname") or pod["metadata"]["name"]
    if spec.get("subdomain"):
        full = f"{name}.{spec['subdomain']}.{pod['metadata']['namespace']}.svc.{DOMAIN}"
        name = f"{full}\t{name}"
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
        *(f"{address}\t{name}" for address in addresses),
    ]
    aliases = spec.get("hostAliases") or ()
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((alias["ip"], *(alias.get("hostnames") or ()))) for alias in aliases]
    return "\n".join(lines) + "\n"


def resolver_file(pod: Thing, outside: str) -> str:
    """Return a pod's /etc/resolv.conf; `outside` is the name server beyond the cluster."""
    policy, config = pod["spec"].get("dnsPolicy", "ClusterFirst"), pod["spec"].get("dnsConfig") or {}
    servers, searches, options = [outside], list[str](), list[str]()
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet"):
        space = pod["metadata"]["namespace"]
        servers, options = [DNS_ADDRESS], ["ndots:5"]
        searches = [f"{space}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN]
    elif policy == "None":
        servers = []
    servers += config.get("nameservers") or ()
    searches += config.get("searches") or ()
    for option in config.get("options") or ():
        options.append(f"{option['name']}:{option['value']}" if option.get("value") else option["name"])
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        lines.append(f"options {' '.join(options)}")
    return "\n".join(lines) + "\n"
