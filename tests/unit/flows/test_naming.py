"""Who reports a flow, with which verdict and trace; how records name its ends and the Service."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from ocicat.engine.convert.services import FrontPort, ServicePorts
from ocicat.engine.plan import ServiceEndpoints
from ocicat.engine.policy import Direction, Entity, EntityKey, EntityKind, IcmpMatch, Policy, Rule, Side
from ocicat.flows.naming import Named, named, same_names, with_pending
from ocicat.flows.scene import Scene
from ocicat.flows.tuples import FlowTuple
from ocicat.model.flow import Action, HitKind, Reporter
from ocicat.model.net import Address, PortRange, Prefix
from ocicat.model.record import EndType
from support.accounted import NODE, SERVER, allowing, from_client, pod
from support.fakekernel import ALLOWED_IN, ALLOWED_OUT, REFUSED_IN, REFUSED_OUT, FakeTraces, flow
from support.flowscene import index, scene

UNKNOWN = 77
VIP = Address.parse("10.96.0.10")
NODE_ADDRESS = Address.parse("172.18.0.1")


def reports(of: FlowTuple, at: Scene | None = None) -> Mapping[Reporter, Action]:
    return {key.reporter: key.action for key in named(of, at or scene(), FakeTraces()).keys}


# --- reporters ----------------------------------------------------------------------------------------------

SRC, DST, ALLOW, DENY = Reporter.SRC, Reporter.DST, Action.ALLOW, Action.DENY


@pytest.mark.parametrize(
    ("egress", "ingress", "denied", "expected"),
    [
        pytest.param(ALLOWED_OUT, ALLOWED_IN, False, {SRC: ALLOW, DST: ALLOW}, id="two pods on one node"),
        pytest.param(ALLOWED_OUT, 0, False, {SRC: ALLOW}, id="on two nodes: the source's node"),
        pytest.param(0, ALLOWED_IN, False, {DST: ALLOW}, id="on two nodes: the destination's node"),
        pytest.param(REFUSED_OUT, 0, True, {SRC: DENY}, id="if egress denies, only Src exists"),
        pytest.param(ALLOWED_OUT, REFUSED_IN, True, {SRC: ALLOW, DST: DENY}, id="Src=Allow and Dst=Deny"),
        pytest.param(0, REFUSED_IN, True, {DST: DENY}, id="ingress denies what came from elsewhere"),
        pytest.param(REFUSED_OUT, ALLOWED_IN, True, {SRC: DENY}, id="the ingress half is older"),
        pytest.param(ALLOWED_OUT, 0, True, {SRC: ALLOW}, id="the destination is not programmed"),
        pytest.param(0, 0, True, {}, id="nobody has judged"),
        pytest.param(ALLOWED_OUT, REFUSED_IN, False, {}, id="the sets of refused attempts tell of it"),
        pytest.param(REFUSED_OUT, ALLOWED_IN, False, {}, id="refused by egress while it passes"),
        pytest.param(UNKNOWN, 0, True, {SRC: DENY}, id="unknown: the kernel showed the verdict"),
        pytest.param(0, UNKNOWN, True, {DST: DENY}, id="unknown ingress that refused"),
        pytest.param(ALLOWED_OUT, UNKNOWN, True, {SRC: ALLOW, DST: DENY}, id="unknown ingress after egress"),
        pytest.param(UNKNOWN, REFUSED_IN, True, {DST: DENY}, id="unknown egress: it may have refused itself"),
        pytest.param(UNKNOWN, UNKNOWN, True, {}, id="both unknown: nobody knows who refused"),
        pytest.param(UNKNOWN, ALLOWED_IN, False, {SRC: ALLOW, DST: ALLOW}, id="unknown, but let through"),
    ],
)
def test_who_reports(egress: int, ingress: int, denied: bool, expected: Mapping[Reporter, Action]) -> None:
    assert reports(flow(egress, ingress, denied=denied)) == expected


def test_the_trace_is_the_one_whose_id_is_in_the_mark() -> None:
    told = named(flow(ALLOWED_OUT, REFUSED_IN, denied=True), scene(), FakeTraces())
    assert [[hit.name for hit in key.enforced] for key in told.keys] == [["egress-allow"], ["ingress-deny"]]
    assert told.unknown == 0


def test_an_unknown_trace_is_empty_and_counted() -> None:
    told = named(flow(UNKNOWN, ALLOWED_IN), scene(), FakeTraces())
    assert told.src is not None
    assert (told.src.enforced, told.src.pending, told.unknown) == ((), (), 1)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param(NODE, {}, id="either local end is a HEP: nothing is recorded at all"),
        pytest.param("n2", {SRC: ALLOW, DST: ALLOW}, id="a remote HEP may appear as peer"),
    ],
)
def test_host_endpoints(node: str, expected: Mapping[Reporter, Action]) -> None:
    address = Address.parse("172.18.0.9")
    host = Entity(EntityKey(EntityKind.HOST, "", "hep"), addresses=(address,), node=node, shown_name=node)
    assert reports(flow(source=address), scene(host)) == expected
    assert reports(flow(destination=address), scene(host)) == expected


# --- the key ------------------------------------------------------------------------------------------------


def test_the_key() -> None:
    told = named(flow(), scene(), FakeTraces())
    key = told.dst
    assert key is not None
    assert (key.source_name, key.source_namespace, key.source_type) == (
        "client-5d7b8c-*",
        "a",
        EndType.WORKLOAD,
    )
    assert (key.dest_name, key.dest_namespace, key.dest_type) == (SERVER, "a", EndType.WORKLOAD)
    assert (key.dest_port, key.proto) == (80, "tcp")
    assert (told.source_labels, told.dest_labels) == (("app=client",), ("app=server",))


@pytest.mark.parametrize(("protocol", "name"), [(1, "icmp"), (58, "icmp6"), (132, "sctp"), (47, "47")])
def test_protocols(protocol: int, name: str) -> None:
    told = named(flow(protocol=protocol), scene(), FakeTraces())
    assert {key.proto for key in told.keys} == {name}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"labels": {"app": "x"}}, False, id="labels"),
        pytest.param({"shown_name": "server-*"}, False, id="name"),
        pytest.param({"addresses": (Address.parse("10.65.0.9"),)}, False, id="address"),
        pytest.param({"profiles": ()}, True, id="what records do not show"),
    ],
)
def test_whether_names_are_still_the_same(change: Mapping[str, Any], same: bool) -> None:
    told = named(flow(), scene(), FakeTraces())
    assert same_names(told, scene(msgspec.structs.replace(pod(SERVER), **change))) is same


# --- the Service --------------------------------------------------------------------------------------------

WEB = FrontPort("http", 6, 80, node_port=30080)
ADMIN = FrontPort("admin", 6, 8443)


def service(of: FlowTuple, *services: ServicePorts, targets: int = 1) -> tuple[str, str, str, int]:
    """Return how the Service is named, when each of `services` leads to the server's ports 8080 and up."""
    made = index(Entity(EntityKey(EntityKind.NODE, "", NODE), addresses=(NODE_ADDRESS,)))
    for item in services:
        ports = frozenset((of.destination, of.protocol, 8080 + number) for number in range(targets))
        made.put_service(item.namespace, item.name, ServiceEndpoints(ports, frozenset({of.destination})))
    found = Scene(made.plan(), services, NODE).service(of)
    return found.namespace, found.name, found.port_name, found.port


