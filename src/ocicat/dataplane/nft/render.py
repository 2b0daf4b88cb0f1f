"""`render`: what a node's kernel must hold to enforce a Plan for the pods on that node. Pure.

The way of a new connection from pod to pod (IPv4; IPv6 alike):

    forward ─ jump from_pod ─ by pod ─ from_c4_… ─ by peer ──┐
                                                 ├ by CIDR ──┼ from_s_… ─ from_t3: mark, return
                                                 └ the rest ─┘
            ─ goto to_pod ─── by pod ─ to_c4_… ─── … ───────── to_s_… ─ to_t17: mark, count, accept

`…_c4_…` is the chain of a Program (`judges`), `…_s_…` of a signature (`answers`), `…_t…` of a trace. A pod
that no map holds stays closed.

Source: design/dataplane §1, §2; docs/adr/0009.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import msgspec

from ocicat.dataplane.nft.answers import SHORT, Answers, trace_chain
from ocicat.dataplane.nft.crowds import Crowds
from ocicat.dataplane.nft.frame import ADDRESS_TYPE, FAMILIES, HEADER, frame
from ocicat.dataplane.nft.judges import Judge, Judges
from ocicat.dataplane.nft.kinds import Criteria, Kinds, address_text
from ocicat.dataplane.nft.peers import Row, judged_peers
from ocicat.dataplane.nft.ruleset import Chain, Container, Ruleset, digest, element_texts
from ocicat.dataplane.nft.settings import DEFAULT_SETTINGS, RulesetSettings
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, EntityKey
from ocicat.engine.program import Outcome
from ocicat.model.net import Address

Interfaces = Mapping[EntityKey, str]
"""The interface of each pod that this node has."""


class Local(msgspec.Struct, frozen=True, eq=False):
    """One address of a pod on this node."""

    interface: str
    address: Address
    judges: Mapping[Direction, Judge]

    @property
    def element(self) -> str:
        """The pod's end of a packet, as maps hold it."""
        return f'"{self.interface}" . {address_text(self.address)}'


def render(
    plan: Plan, interfaces: Interfaces, book: TraceBook, settings: RulesetSettings = DEFAULT_SETTINGS
) -> Ruleset:
    """Return the ruleset that enforces `plan` for the pods that `interfaces` names; see `Renderer.render`."""
    return Renderer(settings).render(plan, interfaces, book)


