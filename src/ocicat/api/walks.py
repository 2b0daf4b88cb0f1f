"""The way of a connection kind through the tiers, with the policies of today. Pure.

A flow says what was decided when it was made. Whoever asks about it wants to know what would be decided now,
and by which line of which policy; so both ends are evaluated again, for one pair of addresses that stands for
the kind. Source: docs/explanation/console-api.md (`Walk`), spec/policy-semantics §7, §12.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

from ocicat.api.sight import ALL, HIDDEN, Sight
from ocicat.api.views import workloads
from ocicat.engine.evaluate import report
from ocicat.engine.explain import rule_text
from ocicat.engine.packet import Packet
from ocicat.engine.plan import Plan, TierSlice
from ocicat.engine.policy import Direction, Entity, PolicyKey
from ocicat.model.flow import Action, Hit, HitKind, Reporter, Trace
from ocicat.model.net import FLOW_PROTOCOL_NAMES, Address, NetError
from ocicat.model.record import FlowKey, Variant
from ocicat.ports.policyview import PolicyView

NOTHING: Final[dict[str, Any]] = dict.fromkeys(("egress", "ingress", "staged_egress", "staged_ingress"))
_NUMBERS: Final = {name: number for number, name in FLOW_PROTOCOL_NAMES.items()}
_STAND_IN: Final = Address(4, 240 << 24)
"""For an end of which no address is known: reserved, so that no policy but one for everything means it."""


def walks_of(
    plan: Plan | None, view: PolicyView, key: FlowKey, variants: Iterable[Variant], sight: Sight = ALL
) -> dict[str, Any]:
    """Return the walks at both ends; None where no policy can apply, or where staged ones change nothing.

    There is none at an end whose namespace may not be seen, and no rule of a policy that may not be read.
    """
    if plan is None:
        return NOTHING
    known = list(variants)
    source, source_address = _end(plan, key.source_namespace, key.source_name, (v.source_ip for v in known))
    dest, dest_address = _end(plan, key.dest_namespace, key.dest_name, (v.dest_ip for v in known))
    packet = _packet(key, source_address, dest_address)
    if packet is None:
        return NOTHING
    walks = _Walks(plan, view, packet, sight)
    egress, staged_egress = walks.at(source, Reporter.SRC, key.source_name)
    ingress, staged_ingress = walks.at(dest, Reporter.DST, key.dest_name)
    return {
        "egress": egress,
        "ingress": ingress,
        "staged_egress": staged_egress,
        "staged_ingress": staged_ingress,
    }


def _end(plan: Plan, namespace: str, name: str, seen: Iterable[str]) -> tuple[Entity | None, Address]:
    """Return the pod that stands for an end, None where it is none, and an address of the end."""
    pods = [pod for pod in workloads(plan, namespace, name) if pod.addresses]
    addresses = [address for text in seen if (address := _address(text)) is not None]
    for pod in pods:
        if set(pod.addresses) & set(addresses):
            return pod, next(address for address in pod.addresses if address in addresses)
    if pods:
        return pods[0], pods[0].addresses[0]
    return None, addresses[0] if addresses else _STAND_IN


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except NetError:
        return None


def _packet(key: FlowKey, source: Address, dest: Address) -> Packet | None:
    protocol = _NUMBERS.get(key.proto) or (int(key.proto) if key.proto.isdecimal() else 0)
    if not 1 <= protocol <= 255 or source.family != dest.family:
        return None
    if key.proto in ("icmp", "icmp6"):
        return Packet(
            source, dest, protocol, icmp_type=key.dest_port // 256 % 256, icmp_code=key.dest_port % 256
        )
    return Packet(source, dest, protocol, key.dest_port % 65536)


class _Walks:
    """The walks of one packet."""

    def __init__(self, plan: Plan, view: PolicyView, packet: Packet, sight: Sight) -> None:
        self._plan = plan
        self._view = view
        self._packet = packet
        self._sight = sight

    def at(
        self, end: Entity | None, reporter: Reporter, name: str
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Return the enforced walk at an end, and the pending one where it differs."""
        if end is None or not self._sight.sees(end.key.namespace):
            return None, None
        said = report(self._plan, end.key, self._packet, reporter)
        direction = Direction.EGRESS if reporter is Reporter.SRC else Direction.INGRESS
        tiers = self._plan.classes[self._plan.endpoints[end.key].class_id(direction)].tiers
        about = {"direction": direction.value.capitalize(), "namespace": end.key.namespace, "name": name}
        walk = _Walk(self._plan, self._view, direction, name, self._sight)
        enforced = {
            **about,
            "verdict": said.action.value,
            "tiers": walk.tiers(tiers, said.enforced, staged=False),
        }
        pending = {
            **about,
            "verdict": said.pending_action.value,
            "tiers": walk.tiers(tiers, said.pending, staged=True),
        }
        return enforced, pending if _decisions(said.pending) != _decisions(said.enforced) else None


