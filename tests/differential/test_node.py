"""What a node does beyond policy (spec/policy-semantics §9): state, spoofing, its own traffic, closed
interfaces."""

from collections.abc import Sequence

import msgspec
import pytest

from ocicat.dataplane.nft.kernel import NftKernel
from ocicat.dataplane.nft.settings import DEFAULT_SETTINGS, Denial, RulesetSettings, ToHost
from ocicat.engine.index import PolicyIndex
from ocicat.engine.policy import (
    Direction,
    Entity,
    EntityKey,
    EntityKind,
    Policy,
    PolicyKey,
    Profile,
    Rule,
    Side,
)
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address, PortRange
from ocicat.model.selector import Selector
from support.enforced import NODE, KernelView
from support.kernel import NODE_ADDRESSES, nft_program
from support.packets import Shot
from support.pods_net import HOST, WORLD, PodsNet, Result

pytestmark = pytest.mark.kernel

FAMILIES = (4, 6)
A = {4: Address.parse("10.65.0.1"), 6: Address.parse("fd65::1")}
B = {4: Address.parse("10.65.0.2"), 6: Address.parse("fd65::2")}
OUTSIDE = {4: Address.parse("192.0.2.1"), 6: Address.parse("2001:db8::1")}
NODE_AT = dict(zip(FAMILIES, NODE_ADDRESSES, strict=True))
DELIVERED, REFUSED, LOST = Result.DELIVERED, Result.REFUSED, Result.LOST


def pod(name: str, addresses: Sequence[Address]) -> Entity:
    key = EntityKey(EntityKind.WORKLOAD, "n", name)
    return Entity(key, {"name": name}, ("kns.n",), addresses=tuple(addresses), node=NODE)


def policy(name: str, selector: str, **rules: tuple[Rule, ...]) -> Policy:
    key = PolicyKey(HitKind.CALICO_NETWORK_POLICY, "n", name)
    return Policy(key, "default", Selector.parse(selector), **rules)


class Enforced:
    """Pods `a` and `b` of namespace `n`, whose profile allows everything, and a kernel to enforce policy."""

    def __init__(self, net: PodsNet, settings: RulesetSettings = DEFAULT_SETTINGS) -> None:
        self.net = net
        net.add({"a": tuple(A.values()), "b": tuple(B.values())})
        self.kernel = NftKernel(nft_program(net.namespaces), settings, services=None)
        self.view = KernelView(net, self.kernel.book)
        self.index = PolicyIndex()
        allow = (Rule(Action.ALLOW),)
        self.index.put_profile(Profile("kns.n", allow, allow))
        self.index.put_entity(Entity(EntityKey(EntityKind.NODE, "", NODE), addresses=NODE_ADDRESSES))
        for name, addresses in (("a", A), ("b", B)):
            self.index.put_entity(pod(name, tuple(addresses.values())))
        self.pods = ("a", "b")

    def enforce(self, *policies: Policy, forget: bool = True) -> None:
        for item in policies:
            self.index.put_policy(item)
        interfaces = {
            EntityKey(EntityKind.WORKLOAD, "n", name): self.net.pods[name].interface for name in self.pods
        }
        self.kernel.enforce(self.index.plan(), interfaces)
        if forget:
            self.view.forget()

    def results(self, *shots: Shot) -> list[Result]:
        return [seen.result for seen in self.net.probe(shots)]


def port_of(number: int) -> Side:
    return Side(ports=(PortRange(number, number),))


@pytest.fixture
def enforced(pods_net: PodsNet) -> Enforced:
    return Enforced(pods_net)


def tcp(origin: str, source: Address, destination: Address, port: int = 80, **fields: int) -> Shot:
    return Shot(origin, source, destination, 6, port, **fields)


