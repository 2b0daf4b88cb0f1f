"""Plan x packet → Decision, written to be read: the definition that every faster form must agree with.

Source: spec/policy-semantics §7, §8, §9.2, §12.
"""

from collections.abc import Iterable

from ocicat.engine import walk
from ocicat.engine.decision import Decision, HostStep, Report
from ocicat.engine.host import arriving, leaving
from ocicat.engine.match import matches
from ocicat.engine.packet import Packet
from ocicat.engine.plan import Plan, PolicyClass
from ocicat.engine.policy import Direction, Entity, EntityKey, EntityKind, Rule
from ocicat.engine.walk import Found
from ocicat.model.flow import Action, Reporter
from ocicat.model.net import Address


class RuleByRule:
    """Finds the first matching rule of a packet by trying each."""

    def __init__(self, plan: Plan, policies: PolicyClass, packet: Packet) -> None:
        """Prepare to look for `packet` among the rules of a class."""
        self.plan = plan
        self.policies = policies
        self.packet = packet

    def in_tier(self, position: int, *, staged: bool) -> Found | None:
        """Return the first match among the policies of a tier slice."""
        for owner, key in enumerate(self.policies.tiers[position].policies):
            if staged or not key.kind.staged:
                rules = self.plan.policies[key].rules(self.policies.direction)
                if found := self.first(owner, rules or ()):
                    return found
        return None

    def in_profile(self, position: int) -> Found | None:
        """Return the first match among the rules of a profile."""
        profile = self.plan.profiles.get(self.policies.profiles[position])
        return self.first(position, profile.rules(self.policies.direction)) if profile else None

    def first(self, owner: int, rules: Iterable[Rule]) -> Found | None:
        """Return the first of `rules` that matches the packet, Log rules apart, as one of `owner`."""
        for index, rule in enumerate(rules):
            if rule.action is not Action.LOG and matches(self.plan, rule, self.packet):
                return Found(owner, index, rule.action)
        return None


def evaluate(plan: Plan, packet: Packet) -> Decision:
    """Return whether the connection may be made, with the verdict and trace of both ends.

    The packet goes source pod → host endpoint of its node → host endpoint of the other node → destination
    pod, and each on the way may deny it; nothing behind a denial is asked. A pod's own host always reaches it
    (kubelet's probes), so its ingress policy is not asked then (§9.2).

    Cost: O(rules of the classes met). Never raises on a Plan that an index made.
    """
    source = plan.owner(packet.source, EntityKind.WORKLOAD)
    destination = plan.owner(packet.destination, EntityKind.WORKLOAD)
    origin = node_of(plan, source, packet.source)
    target = node_of(plan, destination, packet.destination)
    hosts: list[HostStep] = []
    src = report(plan, source.key, packet, Reporter.SRC) if source else None
    if src and src.action is Action.DENY:
        return Decision(packet, False, src, None)
    if origin != target:
        hosts += leaving(plan, origin, packet, forwarded=source is not None, finder=RuleByRule)
        if not _denied(hosts):
            hosts += arriving(plan, target, packet, forwarded=destination is not None, finder=RuleByRule)
        if _denied(hosts):
            return Decision(packet, False, src, None, tuple(hosts))
    from_own_host = source is None and origin is not None and origin == target
    if destination is None or from_own_host:
        return Decision(packet, True, src, None, tuple(hosts))
    dst = report(plan, destination.key, packet, Reporter.DST)
    return Decision(packet, dst.action is Action.ALLOW, src, dst, tuple(hosts))


def report(plan: Plan, endpoint: EntityKey, packet: Packet, reporter: Reporter) -> Report:
    """Return the verdict of one workload endpoint: its egress as source, its ingress as destination."""
    direction = Direction.EGRESS if reporter is Reporter.SRC else Direction.INGRESS
    policies = plan.classes[plan.endpoints[endpoint].class_id(direction)]
    finder = RuleByRule(plan, policies, packet)
    enforced = walk.enforced(plan, policies, finder)
    pending = walk.pending(plan, policies, finder)
    return Report(
        reporter,
        endpoint,
        _verdict(enforced.action),
        enforced.trace,
        pending.trace,
        _verdict(pending.action),
    )


def node_of(plan: Plan, workload: Entity | None, address: Address) -> str | None:
    """Return the name of the node that an end is on, or None for an end outside the cluster."""
    if workload is not None:
        return workload.node or None
    node = plan.owner(address, EntityKind.NODE)
    return node.key.name if node else None


def _denied(steps: Iterable[HostStep]) -> bool:
    return any(step.action is Action.DENY for step in steps)


def _verdict(action: Action | None) -> Action:
    return Action.ALLOW if action is Action.ALLOW else Action.DENY