def _decisions(trace: Trace) -> list[object]:
    return [(hit.kind, hit.tier, hit.namespace, hit.name, hit.action, hit.rule_index) for hit in trace]


class _Walk:
    """One end and direction of a walk."""

    def __init__(self, plan: Plan, view: PolicyView, direction: Direction, name: str, sight: Sight) -> None:
        self._plan = plan
        self._view = view
        self._direction = direction
        self._name = name
        self._sight = sight

    def tiers(self, slices: Iterable[TierSlice], trace: Trace, *, staged: bool) -> list[dict[str, Any]]:
        """Return what each tier said, in order."""
        policies = {
            part.tier: [key for key in part.policies if staged or not key.kind.staged] for part in slices
        }
        hits = {hit.tier: hit for hit in trace if hit.kind is not HitKind.PROFILE}
        found, decided = [], False
        for tier in self._plan.tiers:
            order = tier.order if math.isfinite(tier.order) else None
            hit = hits.get(tier.name)
            said: dict[str, Any] = {
                "name": tier.name,
                "order": order,
                "state": "skipped",
                "why": "",
                "steps": [],
            }
            if decided:
                said["why"] = "an earlier tier has decided"
            elif hit is None:
                said["why"] = f"no policy of this tier selects {self._name} for {self._direction}"
            else:
                decided = hit.action is not Action.PASS
                said |= self._said(hit, policies.get(tier.name, []), decides=decided)
            found.append(said)
        return found

    def _said(self, hit: Hit, keys: list[PolicyKey], *, decides: bool) -> dict[str, Any]:
        state = "decided" if decides else "passed"
        named = hit.trigger or hit
        if hit.kind is HitKind.END_OF_TIER:
            count = "1 policy selects" if len(keys) == 1 else f"{len(keys)} policies select"
            why = f"{count} {self._name}, and no rule matches: the end of the tier says {hit.action}"
        else:
            why = f"a rule of {named.name} {'matches' if decides else 'passes it on'}"
        return {"state": state, "why": why, "steps": [self._step(hit, keys, decides=decides)]}

    def _step(self, hit: Hit, keys: list[PolicyKey], *, decides: bool) -> dict[str, Any]:
        named = hit.trigger or hit
        step = {
            "policy": {
                "kind": named.kind.value,
                "namespace": named.namespace,
                "name": named.name,
                "tier": hit.tier,
            },
            "rule_index": hit.rule_index,
            "action": hit.action.value,
            "text": f"no rule matches: the end of the tier says {hit.action}",
            "decides": decides,
            "yaml": "",
            "lines": (0, 0),
        }
        for key in keys:
            if (key.kind, key.namespace, self._plan.names[key]) == (named.kind, named.namespace, named.name):
                written = self._view.written(key)
                rules = self._plan.policies[key].rules(self._direction) or ()
                if not self._sight.sees_policy(key.namespace):
                    step["text"] = HIDDEN
                elif 0 <= hit.rule_index < len(rules):
                    step["text"] = rule_text(rules[hit.rule_index])
                step["yaml"] = written.yaml
                step["lines"] = written.lines.get((self._direction, hit.rule_index), (0, 0))
        return step
