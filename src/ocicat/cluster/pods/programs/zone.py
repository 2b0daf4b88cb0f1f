"""`Zone`: the names of a cluster's Services, pods and addresses. Pure.

Source: the Kubernetes DNS specification, schema version 1.1.0; for names of pods by address and for SRV
queries of a Service's own name, what CoreDNS answers.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

Thing = Mapping[str, Any]
SCHEMA: Final = "1.1.0"
PRIORITY: Final = 0
WEIGHT: Final = 100


class Record(msgspec.Struct, frozen=True, order=True):
    """One record. `data` is text: an address, a name, or `priority weight port target` of SRV."""

    name: str
    type: str
    data: str


class Found(msgspec.Struct, frozen=True):
    """What is known of a name."""

    exists: bool
    """Whether the name exists, be it without a record of the wanted type."""
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    """Addresses of what SRV records name."""


class _Host(msgspec.Struct, frozen=True):
    """One endpoint of a Service."""

    label: str
    address: str


class Zone:
    """The names below one domain. Fed with Services and EndpointSlices as plain JSON values."""

    def __init__(self, domain: str = "cluster.local") -> None:
        """Know nothing of `domain` yet."""
        self.domain: Final = domain.strip(".").lower()
        self._services: Final[dict[tuple[str, str], Thing]] = {}
        self._slices: Final[dict[tuple[str, str], dict[str, Thing]]] = {}
        self._homes: Final[dict[tuple[str, str], str]] = {}
        self._names: dict[str, list[str]] | None = None

    def put_service(self, service: Thing) -> None:
        """Take a Service as it is now."""
        metadata = service["metadata"]
        self._services[metadata["namespace"], metadata["name"]] = service
        self._names = None

    def drop_service(self, namespace: str, name: str) -> None:
        """Forget a Service."""
        self._services.pop((namespace, name), None)
        self._names = None

    def put_slice(self, part: Thing) -> None:
        """Take an EndpointSlice as it is now."""
        metadata = part["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        self.drop_slice(namespace, name)
        owner = (metadata.get("labels") or {}).get("kubernetes.io/service-name", "")
        self._homes[namespace, name] = owner
        self._slices.setdefault((namespace, owner), {})[name] = part

    def drop_slice(self, namespace: str, name: str) -> None:
        """Forget an EndpointSlice."""
        owner = self._homes.pop((namespace, name), None)
        if owner is not None:
            parts = self._slices[namespace, owner]
            del parts[name]
            if not parts:
                del self._slices[namespace, owner]
        self._names = None

    # --- names ----------------------------------------------------------------------------------------------

    def find(self, name: str, kind: str) -> Found | None:
        """Return what is known of a name; None where it is none of ours, so that somebody else may be asked.

        Args:
            name: Without the last dot, in any case.
            kind: `A`, `AAAA`, `SRV`, `CNAME`, `PTR`, `TXT`; any other finds that the name exists.
        """
        name = name.lower()
        if name.endswith((".in-addr.arpa", ".ip6.arpa")):
            return self._reverse(name, kind)
        if name != self.domain and not name.endswith("." + self.domain):
            return None
        labels = name[: -len(self.domain)].rstrip(".").split(".")[::-1]
        match labels:
            case [""] | ["svc"] | ["pod"]:
                return Found(exists=True)
            case ["dns-version"]:
                return _of_type([Record(name, "TXT", SCHEMA)], kind)
            case ["svc" | "pod", namespace]:
                return Found(exists=any(space == namespace for space, _ in self._services))
            case ["pod", namespace, dashed]:
                return self._pod(name, namespace, dashed, kind)
            case ["svc", namespace, service, *rest] if (namespace, service) in self._services:
                return self._service(name, self._services[namespace, service], rest, kind)
            case _:
                return Found(exists=False)

    def _pod(self, name: str, namespace: str, dashed: str, kind: str) -> Found:
        address = _address_of(dashed)
        if address is None or not self.find(f"{namespace}.pod.{self.domain}", kind).exists:  # type: ignore[union-attr]
            return Found(exists=False)
        return _of_type([_address_record(name, address)], kind)

    def _service(self, name: str, service: Thing, rest: list[str], kind: str) -> Found:
        match rest:
            case []:
                if kind == "SRV":
                    return self._srv(name, service, "", "")
                return _of_type(self._own_records(name, service), kind)
            case [protocol, port] if protocol.startswith("_") and port.startswith("_"):
                return self._srv(name, service, protocol[1:], port[1:])
            case [protocol] if protocol in ("_tcp", "_udp", "_sctp"):
                return Found(exists=True)
            case [label] if _is_headless(service):
                hosts = [host for host in self._hosts(service) if host.label == label]
                return _of_type([_address_record(name, host.address) for host in hosts], kind)
            case _:
                return Found(exists=False)

    def _own_records(self, name: str, service: Thing) -> list[Record]:
        spec = service.get("spec") or {}
        if spec.get("type") == "ExternalName":
            return [Record(name, "CNAME", str(spec.get("externalName", "")).rstrip("."))]
        if _is_headless(service):
            return [_address_record(name, host.address) for host in self._hosts(service)]
        return [_address_record(name, address) for address in _cluster_addresses(service)]

    def _srv(self, name: str, service: Thing, protocol: str, port: str) -> Found:
        """Return the SRV records of one named port, or of all where `port` is empty."""
        base = self._full_name(service)
        records: list[Record] = []
        additional: list[Record] = []
        for host, ports in self._served(service):
            wanted = [
                row
                for row in ports
                if not port or (row.get("name"), str(row.get("protocol", "TCP")).lower()) == (port, protocol)
            ]
            target = f"{host.label}.{base}" if host.label else base
            records += [Record(name, "SRV", f"{PRIORITY} {WEIGHT} {row['port']} {target}") for row in wanted]
            if wanted:
                additional.append(_address_record(target, host.address))
        if not records:
            return Found(exists=not port)
        return Found(True, tuple(dict.fromkeys(records)), tuple(dict.fromkeys(additional)))

    def _served(self, service: Thing) -> Iterator[tuple[_Host, list[Thing]]]:
        """Yield the addresses behind a Service's name, each with its ports."""
        if not _is_headless(service):
            for address in _cluster_addresses(service):
                yield _Host("", address), list((service.get("spec") or {}).get("ports") or ())
            return
        for part in self._parts(service):
            for host in _hosts(part, service):
                yield host, [row for row in part.get("ports") or () if row.get("port")]

    def _hosts(self, service: Thing) -> list[_Host]:
        found = [host for part in self._parts(service) for host in _hosts(part, service)]
        return list(dict.fromkeys(found))

    def _parts(self, service: Thing) -> list[Thing]:
        metadata = service["metadata"]
        return list(self._slices.get((metadata["namespace"], metadata["name"]), {}).values())

    def _full_name(self, service: Thing) -> str:
        metadata = service["metadata"]
        return f"{metadata['name']}.{metadata['namespace']}.svc.{self.domain}"

    # --- addresses ------------------------------------------------------------------------------------------

    def _reverse(self, name: str, kind: str) -> Found | None:
        if self._names is None:
            self._names = {}
            for service in self._services.values():
                base = self._full_name(service)
                for host, _ in self._served(service):
                    full = f"{host.label}.{base}" if host.label else base
                    pointer = ipaddress.ip_address(host.address).reverse_pointer
                    self._names.setdefault(pointer, []).append(full)
        names = self._names.get(name)
        if names is None:
            return None
        return _of_type([Record(name, "PTR", full) for full in dict.fromkeys(names)], kind)


