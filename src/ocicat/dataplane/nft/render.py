"""`render`: what a node's kernel must hold to enforce a Plan for the pods on that node. Pure.

The way of a new connection from pod to pod (IPv4; IPv6 alike):

    forward ─ jump from_pod ─ from4 ── by peer ───── from_p4_… ┐
                                │ (no remainder)               ├─ from_s_… ─ from_t3: mark, return
                                ├── by CIDR ──────── from_n4_… ┤
                                └── the rest ─────────────────┘
            ─ goto to_pod ─── to4 ─ … ─ to_s_… ─ to_t17: mark, count, accept

`…_p4` and `…_n4` are chains of peer groups (`peers`): each sends an interface with its address to the
signature chain (`answers`) that judges this group for that pod. A peer that no map holds is judged as the
rest.

Source: design/dataplane §1, §2; docs/adr/0007.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from ocicat.dataplane.nft.answers import SHORT, Answers, trace_chain
from ocicat.dataplane.nft.frame import ADDRESS_TYPE, FAMILIES, GATES, HEADER, frame
from ocicat.dataplane.nft.judges import Epochs, Judge, Judges
from ocicat.dataplane.nft.kinds import Criteria, Segment, kinds_of
from ocicat.dataplane.nft.peers import PeerGroup, Peers, judged_peers
from ocicat.dataplane.nft.ruleset import Chain, Container, Ruleset, digest, element_texts
from ocicat.dataplane.nft.settings import DEFAULT_SETTINGS, RulesetSettings
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.peers import PeerTable
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, EntityKey
from ocicat.engine.program import Outcome
from ocicat.model.net import WIDTH, Address, Prefix

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
        self._epochs = Epochs()
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
        return Ruleset.of(self._settings.table, *parts, gates=GATES)

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
        judges = list({local.judges[direction]: None for local in locals_})
        position = {judge: number for number, judge in enumerate(judges)}
        peers = self._peers(family, judges, answers) if judges else Peers((), (), ())
        of_judge: list[list[str]] = [[] for _ in judges]
        for local in locals_:
            of_judge[position[local.judges[direction]]].append(local.element)
        yield from _Scene(direction, family, of_judge).chains(peers)

    def _peers(self, family: int, judges: Sequence[Judge], answers: Answers) -> Peers:
        plan = answers.plan
        kinds = kinds_of(plan, family, Criteria.together([judge.criteria for judge in judges]))
        judged = [Address(family, bits) for bits in (*kinds.examples, *kinds.free)]
        epoch = self._epochs.of(plan, (answers.direction, family), judged)
        table = PeerTable(plan, judged)
        return judged_peers(kinds, [judge.row(plan, epoch, judged, table, answers) for judge in judges])


def _owners(locals_: Sequence[Local]) -> Iterator[Container]:
    for family in FAMILIES:
        owned = {local.element: "" for local in locals_ if local.address.family == family}
        yield Container(f"owners{family}", f"ifname . {ADDRESS_TYPE[family]}", elements=owned)


class _Scene:
    """Names and expressions of one direction of one family."""

    def __init__(self, direction: Direction, family: int, pods: Sequence[Sequence[str]]) -> None:
        """Take, for each Program, the pods that it judges as elements of maps."""
        self.way = SHORT[direction]
        self.family = family
        self.pods = pods
        egress = direction is Direction.EGRESS
        header = HEADER[family]
        self.peer = f"{header} {'daddr' if egress else 'saddr'}"
        self.pod = f"iifname . {header} saddr" if egress else f"oifname . {header} daddr"
        self.pod_type = f"ifname . {ADDRESS_TYPE[family]} : verdict"
        self.peer_type = f"{ADDRESS_TYPE[family]} : verdict"

    def chains(self, peers: Peers) -> Iterator[Chain | Container]:
        """Yield the chains: exact peers, then CIDRs, then the rest, and the chains of groups."""
        way, family = self.way, self.family
        exact, nets, rest = f"{way}_peers{family}", f"{way}_nets{family}", f"{way}_rest{family}"
        yield Container(exact, self.peer_type, elements=dict(self._exact_elements(peers.exact)))
        yield Chain(f"{way}{family}", (f"{self.peer} vmap @{exact}", f"goto {nets}"))
        yield from self._nets(nets, dict(self._net_elements(peers.wide)), rest)
        yield Container(rest, self.pod_type, elements=self._answers_of(enumerate(peers.rest)))
        yield Chain(rest, (f"{self.pod} vmap @{rest}", "goto unprogrammed"))
        for group in peers.exact:
            yield from self._group(group, nets)
        for group in peers.wide:
            yield from self._group(group, rest)

    def _nets(self, name: str, elements: dict[str, str], rest: str) -> Iterator[Chain | Container]:
        """Yield the CIDRs. Their map is named by its content, and replaced as a whole when that changes.

        nft 1.0.6 fails to change intervals in place: it adds what the same transaction has just removed.
        """
        if not elements:
            yield Chain(name, (f"goto {rest}",))
            return
        content = Container(
            f"{name}_{digest(element_texts(elements))}", self.peer_type, ("flags interval",), elements
        )
        yield content
        yield Chain(name, (f"{self.peer} vmap @{content.name}", f"goto {rest}"))

    def _name(self, group: PeerGroup) -> str:
        kind = "p" if group.addresses else "n"
        return f"{self.way}_{kind}{self.family}_{group.name:x}"

    def _exact_elements(self, groups: Sequence[PeerGroup]) -> Iterator[tuple[str, str]]:
        for group in groups:
            for bits in group.addresses:
                yield address_text(Address(self.family, bits)), f"goto {self._name(group)}"

    def _net_elements(self, groups: Sequence[PeerGroup]) -> Iterator[tuple[str, str]]:
        for group in groups:
            for segment in group.segments:
                yield range_text(self.family, segment), f"goto {self._name(group)}"

    def _group(self, group: PeerGroup, otherwise: str) -> Iterator[Chain | Container]:
        name = self._name(group)
        yield Container(name, self.pod_type, elements=self._answers_of(group.answers))
        yield Chain(name, (f"{self.pod} vmap @{name}", f"goto {otherwise}"))

    def _answers_of(self, answers: Iterable[tuple[int, str]]) -> dict[str, str]:
        """Return the elements that send each Program's pods to its answer."""
        found: dict[str, str] = {}
        for program, answer in answers:
            found.update(dict.fromkeys(self.pods[program], f"goto {answer}"))
        return found


def range_text(family: int, segment: Segment) -> str:
    """Return a segment as nft prints it: a CIDR where it is one, else both ends."""
    size = segment.last - segment.first + 1
    length = WIDTH[family] - (size.bit_length() - 1)
    if size & (size - 1) == 0 and segment.first % size == 0:
        return str(Prefix(family, segment.first, length))
    return f"{Address(family, segment.first)}-{Address(family, segment.last)}"


@lru_cache(maxsize=1 << 17)
def address_text(address: Address) -> str:
    """Return an address as text; the same few thousand are asked for in every rendering."""
    return str(address)