@pytest.mark.parametrize("family", FAMILIES)
class TestOwnNode:
    """§9.2."""

    def test_host_to_local_pod_is_always_allowed(self, enforced: Enforced, family: int) -> None:
        enforced.enforce(policy("closed", "all()", ingress=(), egress=()))
        shots = [tcp(HOST, NODE_AT[family], B[family]), tcp("a", A[family], B[family])]
        assert enforced.results(*shots) == [DELIVERED, LOST]

    def test_pod_to_own_host_needs_its_egress_policy_alone(self, enforced: Enforced, family: int) -> None:
        to_host = Rule(Action.ALLOW, destination=port_of(22))
        enforced.enforce(policy("ssh", "name == 'a'", egress=(msgspec.structs.replace(to_host, protocol=6),)))
        shots = [tcp("a", A[family], NODE_AT[family], 22), tcp("a", A[family], NODE_AT[family], 23)]
        assert enforced.results(*shots) == [DELIVERED, LOST]

    def test_another_host_is_subject_to_policy(self, enforced: Enforced, family: int) -> None:
        enforced.enforce(policy("closed", "all()", ingress=()))
        assert enforced.results(tcp(WORLD, OUTSIDE[family], B[family])) == [LOST]

    def test_dropping_what_pods_send_to_the_host_is_a_setting(self, pods_net: PodsNet, family: int) -> None:
        enforced = Enforced(pods_net, RulesetSettings(to_host=ToHost.DROP))
        enforced.enforce()
        shots = [tcp("a", A[family], NODE_AT[family]), tcp("a", A[family], B[family])]
        assert enforced.results(*shots) == [LOST, DELIVERED]


@pytest.mark.parametrize("kind", [130, 131, 132, 133, 135, 136])
def test_neighbour_discovery_reaches_the_host_whatever_policy_says(enforced: Enforced, kind: int) -> None:
    """§9.2: "ICMPv6 types 130, 131, 132, 133, 135, 136 are accepted before policy"."""
    enforced.enforce(policy("closed", "all()", egress=()))
    discovery = Shot("a", A[6], NODE_AT[6], 58, icmp_type=kind)
    echo = Shot("a", A[6], NODE_AT[6], 58, icmp_type=128)
    assert enforced.results(discovery, echo) == [DELIVERED, LOST]


@pytest.mark.parametrize(
    ("settings", "vxlan", "ipip"),
    [
        (RulesetSettings(), LOST, LOST),
        (RulesetSettings(allow_vxlan_from_pods=True), DELIVERED, LOST),
        (RulesetSettings(allow_ipip_from_pods=True), LOST, DELIVERED),
    ],
)
def test_tunnels_of_pods_are_dropped_before_policy(
    pods_net: PodsNet, settings: RulesetSettings, vxlan: Result, ipip: Result
) -> None:
    """§9.2: "UDP to the VXLAN port and IP protocol 4 (IPIP) are dropped before policy unless …"."""
    enforced = Enforced(pods_net, settings)
    enforced.enforce()
    shots = [
        Shot("a", A[4], OUTSIDE[4], 17, 4789),
        Shot("a", A[4], OUTSIDE[4], 4),
        Shot("a", A[4], B[4], 17, 53),
    ]
    assert enforced.results(*shots) == [vxlan, ipip, DELIVERED]
    assert enforced.results(Shot(WORLD, OUTSIDE[4], B[4], 17, 4789)) == [DELIVERED]  # "Not for ingress."


@pytest.mark.parametrize("family", FAMILIES)
class TestInterfaces:
    def test_a_pod_can_send_from_its_own_addresses_only(self, enforced: Enforced, family: int) -> None:
        """§9.2, anti-spoofing."""
        enforced.enforce()
        shots = [
            tcp("a", A[family], OUTSIDE[family]),
            tcp("a", B[family], OUTSIDE[family]),
            tcp("a", OUTSIDE[family], B[family]),
            tcp("a", B[family], NODE_AT[family]),
        ]
        assert enforced.results(*shots) == [DELIVERED, LOST, LOST, LOST]

    def test_a_pod_cannot_join_a_connection_of_another(self, enforced: Enforced, family: int) -> None:
        enforced.enforce()
        first = tcp("a", A[family], OUTSIDE[family], source_port=50000)
        answer = tcp(WORLD, OUTSIDE[family], A[family], 50000, source_port=80)
        assert enforced.results(first, answer) == [DELIVERED, DELIVERED]
        assert enforced.results(msgspec.structs.replace(first, origin="b")) == [LOST]

    def test_an_interface_is_closed_until_its_pod_is_programmed(
        self, enforced: Enforced, family: int
    ) -> None:
        enforced.pods = ("a",)
        enforced.enforce()
        shots = [
            tcp("a", A[family], B[family]),
            tcp("b", B[family], A[family]),
            tcp("b", B[family], NODE_AT[family]),
            tcp(WORLD, OUTSIDE[family], B[family]),
            tcp(WORLD, OUTSIDE[family], A[family]),
        ]
        assert enforced.results(*shots) == [LOST, LOST, LOST, LOST, DELIVERED]

    def test_a_pod_without_policy_and_profile_is_denied(self, enforced: Enforced, family: int) -> None:
        """§7.3: "A WEP with no attached policy and no profile … is denied"."""
        bare = msgspec.structs.replace(pod("b", tuple(B.values())), profiles=())
        enforced.index.put_entity(bare)
        enforced.enforce()
        (verdict, _), *_ = enforced.view.verdicts([tcp("b", B[family], A[family])])
        assert not verdict.allowed
        assert verdict.src[0] is not None
        assert [hit.text() for hit in verdict.src[0]] == ["0|__PROFILE__|pro:__NO_MATCH__|deny|0"]

    def test_traffic_of_others_is_left_alone(self, enforced: Enforced, family: int) -> None:
        enforced.enforce(policy("closed", "all()", ingress=(), egress=()))
        assert enforced.results(tcp(WORLD, OUTSIDE[family], NODE_AT[family])) == [DELIVERED]
        assert enforced.results(tcp(HOST, NODE_AT[family], OUTSIDE[family])) == [DELIVERED]


