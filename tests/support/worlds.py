"""Random small worlds in the engine's own form: few names, so that policies, peers and packets often meet."""

import math
from typing import Any

import msgspec
from hypothesis import strategies as st

from ocicat.engine.index import PolicyIndex
from ocicat.engine.packet import Packet
from ocicat.engine.plan import ServiceEndpoints
from ocicat.engine.policy import (
    Entity,
    EntityKey,
    EntityKind,
    IcmpMatch,
    NamedPort,
    Policy,
    PolicyKey,
    Profile,
    Rule,
    Side,
    Stage,
    Tier,
)
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import WIDTH, Address, PortRange, Prefix
from ocicat.model.selector import Selector

NAMESPACES = ("a", "b")
POLICY_NAMES = ("p", "q", "t1.p", "default.q", "p-1")
TIERS = ("t1", "t2", "default", "kube-baseline", "gone")
"""`gone` never exists: policies in it go to the stand-in tier."""
SELECTORS = tuple(
    Selector.parse(text)
    for text in (
        "all()",
        "app == 'web'",
        "app != 'web'",
        "app in {'db', 'web'}",
        "has(role)",
        "!has(role)",
        "pcns.team == 'red'",
        "projectcalico.org/namespace == 'a'",
        "projectcalico.org/namespace == 'a' && app == 'web'",
        "projectcalico.org/namespace == 'b' && (app contains 'e' || role == 'r')",
        "app starts with 'd' || role not in {'r'}",
        "kind == 'net'",
    )
)
NETS = tuple(
    Prefix.parse(text)
    for text in (
        "10.0.0.0/24",
        "10.0.0.0/30",
        "10.0.0.2/32",
        "192.0.2.0/24",
        "0.0.0.0/0",
        "fd00::/64",
        "fd00::2/128",
        "2001:db8::/32",
        "::/0",
    )
)
ADDRESSES = tuple(Address(4, (10 << 24) + n) for n in range(1, 8)) + tuple(
    Address(6, (0xFD00 << 112) + n) for n in range(1, 8)
)
OUTSIDE = tuple(Address.parse(text) for text in ("192.0.2.7", "198.51.100.1", "2001:db8::7", "2001:4860::1"))
PORTS = (PortRange(80, 80), PortRange(1, 79), PortRange(443, 8080), PortRange(1, 65535))
PORT_NAMES = ("http", "dns")
NUMBERS = (53, 79, 80, 81, 443, 9000)
NODES = ("n1", "n2")
SERVICES = (("a", "web"), ("b", "db"))

labels = st.fixed_dictionaries(
    {}, optional={"app": st.sampled_from(("web", "db", "api")), "role": st.just("r"), "kind": st.just("net")}
)


def tuples_of(items: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=most).map(tuple)