SHOP = ServicePorts("a", "shop", (VIP,), (WEB,))


def at(dialled: Address, dialled_port: int, port: int = 8080) -> FlowTuple:
    return flow(port=port, dialled=dialled, dialled_port=dialled_port)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(at(VIP, 80), ("a", "shop", "http", 80), id="pre-DNAT address, port, protocol"),
        pytest.param(at(NODE_ADDRESS, 30080), ("a", "shop", "http", 30080), id="node port"),
        pytest.param(flow(port=8080), ("-", "-", "-", 0), id="not DNATed"),
        pytest.param(at(VIP, 81), ("-", "-", "-", 0), id="another port"),
        pytest.param(at(VIP, 0), ("a", "shop", "http", 80), id="the port that was dialled is not told"),
        pytest.param(at(VIP, 0, 9999), ("-", "-", "-", 0), id="not told, and leads elsewhere"),
        pytest.param(at(NODE_ADDRESS, 0), ("a", "shop", "http", 30080), id="node port, not told"),
        pytest.param(at(NODE_ADDRESS, 0, 9999), ("-", "-", "-", 0), id="node port, not told, elsewhere"),
        pytest.param(
            flow(port=2048, dialled=VIP, dialled_port=2048, protocol=1),
            ("-", "-", "-", 0),
            id="ICMP has no Service",
        ),
    ],
)
def test_the_service(of: FlowTuple, expected: tuple[str, str, str, int]) -> None:
    assert service(of, SHOP) == expected


