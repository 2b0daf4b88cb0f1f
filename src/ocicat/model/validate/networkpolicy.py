"""Kubernetes NetworkPolicies, judged as kube-apiserver does, and the staged ones that preview them.

Source: spec/policy-semantics §3.12, in kube-apiserver's words; §3.7 for StagedKubernetesNetworkPolicy.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from ocicat.model.calico import StagedKubernetesNetworkPolicy, StagedKubernetesNetworkPolicySpec
from ocicat.model.defaults import DELETE, SET
from ocicat.model.net import NetError, parse_port
from ocicat.model.networkpolicy import (
    EgressRule,
    IngressRule,
    IpBlock,
    KubernetesNetworkPolicy,
    KubernetesNetworkPolicySpec,
    PolicyPeer,
    PolicyPort,
)
from ocicat.model.positions import Path
from ocicat.model.validate.finding import Finding, Findings, listed, schema_field
from ocicat.model.validate.labelselectors import label_selector
from ocicat.model.validate.nets import cidr, cidr_fix, has_host_bits
from ocicat.model.validate.policies import STAGED_ACTIONS, TYPES
from ocicat.model.validate.ports import port_name
from ocicat.model.validate.spelling import one_of

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
PORT_RANGE: Final = "must be between 1 and 65535, inclusive"
NOT_A_CIDR: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"

_FAILED: Final = "conversion to stagednetworkpolicy failed"
_NO_SELECTOR: Final = ("NP0812", "NP0814", "NP0815")
"""What is wrong with a label selector that cannot become a selector of Calico's: key, operator, no values."""

_Spec: TypeAlias = KubernetesNetworkPolicySpec | StagedKubernetesNetworkPolicySpec


def network_policy(resource: KubernetesNetworkPolicy) -> Findings:
    """Find what is wrong with the spec of a Kubernetes NetworkPolicy."""
    yield from _spec(resource.spec)


def staged_network_policy(resource: StagedKubernetesNetworkPolicy) -> Findings:
    """Find what is wrong with a staged Kubernetes policy.

    Calico refuses what it cannot convert. What only Kubernetes would refuse is a warning.
    """
    spec = resource.spec
    if spec.staged_action:
        yield from one_of("NP0301", ("spec", "stagedAction"), spec.staged_action, STAGED_ACTIONS)
    if spec.staged_action == DELETE and spec != StagedKubernetesNetworkPolicySpec(staged_action=DELETE):
        what = "Spec fields should all be zero-value if stagedAction is Delete"
        fix = f"remove all of spec but stagedAction, or write stagedAction: {SET}"
        yield Finding("NP0303", ("spec",), what, fix, "StagedKubernetesNetworkPolicySpec")
    unconvertible = list(_unconvertible(spec))
    yield from unconvertible
    told = {finding.path for finding in unconvertible}
    for finding in _spec(spec):
        if finding.path not in told and finding.path[:-1] not in told:
            yield msgspec.structs.replace(finding, code="NP0305")


def _unconvertible(spec: _Spec) -> Findings:
    """Find what leaves nothing to preview: pods that cannot be selected, ports that are none."""
    for finding in label_selector(spec.pod_selector, ("spec", "podSelector")):
        if finding.code in _NO_SELECTOR:
            what = f"{_FAILED} {finding.what}"
            yield msgspec.structs.replace(finding, code="NP0304", what=what, field="PolicySpec")
    for path, port in _ports(spec):
        try:
            if port.end_port is not None and isinstance(port.port, int):
                parse_port(f"{port.port}:{port.end_port}")
            elif port.port is not None:
                parse_port(port.port)
        except NetError as error:
            yield Finding("NP0304", path, f"{_FAILED} {error}", "", "PolicySpec")


def _ports(spec: _Spec) -> Iterator[tuple[Path, PolicyPort]]:
    directions: Sequence[tuple[str, Sequence[IngressRule | EgressRule]]] = (
        ("ingress", spec.ingress),
        ("egress", spec.egress),
    )
    for direction, written in directions:
        for index, rule in enumerate(written):
            for number, port in enumerate(rule.ports):
                yield ("spec", direction, index, "ports", number), port


