"""Host endpoints. Source: spec/policy-semantics §3.9."""

import re
from collections.abc import Sequence
from typing import Final

from ocicat.model.calico import EndpointPort, HostEndpoint
from ocicat.model.net import Address, NetError
from ocicat.model.positions import Path
from ocicat.model.validate import formats
from ocicat.model.validate.finding import Finding, Findings, repeated
from ocicat.model.validate.ports import port_name, protocol, supports_ports

ALL_INTERFACES: Final = "*"

_INTERFACE: Final = re.compile("[a-zA-Z0-9_.-]{1,15}")


def host_endpoint(resource: HostEndpoint) -> Findings:
    """Find what is wrong with the spec of a host endpoint."""
    spec = resource.spec
    if not spec.node:
        yield Finding("NP0601", ("spec", "node"), "node must be specified", "", "spec")
    elif not formats.is_subdomain(spec.node):
        what = "no node can have this name"
        yield Finding("NP0602", ("spec", "node"), what, "", "Node", spec.node)
    yield from _interface(spec.interface_name)
    if not spec.interface_name and not spec.expected_ips:
        what = "at least one of interfaceName or expectedIPs must be specified"
        yield Finding("NP0604", ("spec",), what, "", "spec")
    yield from _addresses(spec.expected_ips)
    yield from _profiles(spec.profiles)
    for index, port in enumerate(spec.ports):
        yield from _port(port, ("spec", "ports", index))


def _interface(name: str) -> Findings:
    if name and name != ALL_INTERFACES and not _INTERFACE.fullmatch(name):
        what = "no interface can have this name"
        yield Finding("NP0603", ("spec", "interfaceName"), what, "", "InterfaceName", name)


def _addresses(written: Sequence[str]) -> Findings:
    path = ("spec", "expectedIPs")
    for index, text in enumerate(written):
        try:
            Address.parse(text)
        except NetError:
            base = text.strip().partition("/")[0]
            fix = f"write {base}" if _is_address(base) else ""
            yield Finding(
                "NP0605", (*path, index), "this is no IP address", fix, f"ExpectedIPs[{index}]", text
            )
    yield from repeated("NP0606", path, written)


def _is_address(text: str) -> bool:
    try:
        Address.parse(text)
    except NetError:
        return False
    return True


def _profiles(written: Sequence[str]) -> Findings:
    path = ("spec", "profiles")
    for index, name in enumerate(written):
        if not formats.is_subdomain(name):
            what = "no profile can have this name"
            yield Finding("NP0607", (*path, index), what, "", f"Profiles[{index}]", name)
    yield from repeated("NP0606", path, written)


def _port(port: EndpointPort, path: Path) -> Findings:
    yield from port_name(port.name, "NP0608", (*path, "name"), "Name")
    yield from protocol(port.protocol, (*path, "protocol"))
    if not supports_ports(port.protocol):
        what = "EndpointPort protocol does not support ports."
        field = "EndpointPort.Protocol"
        yield Finding("NP0609", (*path, "protocol"), what, "", field, str(port.protocol))
    if not 1 <= port.port <= 65535:
        what = "must be between 1 and 65535, inclusive"
        yield Finding("NP0610", (*path, "port"), what, "", f"spec.ports[{path[-1]}].port", str(port.port))
