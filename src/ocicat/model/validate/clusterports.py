"""Protocols and ports of cluster-wide policies, in both versions of the API.

Source: spec/policy-semantics §3.13.
"""

from collections.abc import Mapping
from typing import Final

from ocicat.model.clusterpolicy import (
    AdminPort,
    AdminPortNumber,
    AdminPortRange,
    ClusterProtocol,
    DestinationPort,
    DestinationRange,
)
from ocicat.model.net import NetError, parse_port
from ocicat.model.positions import Path
from ocicat.model.validate.finding import Finding, Findings, schema_field

TRANSPORTS: Final = ("TCP", "UDP", "SCTP")


def cluster_protocol(item: ClusterProtocol, path: Path) -> Findings:
    """Find what is wrong with an item of `protocols` (v1alpha2)."""
    transports = {"tcp": item.tcp, "udp": item.udp, "sctp": item.sctp}
    yield from _exactly_one({**transports, "destinationNamedPort": item.destination_named_port or None}, path)
    for name, transport in transports.items():
        if transport is not None:
            yield from _destination(transport.destination_port, (*path, name))
    yield from _named(item.destination_named_port, (*path, "destinationNamedPort"))


def _destination(port: DestinationPort | None, path: Path) -> Findings:
    if port is None or (port.number is None) == (port.range is None):
        what = "must have a destinationPort, which is either number or range"
        yield Finding("NP0912", path, what, "", schema_field(path))
    if port is None:
        return
    place = (*path, "destinationPort")
    if port.number is not None:
        yield from _number(port.number, (*place, "number"))
    if port.range is not None:
        yield from _numbers(port.range, (*place, "range"))
        if port.range.start >= port.range.end:
            what = "Start port must be less than End port"
            yield Finding("NP0914", (*place, "range"), what, _range_fix(port.range), schema_field(place))


def admin_port(item: AdminPort, path: Path) -> Findings:
    """Find what is wrong with an item of `ports` (v1alpha1). Its CRD does not look at protocols and order."""
    given = {
        "portNumber": item.port_number,
        "portRange": item.port_range,
        "namedPort": item.named_port or None,
    }
    yield from _exactly_one(given, path)
    if item.port_number is not None:
        place = (*path, "portNumber")
        yield from _transport(item.port_number, place)
        yield from _number(item.port_number.port, (*place, "port"))
    if item.port_range is not None:
        place = (*path, "portRange")
        yield from _transport(item.port_range, place)
        yield from _numbers(item.port_range, place)
        if item.port_range.start > item.port_range.end:
            what = "start is above end, so the rule fails closed"
            yield Finding("NP0923", place, what, _range_fix(item.port_range), schema_field(place))
    yield from _named(item.named_port, (*path, "namedPort"))


def _exactly_one(fields: Mapping[str, object], path: Path) -> Findings:
    given = [name for name, value in fields.items() if value is not None]
    if len(given) != 1:
        what = f"must have exactly one of {', '.join(fields)}, and has {' and '.join(given) or 'none'}"
        yield Finding("NP0911", path, what, "", schema_field(path))


def _number(number: int, path: Path) -> Findings:
    if not 1 <= number <= 65535:
        bound = "greater than or equal to 1" if number < 1 else "less than or equal to 65535"
        yield Finding("NP0913", path, f"should be {bound}", "", schema_field(path), str(number))


def _numbers(ports: DestinationRange | AdminPortRange, path: Path) -> Findings:
    yield from _number(ports.start, (*path, "start"))
    yield from _number(ports.end, (*path, "end"))


def _range_fix(ports: DestinationRange | AdminPortRange) -> str:
    if ports.start == ports.end:
        return f"write the number {ports.start}, or a higher end"
    return f"write start: {ports.end} and end: {ports.start}"


def _transport(item: AdminPortNumber | AdminPortRange, path: Path) -> Findings:
    if item.protocol not in TRANSPORTS:
        place = (*path, "protocol")
        what = "this protocol has no ports, so the rule fails closed"
        yield Finding("NP0923", place, what, "write TCP, UDP or SCTP", schema_field(place), item.protocol)


def _named(name: str, path: Path) -> Findings:
    if not name:
        return
    try:
        is_name = isinstance(parse_port(name), str)
    except NetError:
        is_name = False
    if not is_name:
        what = "no port can have this name, so the rule fails closed"
        yield Finding("NP0923", path, what, "", schema_field(path), name)