def _spec(spec: _Spec) -> Findings:
    yield from label_selector(spec.pod_selector, ("spec", "podSelector"))
    for path, port in _ports(spec):
        yield from _port(port, path)
    for index, ingress in enumerate(spec.ingress):
        yield from _peers(ingress.from_, ("spec", "ingress", index, "from"))
    for index, egress in enumerate(spec.egress):
        yield from _peers(egress.to, ("spec", "egress", index, "to"))
    yield from _types(spec.policy_types, ("spec", "policyTypes"))


def _types(types: Sequence[str], path: Path) -> Findings:
    if len(types) > len(TYPES):
        what = "may not specify more than two policyTypes"
        yield Finding("NP0811", path, what, "", schema_field(path), listed(types))
    for index, written in enumerate(types):
        yield from one_of("NP0810", (*path, index), written, TYPES)


def _port(written: PolicyPort, path: Path) -> Findings:
    yield from one_of("NP0801", (*path, "protocol"), written.protocol, PROTOCOLS)
    place = (*path, "port")
    if isinstance(written.port, str):
        yield from port_name(written.port, "NP0803", place, schema_field(place))
    elif written.port is not None and not 1 <= written.port <= 65535:
        yield Finding("NP0802", place, PORT_RANGE, "", schema_field(place), str(written.port))
    if written.end_port is not None:
        yield from _end_port(written.port, written.end_port, (*path, "endPort"))


def _end_port(first: int | str | None, last: int, path: Path) -> Findings:
    field = schema_field(path)
    if first is None:
        what = "may not be specified when `port` is not specified"
        yield Finding("NP0804", path, what, "add port, the first of the range", field, str(last))
    elif isinstance(first, str):
        what = "may not be specified when `port` is non-numeric"
        yield Finding("NP0804", path, what, "write port as a number", field, str(last))
    elif last < first:
        what = "must be greater than or equal to `port`"
        yield Finding("NP0804", path, what, f"write port: {last} and endPort: {first}", field, str(last))
    if not 1 <= last <= 65535:
        yield Finding("NP0802", path, PORT_RANGE, "", field, str(last))


def _peers(peers: Sequence[PolicyPeer], path: Path) -> Findings:
    for index, peer in enumerate(peers):
        yield from _peer(peer, (*path, index))


def _peer(peer: PolicyPeer, path: Path) -> Findings:
    yield from label_selector(peer.pod_selector, (*path, "podSelector"))
    yield from label_selector(peer.namespace_selector, (*path, "namespaceSelector"))
    by_labels = peer.pod_selector is not None or peer.namespace_selector is not None
    if peer.ip_block is not None:
        yield from _block(peer.ip_block, (*path, "ipBlock"))
        if by_labels:
            what = "may not specify both ipBlock and another peer"
            yield Finding("NP0806", path, what, "", schema_field(path))
    elif not by_labels:
        yield Finding("NP0805", path, "must specify a peer", "", schema_field(path))


def _block(block: IpBlock, path: Path) -> Findings:
    yield from _cidr(block.cidr, (*path, "cidr"))
    outer = cidr(block.cidr)
    for index, text in enumerate(block.except_):
        place = (*path, "except", index)
        yield from _cidr(text, place)
        inner = cidr(text)
        if outer is None or inner is None:
            continue
        if not outer.contains(inner.family, inner.bits) or inner.length <= outer.length:
            what = "must be a strict subset of `cidr`"
            yield Finding("NP0809", place, what, f"write a part of {outer}", schema_field(place), text)


def _cidr(text: str, path: Path) -> Findings:
    prefix = cidr(text)
    if prefix is None:
        yield Finding("NP0807", path, NOT_A_CIDR, cidr_fix(text), schema_field(path), text)
    elif has_host_bits(text):
        what = f"the net is {prefix}; the bits behind the length are ignored"
        yield Finding("NP0808", path, what, f"write {prefix}", schema_field(path), text)
