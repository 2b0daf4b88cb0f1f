"""Rules of Calico policies and profiles: what must hold for each by itself.

What depends on the policy around it (direction, namespaced or global) is in `ocicat.model.validate.policies`.
Source: spec/policy-semantics §3.3.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ocicat.model.calico import IcmpMatch, PortItemText, Rule
from ocicat.model.flow import Action
from ocicat.model.net import PROTOCOL_NUMBERS
from ocicat.model.positions import Path
from ocicat.model.validate.entities import entity
from ocicat.model.validate.finding import Finding, Findings, listed, schema_field, too_many
from ocicat.model.validate.http import http
from ocicat.model.validate.metadata import annotations
from ocicat.model.validate.nets import rule_nets
from ocicat.model.validate.ports import is_numeric, number_of, protocol, supports_ports
from ocicat.model.validate.spelling import one_of

MAX_RULES: Final = 1024
"""Of one direction of a policy or profile."""
ACTIONS: Final = ("Allow", "Deny", "Log", "Pass")

_TCP: Final = PROTOCOL_NUMBERS["TCP"]
_ICMP: Final = PROTOCOL_NUMBERS["ICMP"]
_ICMPV6: Final = PROTOCOL_NUMBERS["ICMPv6"]
_FAMILY_OF: Final = {_ICMP: ("ICMP", 4, "NP0123"), _ICMPV6: ("ICMPv6", 6, "NP0124")}
_ICMP_LIMITS: Final = {"type": 254, "code": 255}


def rules(written: Sequence[Rule], path: Path) -> Findings:
    """Find what is wrong with the rules of one direction."""
    yield from too_many("NP0204", path, len(written), MAX_RULES)
    for index, rule in enumerate(written):
        yield from _rule(rule, (*path, index))


def _rule(rule: Rule, path: Path) -> Findings:
    yield from one_of("NP0118", (*path, "action"), rule.action, ACTIONS)
    if rule.ip_version is not None:
        yield from one_of("NP0119", (*path, "ipVersion"), str(rule.ip_version), ("4", "6"))
    for name, written in (("protocol", rule.protocol), ("notProtocol", rule.not_protocol)):
        if written is not None:
            yield from protocol(written, (*path, name))
    yield from entity(rule.source, (*path, "source"))
    yield from entity(rule.destination, (*path, "destination"))
    yield from _protocol_of_ports(rule, path)
    yield from rule_nets(rule, path)
    yield from _icmp(rule, path)
    yield from _http(rule, path)
    yield from _service_ports(rule, path)
    if rule.metadata is not None:
        yield from annotations(rule.metadata.annotations, (*path, "metadata", "annotations"))


def _protocol_of_ports(rule: Rule, path: Path) -> Findings:
    for side, name, items in _port_lists(rule):
        if not items:
            continue
        field = f"{side.capitalize()}.{name[0].upper()}{name[1:]}"
        place = (*path, side, name)
        if rule.protocol is None:
            if any(is_numeric(item) for item in items):
                what = "rules with numeric port or port range must set protocol to TCP or UDP or SCTP"
                yield Finding("NP0109", place, what, "", field, listed(items))
        elif not supports_ports(rule.protocol):
            what = "rules that specify ports must set protocol to TCP or UDP or SCTP"
            yield Finding("NP0110", place, what, "", field, listed(items))


def _port_lists(rule: Rule) -> Iterator[tuple[str, str, Sequence[PortItemText]]]:
    for side, written in (("source", rule.source), ("destination", rule.destination)):
        yield side, "ports", written.ports
        yield side, "notPorts", written.not_ports


def _icmp(rule: Rule, path: Path) -> Findings:
    for name, match in (("icmp", rule.icmp), ("notICMP", rule.not_icmp)):
        if match is not None:
            yield from _icmp_numbers(match, (*path, name))
    if rule.icmp is not None and number_of(rule.protocol) not in _FAMILY_OF:
        what = "ICMP fields require protocol to be ICMP or ICMPv6"
        wanted = "ICMPv6" if rule.ip_version == 6 else "ICMP"
        yield Finding("NP0122", (*path, "icmp"), what, f"write protocol: {wanted}", schema_field(path))
    for name, written in (("protocol", rule.protocol), ("notProtocol", rule.not_protocol)):
        number = number_of(written)
        if number in _FAMILY_OF and rule.ip_version in (4, 6):
            word, family, code = _FAMILY_OF[number]
            if rule.ip_version != family:
                what = f"protocol {word} requires ipVersion {family}"
                yield Finding(code, (*path, name), what, "", schema_field(path), str(written))


def _icmp_numbers(match: IcmpMatch, path: Path) -> Findings:
    for name, number in (("type", match.type), ("code", match.code)):
        if number is not None and not 0 <= number <= _ICMP_LIMITS[name]:
            bound = (
                "greater than or equal to 0" if number < 0 else f"less than or equal to {_ICMP_LIMITS[name]}"
            )
            place = (*path, name)
            what = f"should be {bound}"
            yield Finding("NP0120", place, what, "", schema_field(place), str(number))
    if match.code is not None and match.type is None:
        what = "ICMP code specified without an ICMP type"
        yield Finding("NP0121", (*path, "code"), what, "", schema_field(path), str(match.code))


def _http(rule: Rule, path: Path) -> Findings:
    if rule.http is None:
        return
    yield from http(rule.http, (*path, "http"))
    if rule.action != Action.ALLOW:
        what = "HTTP match is only valid on Allow rules"
        yield Finding("NP0125", (*path, "http"), what, "", schema_field(path))
    if rule.protocol is not None and number_of(rule.protocol) != _TCP:
        what = "rules with HTTP match must have protocol TCP or unset"
        yield Finding("NP0126", (*path, "protocol"), what, "", schema_field(path), str(rule.protocol))


def _service_ports(rule: Rule, path: Path) -> Findings:
    destination = rule.destination
    if destination.services is not None and (destination.ports or destination.not_ports):
        what = "ports and notPorts cannot be specified with services"
        yield Finding("NP0140", (*path, "destination", "services"), what, "", schema_field(path))
