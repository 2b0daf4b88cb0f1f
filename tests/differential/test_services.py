"""Services by NAT (design/dataplane §6, spec/policy-semantics §9.4), with packets of every protocol."""

import subprocess
from collections.abc import Sequence

import msgspec
import pytest

from ocicat.dataplane.nft.kernel import NftKernel
from ocicat.dataplane.nft.services import ServiceSettings, ServiceWithSlices
from ocicat.engine.index import PolicyIndex
from ocicat.engine.policy import (
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
from ocicat.model.kubernetes import EndpointSlice, Service
from ocicat.model.net import Address, PortRange, Prefix
from ocicat.model.selector import Selector
from support.enforced import NODE
from support.kernel import NODE_ADDRESSES, nft_program
from support.packets import Shot
from support.pods_net import HOST, WORLD, PodsNet, Result, Seen

pytestmark = pytest.mark.kernel

FAMILIES = (4, 6)
PODS = {
    name: (Address.parse(f"10.65.0.{number}"), Address.parse(f"fd65::{number}"))
    for number, name in enumerate(("a", "b", "c"), start=1)
}
VIP = {4: Address.parse("10.96.0.10"), 6: Address.parse("fd96::10")}
EXTERNAL = {4: Address.parse("203.0.113.5"), 6: Address.parse("2001:db8:5::1")}
OUTSIDE = {4: Address.parse("192.0.2.1"), 6: Address.parse("2001:db8::1")}
NODE_AT = dict(zip(FAMILIES, NODE_ADDRESSES, strict=True))
SETTINGS = ServiceSettings(pod_nets=(Prefix.parse("10.65.0.0/16"), Prefix.parse("fd65::/64")))
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


def at(name: str, family: int) -> Address:
    return PODS[name][FAMILIES.index(family)]


def service(backends: Sequence[str], **conditions: bool) -> ServiceWithSlices:
    """Service `web`: port 80 of every protocol, named, to port 8080 of the backends; node port 30080."""
    ports = [
        {"name": name.lower(), "protocol": name, "port": 80, "targetPort": "web", "nodePort": 30080}
        for name in PROTOCOLS
    ]
    spec = {
        "clusterIP": str(VIP[4]),
        "clusterIPs": [str(address) for address in VIP.values()],
        "externalIPs": [str(address) for address in EXTERNAL.values()],
        "ports": ports,
    }
    meta = {"name": "web", "namespace": "n"}
    told = msgspec.convert({"metadata": meta, "spec": spec}, Service)
    slices = [
        msgspec.convert(
            {
                "metadata": {"name": f"web-{family}", "namespace": "n"},
                "addressType": f"IPv{family}",
                "endpoints": [
                    {"addresses": [str(at(name, family))], "conditions": conditions} for name in backends
                ],
                "ports": [{"name": name.lower(), "protocol": name, "port": 8080} for name in PROTOCOLS],
            },
            EndpointSlice,
        )
        for family in FAMILIES
    ]
    return told, tuple(slices)


class Cluster:
    """Pods a, b and c, whose profile allows everything, with a kernel that does Services."""

    def __init__(
        self, net: PodsNet, *, stack: bool = False, services: ServiceSettings | None = SETTINGS
    ) -> None:
        self.net = net
        net.add(PODS, stack=stack)
        self.kernel = NftKernel(nft_program(net.namespaces), services=services)
        self.index = PolicyIndex()
        allow = (Rule(Action.ALLOW),)
        self.index.put_profile(Profile("kns.n", allow, allow))
        self.index.put_entity(Entity(EntityKey(EntityKind.NODE, "", NODE), addresses=NODE_ADDRESSES))
        for name, addresses in PODS.items():
            key = EntityKey(EntityKind.WORKLOAD, "n", name)
            self.index.put_entity(Entity(key, {"name": name}, ("kns.n",), addresses=addresses, node=NODE))

    def enforce(self, *services: ServiceWithSlices) -> None:
        interfaces = {
            EntityKey(EntityKind.WORKLOAD, "n", name): self.net.pods[name].interface for name in PODS
        }
        self.kernel.enforce(self.index.plan(), interfaces, services)
        self.net.namespaces.run("conntrack", "-F")


def arrived(seen: Seen) -> tuple[str, str, int]:
    """Return where a packet arrived, and its destination there."""
    assert seen.arrival is not None
    return seen.place, str(seen.arrival.destination), seen.arrival.port


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
class TestFronts:
    def test_each_front_leads_to_the_backend(self, pods_net: PodsNet, family: int, protocol: int) -> None:
        cluster = Cluster(pods_net)
        cluster.enforce(service(["b"]))
        a = at("a", family)
        shots = [
            Shot("a", a, VIP[family], protocol, 80),
            Shot("a", a, EXTERNAL[family], protocol, 80),
            Shot("a", a, NODE_AT[family], protocol, 30080),
            Shot(WORLD, OUTSIDE[family], NODE_AT[family], protocol, 30080),
            Shot(HOST, NODE_AT[family], VIP[family], protocol, 80),
        ]
        wanted = ("b", str(at("b", family)), 8080)
        assert [arrived(seen) for seen in pods_net.probe(shots)] == [wanted] * len(shots)

    def test_policy_sees_the_backend(self, pods_net: PodsNet, family: int, protocol: int) -> None:
        """§9.4: "rules see backend (pod or node) address and target port"."""
        cluster = Cluster(pods_net)
        port = Side(ports=(PortRange(8080, 8080),))
        rules = {
            "a": Rule(Action.ALLOW, protocol=protocol, destination=port),
            "c": Rule(Action.ALLOW, protocol=protocol, destination=Side(ports=(PortRange(80, 80),))),
        }
        for name, rule in rules.items():
            key = PolicyKey(HitKind.CALICO_NETWORK_POLICY, "n", name)
            selector = Selector.parse(f"name == '{name}'")
            cluster.index.put_policy(Policy(key, "default", selector, egress=(rule,)))
        cluster.enforce(service(["b"]))
        shots = [Shot(name, at(name, family), VIP[family], protocol, 80) for name in ("a", "c")]
        assert [seen.result for seen in pods_net.probe(shots)] == [Result.DELIVERED, Result.LOST]

    def test_without_backends_it_is_refused(self, pods_net: PodsNet, family: int, protocol: int) -> None:
        cluster = Cluster(pods_net)
        cluster.enforce(service([]))
        fronts = ((VIP[family], 80), (EXTERNAL[family], 80), (NODE_AT[family], 30080))
        shots = [Shot("a", at("a", family), address, protocol, port) for address, port in fronts]
        assert [seen.result for seen in pods_net.probe(shots)] == [Result.REFUSED] * 3

    def test_all_backends_are_used(self, pods_net: PodsNet, family: int, protocol: int) -> None:
        cluster = Cluster(pods_net)
        cluster.enforce(service(["b", "c"]))
        shots = [
            Shot("a", at("a", family), VIP[family], protocol, 80, source_port=port)
            for port in range(40000, 40064)
        ]
        # 64 times the same of two: once in 2**63 runs.
        assert {arrived(seen)[0] for seen in pods_net.probe(shots)} == {"b", "c"}

    def test_a_pod_reaches_itself_and_is_judged(self, pods_net: PodsNet, family: int, protocol: int) -> None:
        """§9.4: "A pod reaching itself through a service is policed like any pod-to-pod flow"."""
        cluster = Cluster(pods_net)
        cluster.enforce(service(["a"]))
        shot = Shot("a", at("a", family), VIP[family], protocol, 80)
        (seen,) = pods_net.probe([shot])
        assert arrived(seen) == ("a", str(at("a", family)), 8080)
        assert seen.arrival is not None
        assert seen.arrival.source == NODE_AT[family]  # else the pod would answer itself directly
        key = PolicyKey(HitKind.CALICO_NETWORK_POLICY, "n", "closed")
        cluster.index.put_policy(Policy(key, "default", Selector.parse("name == 'a'"), ingress=()))
        cluster.enforce(service(["a"]))
        assert [seen.result for seen in pods_net.probe([shot])] == [Result.LOST]

    def test_what_leaves_the_cluster_takes_the_nodes_address(
        self, pods_net: PodsNet, family: int, protocol: int
    ) -> None:
        cluster = Cluster(pods_net)
        cluster.enforce()
        shots = [
            Shot("a", at("a", family), OUTSIDE[family], protocol, 80),
            Shot("a", at("a", family), at("b", family), protocol, 80),
        ]
        sources = [seen.arrival.source for seen in pods_net.probe(shots) if seen.arrival]
        assert sources == [NODE_AT[family], at("a", family)]


class TestBackends:
    """Which endpoints take connections."""

    def shot(self) -> Shot:
        return Shot("a", at("a", 4), VIP[4], 6, 80)

    @pytest.mark.parametrize(
        ("conditions", "result"),
        [
            ({}, Result.DELIVERED),
            ({"ready": True}, Result.DELIVERED),
            ({"ready": False}, Result.REFUSED),
            ({"ready": False, "serving": True, "terminating": True}, Result.DELIVERED),
            ({"ready": False, "serving": False, "terminating": True}, Result.REFUSED),
        ],
    )
    def test_readiness(self, pods_net: PodsNet, conditions: dict[str, bool], result: Result) -> None:
        cluster = Cluster(pods_net)
        cluster.enforce(service(["b"], **conditions))
        assert [seen.result for seen in pods_net.probe([self.shot()])] == [result]

    def test_changes_are_changes_of_elements(self, pods_net: PodsNet) -> None:
        cluster = Cluster(pods_net)
        for backends, result in (
            (["b"], Result.DELIVERED),
            ([], Result.REFUSED),
            (["c", "b"], Result.DELIVERED),
        ):
            cluster.enforce(service(backends))
            assert [seen.result for seen in pods_net.probe([self.shot()])] == [result]
            assert cluster.kernel.verify(heal=False) == ()
        cluster.enforce()
        assert [seen.place for seen in pods_net.probe([self.shot()])] == [WORLD]

    def test_services_are_left_to_a_kube_proxy_when_told(self, pods_net: PodsNet) -> None:
        cluster = Cluster(pods_net, services=None)
        cluster.enforce(service(["b"]))
        assert [seen.place for seen in pods_net.probe([self.shot()])] == [WORLD]
        assert "ocicat-services" not in pods_net.namespaces.run("nft", "list", "tables")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("client", ["a", "b"], ids=["another pod", "the backend itself"])
def test_a_real_connection_through_the_service(pods_net: PodsNet, family: int, client: str) -> None:
    cluster = Cluster(pods_net, stack=True)
    cluster.enforce(service(["b"]))
    command = pods_net.namespaces.command
    serve = (
        "import socket; s = socket.create_server(('', 8080), family=socket.AF_INET6, dualstack_ipv6=True);"
        "print('up', flush=True); s.accept()[0].sendall(b'hello')"
    )
    ask = f"import socket; print(socket.create_connection(('{VIP[family]}', 80), 5).recv(5))"
    server = subprocess.Popen([*command("b"), "python3", "-c", serve], stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        done = subprocess.run([*command(client), "python3", "-c", ask], capture_output=True, text=True)
        server.kill()
    assert done.stdout == "b'hello'\n", done.stderr
