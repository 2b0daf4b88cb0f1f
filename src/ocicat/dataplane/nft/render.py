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

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ocicat.dataplane.nft.answers import SHORT, Answers, trace_chain
from ocicat.dataplane.nft.frame import ADDRESS_TYPE, FAMILIES, HEADER, frame
from ocicat.dataplane.nft.peers import SAME, PeerGroup, Peers, Segment, judged_peers
from ocicat.dataplane.nft.ruleset import Chain, Container, Ruleset, digest, element_texts
from ocicat.dataplane.nft.settings import DEFAULT_SETTINGS, RulesetSettings
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.peers import PeerTable
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, Entity, EntityKey
from ocicat.engine.program import Program, bind
from ocicat.model.net import WIDTH, Address, Prefix

Interfaces = Mapping[EntityKey, str]
"""The interface of each pod that this node has."""


class Local(msgspec.Struct, frozen=True):
    """One address of a pod on this node."""

    interface: str
    address: Address
    egress: Program
    ingress: Program


def render(
    plan: Plan, interfaces: Interfaces, book: TraceBook, settings: RulesetSettings = DEFAULT_SETTINGS
) -> Ruleset:
    """Return the ruleset that enforces `plan` for the pods that `interfaces` names.

    The same Plan, interfaces and numbers of traces give the same ruleset, whatever was before. A pod that the
    Plan does not know stays closed.

    Args:
        plan: The policy, and every endpoint of the cluster.
        interfaces: The pods of this node with their interfaces.
        book: Gives outcomes their numbers. It is told which of them the ruleset writes.
        settings: What policy does not say.
    """
    locals_ = local_addresses(plan, interfaces)
    parts: list[Chain | Container] = list(frame(settings))
    parts += _owners(locals_)
    for direction in Direction:
        answers = Answers(plan, direction, book, settings)
        for family in FAMILIES:
            own = [local for local in locals_ if local.address.family == family]
            parts += _judgement(plan, direction, family, own, answers)
        parts += answers.chains.values()
        book.rendered(direction, answers.used)
        parts += (
            trace_chain(direction, number, outcome) for number, outcome in book.known(direction).items()
        )
    return Ruleset.of(settings.table, *parts)


def local_addresses(plan: Plan, interfaces: Interfaces) -> list[Local]:
    """Return the addresses of this node's pods, with the Programs that judge them. Equal Programs are one."""
    binder = _Binder(plan)
    found = []
    for key in sorted(interfaces):
        number = plan.numbers.get(key)
        endpoint = plan.endpoints.get(key)
        if number is None or endpoint is None:
            continue
        entity = plan.entities[number]
        for address in entity.addresses:
            egress, ingress = (
                binder.program(endpoint.class_id(direction), entity, address)
                for direction in (Direction.EGRESS, Direction.INGRESS)
            )
            found.append(Local(interfaces[key], address, egress, ingress))
    return found


class _Binder:
    """Binds each class once for all endpoints to which its rules mean the same."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._table = PeerTable(plan, ())
        self._programs: dict[tuple[str, object], Program] = {}

    def program(self, class_id: str, entity: Entity, address: Address) -> Program:
        """Return the class bound to an address of an endpoint."""
        same = (address.family, entity.named_ports)
        key = (class_id, address if self._table.asks_local_address(class_id) else same)
        if key not in self._programs:
            self._programs[key] = bind(self._plan, self._plan.classes[class_id], address)
        return self._programs[key]


def _owners(locals_: Sequence[Local]) -> Iterator[Container]:
    for family in FAMILIES:
        owned = {_at(local): "" for local in locals_ if local.address.family == family}
        yield Container(f"owners{family}", f"ifname . {ADDRESS_TYPE[family]}", elements=owned)


def _at(local: Local) -> str:
    return f'"{local.interface}" . {local.address}'


# --- one direction of one family ----------------------------------------------------------------------------


def _judgement(
    plan: Plan, direction: Direction, family: int, locals_: Sequence[Local], answers: Answers
) -> Iterator[Chain | Container]:
    """Yield what judges the pods of a family in a direction, the answering chains apart."""
    programs: list[Program] = []
    positions: dict[int, int] = {}
    of_local: list[int] = []
    for local in locals_:
        program = local.egress if direction is Direction.EGRESS else local.ingress
        position = positions.setdefault(id(program), len(programs))
        if position == len(programs):
            programs.append(program)
        of_local.append(position)
    peers = judged_peers(plan, family, programs, answers) if programs else Peers((), (), ())
    scene = _Scene(direction, family, list(zip(locals_, of_local, strict=True)))
    yield from scene.chains(peers)


class _Scene:
    """Names and expressions of one direction of one family."""

    def __init__(self, direction: Direction, family: int, locals_: Sequence[tuple[Local, int]]) -> None:
        self.way = SHORT[direction]
        self.family = family
        self.locals = locals_
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
        yield Container(rest, self.pod_type, elements=self._answers_of(peers.rest))
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
                yield str(Address(self.family, bits)), f"goto {self._name(group)}"

    def _net_elements(self, groups: Sequence[PeerGroup]) -> Iterator[tuple[str, str]]:
        for group in groups:
            for segment in group.segments:
                yield range_text(self.family, segment), f"goto {self._name(group)}"

    def _group(self, group: PeerGroup, otherwise: str) -> Iterator[Chain | Container]:
        name = self._name(group)
        yield Container(name, self.pod_type, elements=self._answers_of(group.answers))
        yield Chain(name, (f"{self.pod} vmap @{name}", f"goto {otherwise}"))

    def _answers_of(self, answers: Sequence[str]) -> dict[str, str]:
        return {
            _at(local): f"goto {answers[program]}"
            for local, program in self.locals
            if answers[program] != SAME
        }


def range_text(family: int, segment: Segment) -> str:
    """Return a segment as nft prints it: a CIDR where it is one, else both ends."""
    size = segment.last - segment.first + 1
    length = WIDTH[family] - (size.bit_length() - 1)
    if size & (size - 1) == 0 and segment.first % size == 0:
        return str(Prefix(family, segment.first, length))
    return f"{Address(family, segment.first)}-{Address(family, segment.last)}"
