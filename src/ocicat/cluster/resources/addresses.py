"""Service addresses and node ports: which are free, and what a Service gets. Source: spec §4 (service
defaults)."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ocicat.cluster.resources.errors import ApiError, Cause, invalid_value
from ocicat.cluster.resources.kinds import metadata_of

NODE_PORTS: Final = (30000, 32767)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_FAMILY: Final = {4: "IPv4", 6: "IPv6"}


class ExhaustedError(Exception):
    """There is no free address or port left in a range."""


def free_address(network: Network, used: frozenset[str], seed: int) -> str:
    """Return an address of `network` that is not `used`, searched from a place that `seed` names.

    The network's own address and, in IPv4, its last one are never given. Raises ExhaustedError.
    """
    first = int(network.network_address) + 1
    count = min(network.num_addresses, 1 << 20) - (2 if network.version == 4 else 1)
    for step in range(count):
        found = str(ipaddress.ip_address(first + (seed + step) % count))
        if found not in used:
            return found
    raise ExhaustedError(f"range {network} is full")


def free_port(used: frozenset[int], seed: int) -> int:
    """Return a node port that is not `used`. Raises ExhaustedError."""
    first, last = NODE_PORTS
    count = last - first + 1
    for step in range(count):
        found = first + (seed + step) % count
        if found not in used:
            return found
    raise ExhaustedError("all node ports are taken")


def used_addresses(services: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the cluster addresses that `services` hold."""
    return frozenset(
        address
        for service in services
        for address in (service.get("spec") or {}).get("clusterIPs") or ()
        if address != "None"
    )


def used_ports(services: Iterable[Mapping[str, Any]]) -> frozenset[int]:
    """Return the node ports that `services` hold."""
    return frozenset(
        port["nodePort"]
        for service in services
        for port in (service.get("spec") or {}).get("ports") or ()
        if isinstance(port.get("nodePort"), int)
    )


def with_addresses(
    service: dict[str, Any],
    old: Mapping[str, Any] | None,
    others: Sequence[Mapping[str, Any]],
    ranges: Sequence[Network],
    seed: int,
) -> list[Cause]:
    """Give `service`, which is changed, its cluster addresses, families and node ports; return what is wrong.

    `old` is its last state, `others` are all other services, `ranges` one network per family, the first
    one's family being the default.
    """
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            spec.pop(name, None)
        return []
    before = (old or {}).get("spec") or {}
    for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name) in (None, "", []) and before.get(name):
            spec[name] = before[name]
    if (
        before.get("clusterIP")
        and spec.get("clusterIP") != before["clusterIP"]
        and before.get("type") != "ExternalName"
    ):
        return [invalid_value("spec.clusterIPs[0]", [spec.get("clusterIP")], "may not change once set")]
    try:
        causes = _addresses(spec, others, ranges, seed)
        _ports(spec, before, others, seed)
    except ExhaustedError as full:
        raise ApiError(
            "InternalError", f"failed to allocate for {metadata_of(service).get('name')}: {full}"
        ) from full
    return causes


def _addresses(
    spec: dict[str, Any], others: Sequence[Mapping[str, Any]], ranges: Sequence[Network], seed: int
) -> list[Cause]:
    by_family = {_FAMILY[network.version]: network for network in ranges}
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    given = list(spec.get("clusterIPs") or ())
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = _families(given, spec.get("ipFamilyPolicy"), list(by_family))
    spec.setdefault("ipFamilyPolicy", "SingleStack" if len(spec["ipFamilies"]) == 1 else "PreferDualStack")
    if unknown := [family for family in spec["ipFamilies"] if family not in by_family]:
        return [invalid_value("spec.ipFamilies", unknown, "not configured on this cluster")]
    used = used_addresses(others)
    if given == ["None"]:
        spec["clusterIP"] = "None"
        return []
    causes = [cause for address in given for cause in _given(address, used, ranges)]
    have = {_family_of(address) for address in given}
    given += [
        free_address(by_family[family], used, seed) for family in spec["ipFamilies"] if family not in have
    ]
    spec["clusterIPs"], spec["clusterIP"] = given, given[0]
    return causes


def _families(given: Sequence[str], policy: object, known: list[str]) -> list[str]:
    named = [family for address in given if (family := _family_of(address))]
    if named:
        return named
    return known if policy in ("PreferDualStack", "RequireDualStack") else known[:1]


def _family_of(address: str) -> str:
    try:
        return _FAMILY[ipaddress.ip_address(address).version]
    except ValueError:
        return ""


def _given(address: str, used: frozenset[str], ranges: Sequence[Network]) -> list[Cause]:
    if not _family_of(address):
        return [
            invalid_value(
                "spec.clusterIPs[0]", address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            )
        ]
    parsed = ipaddress.ip_address(address)
    if not any(parsed.version == network.version and parsed in network for network in ranges):
        why = f"failed to allocate IP {address}: the provided IP is not in the valid range."
        return [invalid_value("spec.clusterIPs", [address], why)]
    if address in used:
        why = f"failed to allocate IP {address}: provided IP is already allocated"
        return [invalid_value("spec.clusterIPs", [address], why)]
    return []


def _ports(
    spec: dict[str, Any], before: Mapping[str, Any], others: Sequence[Mapping[str, Any]], seed: int
) -> None:
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
        return
    had = {
        (port.get("port"), port.get("protocol")): port.get("nodePort") for port in before.get("ports") or ()
    }
    used = set(used_ports(others))
    for port in spec.get("ports") or ():
        wanted = port.get("nodePort") or had.get((port.get("port"), port.get("protocol")))
        port["nodePort"] = wanted or free_port(frozenset(used), seed)
        used.add(port["nodePort"])