def optional(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | items


selectors = st.sampled_from(SELECTORS)
sides = st.builds(
    Side,
    nets=tuples_of(st.sampled_from(NETS), 2),
    not_nets=tuples_of(st.sampled_from(NETS[:3] + NETS[5:7]), 1),
    selector=optional(selectors),
    not_selector=optional(selectors),
)
sparse_sides = st.just(Side()) | st.just(Side()) | sides
icmp = st.builds(IcmpMatch, type=st.sampled_from((0, 8, 128)), code=optional(st.sampled_from((0, 1))))


SHAPES = ("any", "ports", "named ports", "named ports", "source ports", "icmp", "number", "service", "nodes")


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """A rule of one of the shapes that validation lets through, and some that only the engine can meet."""
    action = draw(st.sampled_from(tuple(Action)))
    families = draw(st.sampled_from(((4, 6), (4, 6), (4,), (6,), ())))
    source, destination = draw(sparse_sides), draw(sparse_sides)
    shape = draw(st.sampled_from(SHAPES))
    rule = Rule(action, families, source=source, destination=destination)
    if shape == "ports":
        rule = msgspec.structs.replace(
            rule,
            protocol=draw(st.sampled_from((6, 17, 132))),
            destination=msgspec.structs.replace(
                destination,
                ports=draw(tuples_of(st.sampled_from(PORTS), 2)),
                named_ports=draw(tuples_of(st.sampled_from(PORT_NAMES), 1)),
                not_ports=draw(tuples_of(st.sampled_from(PORTS[:2]), 1)),
                not_named_ports=draw(tuples_of(st.sampled_from(PORT_NAMES), 1)),
            ),
        )
        if not (rule.destination.ports or rule.destination.not_ports) and draw(st.booleans()):
            rule = msgspec.structs.replace(rule, protocol=None)
    elif shape == "named ports":
        side = msgspec.structs.replace(destination, named_ports=(draw(st.sampled_from(PORT_NAMES)),))
        rule = msgspec.structs.replace(rule, protocol=draw(st.sampled_from((None, 6, 17))), destination=side)
    elif shape == "source ports":
        ports = draw(tuples_of(st.sampled_from(PORTS), 2))
        names = draw(tuples_of(st.sampled_from(PORT_NAMES), 1))
        side = msgspec.structs.replace(source, ports=ports, named_ports=names)
        rule = msgspec.structs.replace(rule, protocol=6, source=side)
    elif shape == "icmp":
        criterion = {"icmp": draw(optional(icmp)), "not_icmp": draw(optional(icmp))}
        rule = msgspec.structs.replace(rule, protocol=draw(st.sampled_from((None, 1, 58))), **criterion)
    elif shape == "number":
        negated = draw(st.booleans())
        number = draw(st.sampled_from((1, 6, 17, 47, 132)))
        rule = msgspec.structs.replace(rule, **{"not_protocol" if negated else "protocol": number})
    elif shape == "service":
        as_source = draw(st.booleans())
        side = Side(service=draw(st.sampled_from(SERVICES)))
        rule = msgspec.structs.replace(rule, **{"source" if as_source else "destination": side})
    elif shape == "nodes":
        rule = msgspec.structs.replace(rule, destination=Side(nodes=draw(selectors)))
    return rule


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    kind = draw(
        st.sampled_from([kind for kind in HitKind if kind not in (HitKind.PROFILE, HitKind.END_OF_TIER)])
    )
    namespaced = kind in (
        HitKind.CALICO_NETWORK_POLICY,
        HitKind.STAGED_NETWORK_POLICY,
        HitKind.NETWORK_POLICY,
    )
    key = PolicyKey(
        kind, draw(st.sampled_from(NAMESPACES)) if namespaced else "", draw(st.sampled_from(POLICY_NAMES))
    )
    host_only = kind is HitKind.GLOBAL_NETWORK_POLICY
    return Policy(
        key,
        tier=draw(st.just("default") | st.sampled_from(TIERS)),
        selector=draw(st.just(SELECTORS[0]) | selectors),
        order=draw(st.sampled_from((math.inf, 0.0, 10.0, 10.0, 100.5))),
        ingress=draw(optional(tuples_of(rules(), 3))),
        egress=draw(optional(tuples_of(rules(), 3))),
        stage=draw(st.sampled_from(tuple(Stage))) if host_only else Stage.NORMAL,
        apply_on_forward=draw(st.booleans()) if host_only else False,
    )


@st.composite
def pods(draw: st.DrawFn) -> Entity:
    number = draw(st.integers(0, 5))
    namespace = NAMESPACES[number % 2]
    own = {**draw(labels), "projectcalico.org/namespace": namespace, "projectcalico.org/orchestrator": "k8s"}
    own.pop("kind", None)
    return Entity(
        EntityKey(EntityKind.WORKLOAD, namespace, f"pod-{number}"),
        labels=own,
        profiles=(f"kns.{namespace}", "ksa.x"),
        addresses=(ADDRESSES[number], ADDRESSES[number + 7])[: draw(st.integers(1, 2))],
        named_ports=draw(
            tuples_of(
                st.builds(
                    NamedPort,
                    st.sampled_from(PORT_NAMES),
                    st.sampled_from((6, 17)),
                    st.sampled_from(NUMBERS),
                ),
                2,
            )
        ),
        node=NODES[number % 2],
    )


@st.composite
def network_sets(draw: st.DrawFn) -> Entity:
    namespace = draw(st.sampled_from(("", *NAMESPACES)))
    own = {**draw(labels), "kind": "net"}
    if namespace:
        own["projectcalico.org/namespace"] = namespace
    return Entity(
        EntityKey(EntityKind.NETWORK_SET, namespace, draw(st.sampled_from(("s", "t")))),
        labels=own,
        profiles=(f"kns.{namespace}",) if namespace else (),
        nets=draw(tuples_of(st.sampled_from(NETS), 3)),
    )


@st.composite
def nodes(draw: st.DrawFn) -> Entity:
    name = draw(st.sampled_from(NODES))
    address = Address(4, (172 << 24) + (18 << 16) + NODES.index(name))
    return Entity(EntityKey(EntityKind.NODE, "", name), labels=draw(labels), addresses=(address,))


@st.composite
def host_endpoints(draw: st.DrawFn) -> Entity:
    node = draw(st.sampled_from(NODES))
    return Entity(
        EntityKey(EntityKind.HOST, "", f"hep-{draw(st.sampled_from('xy'))}-{node}"),
        labels=draw(labels),
        profiles=draw(st.sampled_from(((), ("kns.a",)))),
        addresses=draw(st.sampled_from(((), (Address(4, (172 << 24) + (18 << 16) + NODES.index(node)),)))),
        node=node,
        interface=draw(st.sampled_from(("*", "", "eth0"))),
    )


tiers = st.builds(
    Tier,
    name=st.sampled_from(("t1", "t2")),
    order=st.sampled_from((5.0, 1_000_000.0, 2_000_000.0)),
    default_action=st.sampled_from((Action.DENY, Action.PASS)),
)
profiles = st.builds(
    Profile,
    name=st.sampled_from(("kns.a", "kns.b", "ksa.x")),
    ingress=tuples_of(rules(), 2) | st.just((Rule(Action.ALLOW),)),
    egress=tuples_of(rules(), 2) | st.just((Rule(Action.ALLOW),)),
    labels=st.sampled_from(({}, {"pcns.team": "red"}, {"pcns.team": "blue", "app": "web"})),
)
services = st.tuples(
    st.sampled_from(SERVICES),
    st.lists(
        st.tuples(st.sampled_from(ADDRESSES[:6]), st.sampled_from((6, 17)), st.sampled_from(NUMBERS)),
        max_size=3,
    ).map(lambda ports: ServiceEndpoints(frozenset(ports), frozenset(port[0] for port in ports))),
)


class Facts(msgspec.Struct):
    """The final state of a world, by identity: what a fresh index is fed with."""

    tiers: dict[str, Tier] = {}
    policies: dict[PolicyKey, Policy] = {}
    profiles: dict[str, Profile] = {}
    entities: dict[EntityKey, Entity] = {}
    services: dict[tuple[str, str], ServiceEndpoints] = {}

    def index(self) -> PolicyIndex:
        """Return a fresh index of these facts."""
        index = PolicyIndex()
        for tier in self.tiers.values():
            index.put_tier(tier)
        for profile in self.profiles.values():
            index.put_profile(profile)
        for entity in self.entities.values():
            index.put_entity(entity)
        for policy in self.policies.values():
            index.put_policy(policy)
        for (namespace, name), endpoints in self.services.items():
            index.put_service(namespace, name, endpoints)
        return index


@st.composite
def facts(draw: st.DrawFn, hosts: bool = False, most_policies: int = 5) -> Facts:
    """A whole world; with `hosts` it has host endpoints too."""
    entities = draw(st.lists(pods(), min_size=1, max_size=6))
    entities += draw(st.lists(network_sets(), max_size=3)) + draw(st.lists(nodes(), max_size=2))
    if hosts:
        entities += draw(st.lists(host_endpoints(), max_size=3))
    return Facts(
        tiers={tier.name: tier for tier in draw(st.lists(tiers, max_size=2))},
        policies={policy.key: policy for policy in draw(st.lists(policies(), max_size=most_policies))},
        profiles={profile.name: profile for profile in draw(st.lists(profiles, max_size=3))},
        entities={entity.key: entity for entity in entities},
        services=dict(draw(st.lists(services, max_size=2))),
    )


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    """A packet between addresses of one family, with the fields that its protocol has."""
    family = draw(st.sampled_from((4, 6)))
    pool = [address for address in ADDRESSES + OUTSIDE if address.family == family]
    if family == 4:
        pool += [Address(4, (172 << 24) + (18 << 16) + n) for n in range(2)]
    ends = st.sampled_from(pool[:6]) | st.sampled_from(pool)
    source, destination = draw(ends), draw(ends)
    protocol = draw(st.sampled_from((6, 6, 17, 132, 1, 58, 47)))
    if protocol in (6, 17, 132):
        port, source_port = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from((0, 80, 50000)))
        return Packet(source, destination, protocol, port, source_port)
    if protocol in (1, 58):
        kind, code = draw(st.sampled_from((0, 8, 128))), draw(st.sampled_from((0, 1)))
        return Packet(source, destination, protocol, icmp_type=kind, icmp_code=code)
    return Packet(source, destination, protocol)


def mirrored(address: Address | Prefix) -> Any:
    """Return the IPv6 twin of an IPv4 address or prefix: the same bits below 2001:db8::/96."""
    base = 0x20010DB8 << 96
    if isinstance(address, Address):
        return Address(6, base + address.bits)
    return Prefix(6, base + address.bits, address.length + WIDTH[6] - WIDTH[4])