class Renderer:
    """Renders one Plan after the other, and works out only what the one before did not have."""

    def __init__(self, settings: RulesetSettings = DEFAULT_SETTINGS) -> None:
        """Start without memory."""
        self._settings = settings
        self._judges = Judges()
        self._crowds = Crowds()
        self._traces: dict[Direction, dict[int, tuple[Outcome, Chain]]] = {}

    def render(self, plan: Plan, interfaces: Interfaces, book: TraceBook) -> Ruleset:
        """Return the ruleset that enforces `plan` for the pods that `interfaces` names.

        The same Plan, interfaces and numbers of traces give the same ruleset, whatever was before. A pod that
        the Plan does not know stays closed.

        Args:
            plan: The policy, and every endpoint of the cluster.
            interfaces: The pods of this node with their interfaces.
            book: Gives outcomes their numbers. It is told which of them the ruleset writes.
        """
        locals_ = self._local_addresses(plan, interfaces)
        parts: list[Chain | Container] = list(frame(self._settings))
        parts += _owners(locals_)
        for direction in Direction:
            answers = Answers(plan, direction, book, self._settings)
            numbers: set[int] = set()
            for family in FAMILIES:
                own = [local for local in locals_ if local.address.family == family]
                parts += self._judgement(direction, family, own, answers)
                for judge in {local.judges[direction]: None for local in own}:
                    for answering in judge.given:
                        parts += answering.chains
                        numbers |= answering.numbers
            book.rendered(direction, numbers)
            parts += self._trace_chains(direction, book)
        return Ruleset.of(self._settings.table, *parts)

    def _local_addresses(self, plan: Plan, interfaces: Interfaces) -> list[Local]:
        """Return the addresses of this node's pods, with the Judges of each direction."""
        bench = self._judges.begin(plan)
        found = []
        for key in sorted(interfaces):
            number, endpoint = plan.numbers.get(key), plan.endpoints.get(key)
            if number is None or endpoint is None:
                continue
            entity = plan.entities[number]
            for address in entity.addresses:
                judges = {
                    direction: bench.judge(endpoint.class_id(direction), entity, address)
                    for direction in Direction
                }
                found.append(Local(interfaces[key], address, judges))
        self._judges.keep(bench)
        return found

    def _trace_chains(self, direction: Direction, book: TraceBook) -> Iterator[Chain]:
        """Yield a chain for each number in use, the retired ones included."""
        before, now = self._traces.get(direction, {}), {}
        for number, outcome in book.known(direction).items():
            known = before.get(number)
            if known is None or known[0] is not outcome:
                known = outcome, trace_chain(direction, number, outcome)
            now[number] = known
            yield known[1]
        self._traces[direction] = now

    # --- one direction of one family ------------------------------------------------------------------------

    def _judgement(
        self, direction: Direction, family: int, locals_: Sequence[Local], answers: Answers
    ) -> Iterator[Chain | Container]:
        """Yield what judges the pods of a family in a direction, the answering chains apart."""
        scene = _Scene(direction, family)
        judges = list({local.judges[direction]: None for local in locals_})
        if not judges:
            yield scene.pods({})
            return
        plan, criteria = answers.plan, Criteria.together([judge.criteria for judge in judges])
        crowd = self._crowds.of(plan, (direction, family), family, criteria)
        chains: dict[Judge, str] = {}
        for judge in judges:
            row = judge.row(plan, crowd, answers)
            parts = judge.parts(crowd.kinds, row, partial(scene.program, judge.name, crowd.kinds, row))
            chains[judge] = parts[-1].name
            yield from parts
        yield scene.pods({local.element: chains[local.judges[direction]] for local in locals_})


def _owners(locals_: Sequence[Local]) -> Iterator[Container]:
    for family in FAMILIES:
        owned = {local.element: "" for local in locals_ if local.address.family == family}
        yield Container(f"owners{family}", f"ifname . {ADDRESS_TYPE[family]}", elements=owned)


class _Scene:
    """Names and expressions of one direction of one family."""

    def __init__(self, direction: Direction, family: int) -> None:
        self.way = SHORT[direction]
        self.family = family
        egress = direction is Direction.EGRESS
        header = HEADER[family]
        self.peer = f"{header} {'daddr' if egress else 'saddr'}"
        self.pod_type = f"ifname . {ADDRESS_TYPE[family]} : verdict"
        self.peer_type = f"{ADDRESS_TYPE[family]} : verdict"

    def pods(self, chains: Mapping[str, str]) -> Container:
        """Return the map that finds a pod's Program (`frame` asks it); `chains` are theirs by pod."""
        elements = {pod: f"goto {chain}" for pod, chain in chains.items()}
        return Container(f"{self.way}_pods{self.family}", self.pod_type, elements=elements)

    def program(self, judge: str, kinds: Kinds, row: Row) -> Iterator[Chain | Container]:
        """Yield the maps of a Program and last its chain: exact peers, then CIDRs, then the rest.

        The chain is named by what is in it. So a change of CIDRs or rest makes a new chain, and puts it into
        force by elements of the map of pods: 0.1 ms by netlink, where to replace a chain takes a run of nft.
        """
        name, peers = f"{self.way}_c{self.family}_{judge}", judged_peers(kinds, row)
        exact = {peer: f"goto {chain}" for peer, chain in peers.exact.items()}
        yield Container(name, self.peer_type, elements=exact)
        rules = [f"{self.peer} vmap @{name}"]
        if peers.nets:
            nets = {net: f"goto {chain}" for net, chain in peers.nets.items()}
            # Named by its content, and replaced as a whole: nft 1.0.6 fails to change intervals in place.
            held = f"{self.way}_n{self.family}_{digest(element_texts(nets))}"
            yield Container(held, self.peer_type, ("flags interval",), nets)
            rules.append(f"{self.peer} vmap @{held}")
        rules.append(f"goto {peers.rest}")
        yield Chain(f"{name}_{digest(rules)}", tuple(rules))