def test_a_port_that_is_not_told_and_may_be_two() -> None:
    """Fields that differ become `*`; the port is not guessed."""
    both = ServicePorts("a", "shop", (VIP,), (WEB, ADMIN))
    assert service(at(VIP, 0), both, targets=2) == ("a", "shop", "*", 0)
    assert service(at(VIP, 80), both, targets=2) == ("a", "shop", "http", 80)


def test_two_services_at_one_address() -> None:
    other = ServicePorts("a", "other", (VIP,), (WEB,))
    assert service(at(VIP, 0), SHOP, other) == ("a", "*", "http", 80)


# --- pending traces -----------------------------------------------------------------------------------------


def pending(policies: tuple[Policy, ...], of: FlowTuple) -> list[list[str]]:
    made = index()
    for policy in policies:
        made.put_policy(policy)
    told = with_pending(named(of, scene(), FakeTraces()), Scene(made.plan(), (), NODE))
    return [[hit.text().split("|", 2)[2] for hit in key.pending] for key in told.keys]


STAGED = allowing(from_client(6, 80), name="s", kind=HitKind.STAGED_NETWORK_POLICY)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(flow(), [["pro:kns.a|allow|0"], ["snp:a/s|allow|0"]], id="staged ones as enforced"),
        pytest.param(flow(port=81), [["pro:kns.a|allow|0"], ["snp:a/s|deny|-1"]], id="end of a staged tier"),
        pytest.param(
            flow(source=Address.parse("10.99.0.1")),
            [["np:a/egress-allow|allow|0"], ["snp:a/s|deny|-1"]],
            id="an end that is no endpoint keeps its trace",
        ),
    ],
)
def test_pending_traces(of: FlowTuple, expected: list[list[str]]) -> None:
    assert pending((STAGED,), of) == expected


def test_icmp_is_evaluated_by_type_and_code() -> None:
    """We evaluate them properly (ICMP type/code)."""
    ping = Rule(Action.ALLOW, (4,), protocol=1, icmp=IcmpMatch(8, 0))
    policy = allowing(ping, name="s", kind=HitKind.STAGED_NETWORK_POLICY)
    texts = [pending((policy,), flow(protocol=1, port=kind * 256))[1] for kind in (8, 13)]
    assert texts == [["snp:a/s|allow|0"], ["snp:a/s|deny|-1"]]


def test_rules_that_ask_for_the_source_port_leave_the_trace_as_it_was() -> None:
    """A flow has many source ports, so no single answer is right."""
    rule = Rule(Action.ALLOW, (4,), protocol=6, source=Side(ports=(PortRange(1, 1023),)))
    policy = allowing(rule, name="s", kind=HitKind.STAGED_NETWORK_POLICY)
    assert pending((policy,), flow())[1] == ["np:a/ingress-allow|allow|0"]


def test_network_sets_name_addresses_outside() -> None:
    nets = Entity(
        EntityKey(EntityKind.NETWORK_SET, "", "office"),
        labels={"kind": "net"},
        nets=(Prefix.parse("192.0.2.0/24"),),
    )
    told: Named = named(flow(source=Address.parse("192.0.2.7")), scene(nets), FakeTraces())
    assert {(key.source_name, key.source_namespace, key.source_type) for key in told.keys} == {
        ("office", "-", EndType.NETWORK_SET)
    }


def test_all_directions_are_asked_of_the_right_page() -> None:
    asked = []

    class Spy(FakeTraces):
        def outcome(self, direction: Direction, number: int, /) -> Any:
            asked.append((direction, number))
            return super().outcome(direction, number)

    named(flow(ALLOWED_OUT, REFUSED_IN, denied=True), scene(), Spy())
    assert asked == [(Direction.EGRESS, ALLOWED_OUT), (Direction.INGRESS, REFUSED_IN)]
