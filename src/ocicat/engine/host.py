"""Host endpoints: which one a packet meets on a node, and what its lists say.

Source: spec/policy-semantics §3.9 (which endpoint claims an interface), §8 (stages, failsafe ports).

A Plan knows a node by its addresses, not by its interfaces. The interface that a packet takes in and out of a
node is therefore the one that bears the node's addresses: an endpoint claims it by one of them among its
`expectedIPs`, or as `*`. An endpoint that names an interface and expects no address claims nothing here;
where interfaces are known, `claimed` takes their names. The pre-DNAT list is asked about the packet as it is
given.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from ocicat.engine import walk
from ocicat.engine.decision import HostStep
from ocicat.engine.packet import Packet
from ocicat.engine.plan import Plan, PolicyClass, PolicyList
from ocicat.engine.policy import Direction, Entity, EntityKey, EntityKind
from ocicat.engine.walk import Finder
from ocicat.model.flow import Action
from ocicat.model.net import Address, Prefix

FinderFor = Callable[[Plan, PolicyClass, Packet], Finder]


class Failsafe(msgspec.Struct, frozen=True):
    """A port that no host policy can close, in the hope that a mistake can still be mended."""

    protocol: int
    port: int
    net: Prefix | None = None
    """Whom it is for: the source of inbound, the destination of outbound packets; None for all."""


def _failsafes(items: str) -> tuple[Failsafe, ...]:
    protocols = {"tcp": 6, "udp": 17}
    pairs = (item.split(":") for item in items.split())
    return tuple(Failsafe(protocols[protocol], int(port)) for protocol, port in pairs)


INBOUND_FAILSAFES: Final = _failsafes(
    "tcp:22 udp:68 tcp:179 tcp:2379 tcp:2380 tcp:5473 tcp:6443 tcp:6666 tcp:6667"
)
"""Felix's defaults, by destination port of packets to the host."""
OUTBOUND_FAILSAFES: Final = _failsafes(
    "udp:53 udp:67 tcp:179 tcp:2379 tcp:2380 tcp:5473 tcp:6443 tcp:6666 tcp:6667"
)
"""Felix's defaults, by destination port of packets from the host."""


def claimed(endpoints: Iterable[Entity], interface: str, addresses: Iterable[Address]) -> Entity | None:
    """Return the host endpoint that claims an interface of its node (§3.9).

    Args:
        endpoints: The host endpoints of one node.
        interface: The interface's name; empty where it is not known.
        addresses: The addresses on the interface.
    """
    present = frozenset(addresses)
    by_name = sorted(endpoints, key=lambda endpoint: endpoint.key)
    for endpoint in by_name:
        if endpoint.interface == "*":
            continue
        named = interface != "" and endpoint.interface == interface
        by_address = (endpoint.interface == "" or interface == "") and present.intersection(
            endpoint.addresses
        )
        if named or by_address:
            return endpoint
    return next((endpoint for endpoint in by_name if endpoint.interface == "*"), None)


def endpoint_on(plan: Plan, node: str | None) -> Entity | None:
    """Return the host endpoint that a packet into or out of the node meets, or None."""
    if node is None:
        return None
    of_node = [plan.entities[plan.numbers[key]] for key in plan.hosts.get(node, ())]
    if not of_node:
        return None
    number = plan.numbers.get(EntityKey(EntityKind.NODE, "", node))
    addresses = plan.entities[number].addresses if number is not None else ()
    return claimed(of_node, "", addresses)


def leaving(
    plan: Plan, node: str | None, packet: Packet, *, forwarded: bool, finder: FinderFor
) -> list[HostStep]:
    """Return what the host endpoint of `node` says to a packet that leaves the node.

    `forwarded` tells that a pod sends it; otherwise a process of the host does.
    """
    endpoint = endpoint_on(plan, node)
    if endpoint is None:
        return []
    ask = _Asker(plan, endpoint, packet, Direction.EGRESS, finder)
    if forwarded:
        return list(ask.forward())
    return list(ask.stages(PolicyList.UNTRACKED, PolicyList.NORMAL))


def arriving(
    plan: Plan, node: str | None, packet: Packet, *, forwarded: bool, finder: FinderFor
) -> list[HostStep]:
    """Return what the host endpoint of `node` says to a packet that comes to the node from elsewhere.

    `forwarded` tells that it is for a pod; otherwise it is for a process of the host.
    """
    endpoint = endpoint_on(plan, node)
    if endpoint is None:
        return []
    ask = _Asker(plan, endpoint, packet, Direction.INGRESS, finder)
    early = list(ask.stages(PolicyList.UNTRACKED, PolicyList.PRE_DNAT))
    if early and early[-1].action is not None and not (forwarded and early[-1].failsafe):
        return early
    return early + list(ask.forward() if forwarded else ask.stages(PolicyList.NORMAL))


class _Asker:
    """Asks the lists of one host endpoint about one packet."""

    def __init__(
        self, plan: Plan, endpoint: Entity, packet: Packet, direction: Direction, finder: FinderFor
    ) -> None:
        self.plan = plan
        self.endpoint = endpoint
        self.packet = packet
        self.direction = direction
        self.finder = finder

    def stages(self, *lists: PolicyList) -> Iterator[HostStep]:
        """Yield what each list says, up to the first that decides. Failsafe ports come first (§8)."""
        if self._is_failsafe():
            yield HostStep(self.endpoint.key, lists[0], self.direction, Action.ALLOW, (), failsafe=True)
            return
        for policies in lists:
            step = self._ask(policies)
            if policies is PolicyList.NORMAL or step.trace:
                yield step
            if step.action is not None:
                return

    def forward(self) -> Iterator[HostStep]:
        """Yield what the forward list says; without any forward policy it says nothing (§8)."""
        step = self._ask(PolicyList.FORWARD)
        if step.trace:
            yield step

    def _ask(self, policies: PolicyList) -> HostStep:
        class_id = self.plan.endpoints[self.endpoint.key].class_id(self.direction, policies)
        policy_class = self.plan.classes[class_id]
        finder = self.finder(self.plan, policy_class, self.packet)
        walked = walk.enforced(self.plan, policy_class, finder)
        return HostStep(self.endpoint.key, policies, self.direction, walked.action, walked.trace)

    def _is_failsafe(self) -> bool:
        inbound = self.direction is Direction.INGRESS
        peer = self.packet.source if inbound else self.packet.destination
        return any(
            item.protocol == self.packet.protocol
            and item.port == self.packet.destination_port
            and (item.net is None or item.net.contains(peer.family, peer.bits))
            for item in (INBOUND_FAILSAFES if inbound else OUTBOUND_FAILSAFES)
        )