def _is_headless(service: Thing) -> bool:
    return (service.get("spec") or {}).get("clusterIP") == "None"


def _cluster_addresses(service: Thing) -> list[str]:
    spec = service.get("spec") or {}
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return [address for address in addresses if address and address != "None"]


def _hosts(part: Thing, service: Thing) -> Iterator[_Host]:
    """Yield the endpoints of a slice that count: the ready ones, or all where the Service says so."""
    every = (service.get("spec") or {}).get("publishNotReadyAddresses", False)
    for endpoint in part.get("endpoints") or ():
        if every or (endpoint.get("conditions") or {}).get("ready") is not False:
            for address in endpoint.get("addresses") or ():
                yield _Host(endpoint.get("hostname") or _dashed(address), address)


def _dashed(address: str) -> str:
    return address.replace(".", "-").replace(":", "-")


def _address_of(dashed: str) -> str | None:
    for mark in (".", ":"):
        try:
            return str(ipaddress.ip_address(dashed.replace("-", mark)))
        except ValueError:
            continue
    return None


def _address_record(name: str, address: str) -> Record:
    return Record(name, "AAAA" if ":" in address else "A", address)


def _of_type(records: list[Record], kind: str) -> Found:
    """Return the records of a type; an alias answers every type."""
    return Found(bool(records), tuple(r for r in records if r.type == kind or r.type == "CNAME"))