@pytest.mark.parametrize("family", FAMILIES)
class TestState:
    """§9.1."""

    def test_replies_need_no_rule_and_a_policy_cuts_no_connection(
        self, enforced: Enforced, family: int
    ) -> None:
        enforced.enforce()
        first = tcp("a", A[family], B[family], source_port=50000)
        answer = tcp("b", B[family], A[family], 50000, source_port=80)
        assert enforced.results(first, answer) == [DELIVERED, DELIVERED]
        enforced.enforce(policy("closed", "all()", ingress=(), egress=()), forget=False)
        assert enforced.results(first, tcp("a", A[family], B[family], source_port=50001)) == [DELIVERED, LOST]

    def test_rejecting_is_a_setting(self, pods_net: PodsNet, family: int) -> None:
        """§9.3."""
        enforced = Enforced(pods_net, RulesetSettings(denial=Denial.REJECT))
        enforced.enforce(policy("closed", "name == 'b'", ingress=()))
        shots = [Shot("a", A[family], B[family], protocol, 80) for protocol in (6, 17, 132)]
        assert enforced.results(*shots) == [REFUSED] * 3

    def test_every_denied_packet_is_counted(self, enforced: Enforced, family: int) -> None:
        enforced.enforce(policy("closed", "name == 'b'", ingress=()))
        shot = tcp("a", A[family], B[family])
        assert enforced.results(*[shot] * 3) == [LOST] * 3
        listing = enforced.net.namespaces.run("nft", "-j", "list", "set", "inet", "ocicat", f"denied{family}")
        (_, body) = msgspec.json.decode(listing)["nftables"]
        (element,) = body["set"]["elem"]
        assert element["elem"]["counter"]["packets"] == 3

    def test_traffic_passes_when_the_set_of_flows_is_full(self, enforced: Enforced, family: int) -> None:
        enforced.enforce()
        rules = f"""
            flush set inet ocicat conns{family}
            flush chain inet ocicat account_allow{family}
            add set inet ocicat tiny {{ type inet_service ; size 2 ; flags dynamic,timeout ; timeout 60s ; }}
            add rule inet ocicat account_allow{family} update @tiny {{ th dport counter }}
            add rule inet ocicat account_allow{family} accept
        """
        enforced.net.namespaces.run("nft", "-f", "-", stdin=rules)
        shots = [tcp("a", A[family], B[family], port) for port in range(80, 90)]
        assert enforced.results(*shots) == [DELIVERED] * 10


def test_log_rules_are_passed_and_leave_no_hit(enforced: Enforced) -> None:
    """§7.3: "Log continues with the next rule"."""
    enforced.enforce(policy("logged", "name == 'b'", ingress=(Rule(Action.LOG), Rule(Action.ALLOW))))
    (verdict, _), *_ = enforced.view.verdicts([tcp("a", A[4], B[4])])
    assert verdict.allowed
    assert verdict.dst[0] is not None
    assert [hit.text() for hit in verdict.dst[0]] == ["0|default|np:n/logged|allow|1"]
    listing = enforced.net.namespaces.run("nft", "list", "table", "inet", "ocicat")
    assert 'log prefix "calico-packet: "' in listing


def test_numbers_are_known_after_a_restart(enforced: Enforced) -> None:
    enforced.enforce(policy("p", "name == 'b'", ingress=(Rule(Action.ALLOW, protocol=6),)))
    after = NftKernel(nft_program(enforced.net.namespaces), services=None)
    assert after.adopt() == {enforced.net.pods[name].interface for name in ("a", "b")}
    for direction in Direction:
        assert after.book.known(direction) == enforced.kernel.book.known(direction)
        assert after.book.known(direction)
