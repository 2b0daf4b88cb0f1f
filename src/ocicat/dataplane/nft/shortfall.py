"""What is written and not enforced as it is written: found in the Plan, never discovered by a packet.
Pure."""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from ocicat.base.problem import Where
from ocicat.dataplane.nft.render import Interfaces
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.plan import Plan, PolicyList
from ocicat.engine.policy import Direction, EntityKey, EntityKind, Policy, PolicyKey, Rule, Stage
from ocicat.model.codes import problem
from ocicat.model.flow import Action, HitKind
from ocicat.ports.kernel import Shortfall

_KINDS: Final = {
    HitKind.CALICO_NETWORK_POLICY: "NetworkPolicy",
    HitKind.NETWORK_POLICY: "NetworkPolicy",
}


def shortfalls(plan: Plan, interfaces: Interfaces, node: str) -> tuple[Shortfall, ...]:
    """Return what of `plan` the pods in `interfaces`, and the node itself, do not get as written."""
    return (*_http_rules(plan, interfaces), *_host_endpoints(plan, node))


def unexplained(book: TraceBook, node: str) -> Iterator[Shortfall]:
    """Yield that outcomes found no number in `book`; nothing where all have one."""
    if book.unexplained:
        where = ", ".join(book.unexplained)
        what = f"no number of a trace is free ({where}): some connections are decided without being explained"
        key = EntityKey(EntityKind.NODE, "", node)
        yield Shortfall(key, problem("EN0004", Where(f"Node {node}"), what), enforced=True)


def _http_rules(plan: Plan, interfaces: Interfaces) -> Iterator[Shortfall]:
    for key in sorted(_policies_of(plan, interfaces)):
        policy = plan.policies[key]
        for direction in Direction:
            for position, rule in enumerate(policy.rules(direction) or ()):
                if rule.http is not None:
                    where = Where(subject_of(key), f"spec.{direction}[{position}].http")
                    what = "the rule's HTTP criteria are not enforced: it matches by peer and port alone"
                    yield Shortfall(key, problem("EN0001", where, what))


def _policies_of(plan: Plan, interfaces: Interfaces) -> set[PolicyKey]:
    """Return the enforced policies of pods."""
    endpoints = (plan.endpoints[key] for key in interfaces if key in plan.endpoints)
    classes = {endpoint.class_id(direction) for endpoint in endpoints for direction in Direction}
    return {
        key
        for class_id in classes
        for part in plan.classes[class_id].tiers
        for key in part.policies
        if not key.kind.staged
    }


def _host_endpoints(plan: Plan, node: str) -> Iterator[Shortfall]:
    for key in plan.hosts.get(node, ()):
        classes = plan.endpoints[key].classes
        lists = sorted({str(policies) for policies, _ in classes if _says_something(plan, key, policies)})
        if lists:
            where = Where(f"HostEndpoint {key.name}", "spec")
            what = f"policy of this host endpoint is not enforced on node {node} ({', '.join(lists)})"
            yield Shortfall(key, problem("EN0002", where, what))


def _says_something(plan: Plan, key: EntityKey, policies: PolicyList) -> bool:
    """Tell whether a list of a host endpoint could do anything but let pass.

    An automatic host endpoint has the profile that allows all and no policy: nothing is missing then.
    """
    found = [
        plan.classes[class_id]
        for (name, _), class_id in plan.endpoints[key].classes.items()
        if name is policies
    ]
    if any(part.tiers for part in found):
        return True
    if policies is not PolicyList.NORMAL:
        return False
    everything = (Rule(Action.ALLOW),)
    return not all(
        any(
            (profile := plan.profiles.get(name)) is not None
            and profile.rules(part.direction)[:1] == everything
            for name in part.profiles[:1]
        )
        for part in found
    )


def subject_of(key: PolicyKey) -> str:
    """Return a policy as Problems name their subject."""
    name = f"{key.namespace}/{key.name}" if key.namespace else key.name
    return f"{_KINDS.get(key.kind, key.kind.value)} {name}"


# --- failing closed -----------------------------------------------------------------------------------------


def closed(plan: Plan, keys: Collection[PolicyKey]) -> Plan:
    """Return the Plan with policies that deny everything in place of some: for those the kernel refused."""
    policies = dict(plan.policies)
    for key in keys:
        policies[key] = _denying(policies[key])
    return msgspec.structs.replace(plan, policies=policies)


def _denying(policy: Policy) -> Policy:
    deny = (Rule(Action.DENY),)
    return Policy(
        policy.key,
        policy.tier,
        policy.selector,
        policy.order,
        ingress=None if policy.ingress is None else deny,
        egress=None if policy.egress is None else deny,
        stage=Stage(policy.stage),
        apply_on_forward=policy.apply_on_forward,
    )
