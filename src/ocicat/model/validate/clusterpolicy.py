"""ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy, judged as their CRDs do.

What the CRD refuses is an error. What it lets through and no engine can follow is a warning: a rule that
cannot be followed fails closed, and an error would take the whole policy away and so enforce less than was
written.
Source: spec/policy-semantics §3.13, §10.3, §16.19.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from ocicat.model.clusterpolicy import (
    AdminEgressRule,
    AdminIngressRule,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterEgressRule,
    ClusterIngressRule,
    ClusterNetworkPolicy,
    ClusterPeer,
    NamespacedPods,
    Subject,
)
from ocicat.model.meta import LabelSelector
from ocicat.model.positions import Path
from ocicat.model.validate.clusterpeers import domain_names, networks
from ocicat.model.validate.clusterports import admin_port, cluster_protocol
from ocicat.model.validate.finding import Finding, Findings, schema_field, too_long, too_many
from ocicat.model.validate.labelselectors import label_selector
from ocicat.model.validate.spelling import one_of

ClusterPolicy: TypeAlias = ClusterNetworkPolicy | AdminNetworkPolicy | BaselineAdminNetworkPolicy
_Rule: TypeAlias = ClusterIngressRule | ClusterEgressRule | AdminIngressRule | AdminEgressRule

TIERS: Final = ("Admin", "Baseline")
MAX_PRIORITY: Final = 1000
MAX_NAME: Final = 100
BASELINE_NAME: Final = "default"


class Dialect(msgspec.Struct, frozen=True):
    """In what the three kinds differ."""

    actions: tuple[str, ...]
    """The first one accepts."""
    most: int
    """Of rules in a direction, of peers in a rule, and of protocols or ports in a rule."""
    items: str
    """The field of a rule that lists protocols or ports."""
    fewest: int
    """Of items, where the field is written."""
    asks_for_namespaces: bool
    """Whether `pods` must have a namespaceSelector."""


_DIALECTS: Final[Mapping[type[ClusterPolicy], Dialect]] = {
    ClusterNetworkPolicy: Dialect(("Accept", "Deny", "Pass"), 25, "protocols", 1, False),
    AdminNetworkPolicy: Dialect(("Allow", "Deny", "Pass"), 100, "ports", 0, True),
    BaselineAdminNetworkPolicy: Dialect(("Allow", "Deny"), 100, "ports", 0, True),
}
_INGRESS_PEERS: Final = ("namespaces", "pods")
_EGRESS_PEERS: Final = (*_INGRESS_PEERS, "nodes", "networks", "domainNames")
_ATTRIBUTES: Final = {"domainNames": "domain_names"}


def cluster_policy(resource: ClusterPolicy) -> Findings:
    """Find what is wrong with a cluster-wide policy."""
    dialect = _DIALECTS[type(resource)]
    match resource:
        case ClusterNetworkPolicy(spec=spec):
            yield from one_of("NP0901", ("spec", "tier"), spec.tier, TIERS)
            yield from _priority(spec.priority)
        case AdminNetworkPolicy(spec=spec):
            yield from _priority(spec.priority)
        case BaselineAdminNetworkPolicy():
            yield from _baseline_name(resource.metadata.name)
    yield from _subject(resource.spec.subject, ("spec", "subject"), dialect)
    yield from _rules(resource.spec.ingress, ("spec", "ingress"), dialect)
    yield from _rules(resource.spec.egress, ("spec", "egress"), dialect)


def _priority(priority: int | None) -> Findings:
    path = ("spec", "priority")
    if priority is None:
        yield Finding("NP0902", path, "Required value", "", schema_field(path))
    elif not 0 <= priority <= MAX_PRIORITY:
        bound = "greater than or equal to 0" if priority < 0 else f"less than or equal to {MAX_PRIORITY}"
        yield Finding("NP0902", path, f"should be {bound}", "", schema_field(path), str(priority))


def _baseline_name(name: str) -> Findings:
    if name != BASELINE_NAME:
        only = 'Only one baseline admin network policy with metadata.name="default"'
        what = f"{only} can be created in the cluster"
        yield Finding("NP0920", ("metadata", "name"), what, "", "metadata.name", name)


def _subject(subject: Subject | None, path: Path, dialect: Dialect) -> Findings:
    given = [] if subject is None else [subject.namespaces, subject.pods]
    count = sum(each is not None for each in given)
    if subject is None or count != 1:
        yield Finding("NP0903", path, f"must have exactly one field, and has {count}", "", schema_field(path))
    if subject is None:
        return
    yield from _labelled("NP0922", subject.namespaces, (*path, "namespaces"))
    if subject.pods is not None:
        yield from _pods("NP0922", subject.pods, (*path, "pods"), dialect)


def _labelled(code: str, selector: LabelSelector | None, path: Path) -> Findings:
    """CRDs do not look into label selectors, so what is wrong with one has a code for where it stands."""
    for finding in label_selector(selector, path):
        yield msgspec.structs.replace(finding, code=code)


def _pods(code: str, pods: NamespacedPods, path: Path, dialect: Dialect) -> Findings:
    for name, selector in (
        ("namespaceSelector", pods.namespace_selector),
        ("podSelector", pods.pod_selector),
    ):
        if selector is not None:
            yield from _labelled(code, selector, (*path, name))
        elif name == "podSelector" or dialect.asks_for_namespaces:
            what = f"{name} is required; without one, all {name.removesuffix('Selector')}s are meant"
            fix = f"add {name}: {{}} for all {name.removesuffix('Selector')}s, or the labels that are meant"
            yield Finding("NP0909", path, what, fix, schema_field((*path, name)))


def _rules(rules: Sequence[_Rule], path: Path, dialect: Dialect) -> Findings:
    yield from too_many("NP0904", path, len(rules), dialect.most)
    for index, rule in enumerate(rules):
        yield from _rule(rule, (*path, index), dialect)


def _rule(rule: _Rule, path: Path, dialect: Dialect) -> Findings:
    yield from too_long("NP0905", (*path, "name"), rule.name, MAX_NAME)
    yield from one_of("NP0906", (*path, "action"), rule.action, dialect.actions)
    if isinstance(rule, ClusterIngressRule | AdminIngressRule):
        yield from _peers(rule.from_, (*path, "from"), dialect, _INGRESS_PEERS)
    else:
        yield from _peers(rule.to, (*path, "to"), dialect, _EGRESS_PEERS)
        yield from _named_ports(rule, path)
        if any(peer.domain_names is not None for peer in rule.to):
            yield from domain_names(rule.action, path, accepts=rule.action == dialect.actions[0])
    yield from _items(rule, (*path, dialect.items), dialect)


def _items(rule: _Rule, path: Path, dialect: Dialect) -> Findings:
    items = rule.protocols if isinstance(rule, ClusterIngressRule | ClusterEgressRule) else rule.ports
    if items is None:
        return
    yield from _counted("NP0910", path, len(items), dialect.fewest, dialect.most)
    if isinstance(rule, ClusterIngressRule | ClusterEgressRule):
        for index, protocol in enumerate(rule.protocols or ()):
            yield from cluster_protocol(protocol, (*path, index))
    else:
        for index, port in enumerate(rule.ports or ()):
            yield from admin_port(port, (*path, index))


def _counted(code: str, path: Path, count: int, fewest: int, most: int) -> Findings:
    yield from too_many(code, path, count, most)
    if count < fewest:
        yield Finding(code, path, f"must have at least {fewest} item", "", schema_field(path))


def _peers(peers: Sequence[ClusterPeer], path: Path, dialect: Dialect, fields: Sequence[str]) -> Findings:
    yield from _counted("NP0907", path, len(peers), 1, dialect.most)
    for index, peer in enumerate(peers):
        yield from _peer(peer, (*path, index), fields, dialect)


def _peer(peer: ClusterPeer, path: Path, fields: Sequence[str], dialect: Dialect) -> Findings:
    given = [name for name in _EGRESS_PEERS if getattr(peer, _ATTRIBUTES.get(name, name)) is not None]
    if len(given) != 1 or given[0] not in fields:
        what = f"must have exactly one of {', '.join(fields)}, and has {' and '.join(given) or 'none'}"
        yield Finding("NP0908", path, what, "", schema_field(path))
    for name, selector in (("namespaces", peer.namespaces), ("nodes", peer.nodes)):
        yield from _labelled("NP0921", selector, (*path, name))
    if peer.pods is not None:
        yield from _pods("NP0921", peer.pods, (*path, "pods"), dialect)
    yield from networks(peer, path)


def _named_ports(rule: ClusterEgressRule | AdminEgressRule, path: Path) -> Findings:
    without_names = any(
        peer.networks is not None or peer.nodes is not None or peer.domain_names is not None
        for peer in rule.to
    )
    if isinstance(rule, ClusterEgressRule):
        named = any(item.destination_named_port for item in rule.protocols or ())
    else:
        named = any(item.named_port for item in rule.ports or ())
    if without_names and named:
        what = (
            "networks/nodes/domainNames peer cannot be set with namedPorts since there are no namedPorts for "
            "networks/nodes/domainNames"
        )
        yield Finding("NP0915", path, what, "", schema_field(path))
