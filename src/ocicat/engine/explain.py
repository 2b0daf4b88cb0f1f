"""A decision in words: what each tier said, and the one sentence that says who denied it and why.

Terminal, API and console show views of these values; nothing here decides anything.
"""

from collections.abc import Iterable, Iterator

import msgspec

from ocicat.engine.decision import Decision, Report
from ocicat.engine.evaluate import RuleByRule
from ocicat.engine.packet import Packet
from ocicat.engine.plan import Plan, PolicyClass
from ocicat.engine.policy import Direction, PolicyKey, Rule, Side
from ocicat.model.flow import NO_MATCH, PROFILE_TIER, Action, Hit, HitKind, Reporter, Trace
from ocicat.model.net import PROTOCOL_NUMBERS

_PROTOCOL_NAMES = {number: name for name, number in PROTOCOL_NUMBERS.items()}


class PolicyStep(msgspec.Struct, frozen=True):
    """What one policy said to the packet."""

    key: PolicyKey
    name: str
    """As traces show it."""
    rule: int | None
    """The rule that matches first, Log rules apart; None where none does."""
    action: Action | None
    says: str
    """The rule in words; empty where none matches."""


class TierStep(msgspec.Struct, frozen=True):
    """What the policies of one tier said, up to the one that decided."""

    tier: str
    order: float
    default_action: Action
    policies: tuple[PolicyStep, ...]
    hit: Hit | None
    """The hit in the enforced trace; None for a tier with staged policies only."""


def direction_of(report: Report) -> Direction:
    """Return the direction of the policies that an end asks."""
    return Direction.EGRESS if report.reporter is Reporter.SRC else Direction.INGRESS


def tier_steps(plan: Plan, packet: Packet, report: Report) -> Iterator[TierStep]:
    """Yield the tiers that apply to an end, in order, up to the one that decided the enforced verdict."""
    direction = direction_of(report)
    policies = plan.classes[plan.endpoints[report.endpoint].class_id(direction)]
    orders = {tier.name: tier.order for tier in plan.tiers}
    hits = {hit.tier: hit for hit in report.enforced if hit.kind is not HitKind.PROFILE}
    for part in policies.tiers:
        hit = hits.get(part.tier)
        if hit is None and any(not key.kind.staged for key in part.policies):
            return  # an earlier tier has decided
        steps = tuple(_policy_steps(plan, policies, packet, part.policies))
        yield TierStep(part.tier, orders[part.tier], part.default_action, steps, hit)


def _policy_steps(
    plan: Plan, policies: PolicyClass, packet: Packet, keys: Iterable[PolicyKey]
) -> Iterator[PolicyStep]:
    for key in keys:
        rules = plan.policies[key].rules(policies.direction) or ()
        found = RuleByRule(plan, policies, packet).first(0, rules)
        if found is None:
            yield PolicyStep(key, plan.names[key], None, None, "")
            continue
        says = rule_text(rules[found.rule])
        yield PolicyStep(key, plan.names[key], found.rule, found.action, says)
        if not key.kind.staged:
            return


# --- sentences ----------------------------------------------------------------------------------------------


def sentence(decision: Decision) -> str:
    """Return who decided, in one sentence: who denies first on the packet's way, or that nobody does."""
    for report in (decision.src, decision.dst):
        if report is not None and report.action is Action.DENY:
            return f"Denied at the {direction_of(report)} of {_name(report)}: {reason(report.enforced)}."
    for step in decision.hosts:
        if step.action is Action.DENY:
            return (
                f"Denied at the {step.direction} of host endpoint {step.endpoint.name}: {reason(step.trace)}."
            )
    reports = [report for report in (decision.src, decision.dst) if report is not None]
    if not reports:
        return "Allowed: neither end is a pod that policy applies to."
    parts = (
        f"at the {direction_of(report)} of {_name(report)} {reason(report.enforced)}" for report in reports
    )
    return f"Allowed: {'; '.join(parts)}."


def _name(report: Report) -> str:
    return f"{report.endpoint.namespace}/{report.endpoint.name}"


def reason(trace: Trace) -> str:
    """Return what the last hit of a trace means, as part of a sentence."""
    if not trace:
        return "no profile allows it"
    hit = trace[-1]
    verb = {Action.ALLOW: "allows it", Action.DENY: "denies it", Action.PASS: "passes it on"}[hit.action]
    if hit.kind is HitKind.END_OF_TIER and hit.trigger is not None:
        responsible = _policy_name(hit.trigger.kind, hit.trigger.namespace, hit.trigger.name)
        return (
            f"tier {hit.tier} applies to it, as {responsible} does, no rule there matches, "
            f"and the end of the tier {verb}"
        )
    if hit.kind is HitKind.PROFILE:
        if hit.name in (NO_MATCH, PROFILE_TIER):
            return "no tier decides, and no profile allows it"
        if hit.name.startswith("kns."):
            return f"no tier decides, and namespace {hit.name.removeprefix('kns.')} {verb} by default"
        return f"no tier decides, and {counted(hit.rule_index)} of profile {hit.name} {verb}"
    policy = _policy_name(hit.kind, hit.namespace, hit.name)
    return f"{counted(hit.rule_index)} of {policy} in tier {hit.tier} {verb}"


def counted(rule_index: int) -> str:
    """Return a rule as sentences name it: people count from 1, records from 0, so both are said."""
    return f"rule {rule_index + 1} (index {rule_index})"


def _policy_name(kind: HitKind, namespace: str, name: str) -> str:
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


# --- rules in words -----------------------------------------------------------------------------------------


def rule_text(rule: Rule) -> str:
    """Return a rule in words: `Allow TCP from app == "web" to port 80`."""
    words = [rule.action.value, *_protocol_words(rule)]
    for preposition, side in (("from", rule.source), ("to", rule.destination)):
        criteria = list(_side_words(side))
        if criteria:
            words += [preposition, " and ".join(criteria)]
    if len(words) == 1:
        words.append("everything")
    if rule.http is not None:
        words.append("if the HTTP request matches")
    return " ".join(words)


def _protocol_words(rule: Rule) -> Iterator[str]:
    if len(rule.families) == 1:
        yield f"IPv{rule.families[0]}"
    if rule.protocol is not None:
        yield _PROTOCOL_NAMES.get(rule.protocol, f"protocol {rule.protocol}")
    if rule.not_protocol is not None:
        yield f"not {_PROTOCOL_NAMES.get(rule.not_protocol, f'protocol {rule.not_protocol}')}"
    for word, match in (("ICMP", rule.icmp), ("not ICMP", rule.not_icmp)):
        if match is not None:
            code = "" if match.code is None else f" code {match.code}"
            yield f"{word} type {match.type}{code}"


def _side_words(side: Side) -> Iterator[str]:
    if side.nets:
        yield " or ".join(map(str, side.nets))
    if side.not_nets:
        yield f"not {' or '.join(map(str, side.not_nets))}"
    if side.selector is not None:
        yield str(side.selector)
    if side.not_selector is not None:
        yield f"not {side.not_selector}"
    if side.nodes is not None:
        yield f"nodes with {side.nodes}"
    if side.service is not None:
        yield f"service {'/'.join(side.service)}"
    if side.has_ports:
        yield f"port {', '.join((*map(str, side.ports), *side.named_ports))}"
    if side.not_ports or side.not_named_ports:
        yield f"not port {', '.join((*map(str, side.not_ports), *side.not_named_ports))}"
