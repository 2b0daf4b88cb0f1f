"""Host endpoints, network sets and nodes as entities: policy-semantics §3.8, §3.9, §5.1, §16.19."""

import pytest

from ocicat.engine.convert import entity_of
from ocicat.engine.policy import Entity, EntityKey, EntityKind, NamedPort
from ocicat.model.net import Address, Prefix
from support.written import resource


def addresses(*texts: str) -> tuple[Address, ...]:
    return tuple(Address.parse(text) for text in texts)


def test_host_endpoint() -> None:
    """§3.9, §5.1: own labels, `spec.profiles`, expected IPs; flows show the node's name (§11.5)."""
    written = resource(
        """
        apiVersion: projectcalico.org/v3
        kind: HostEndpoint
        metadata: {name: n1-eth0, labels: {role: host}}
        spec:
          node: n1
          interfaceName: eth0
          expectedIPs: [172.18.0.2, "fd00::2", somewhere]
          profiles: [b, a]
          ports:
            - {name: ssh, protocol: TCP, port: 22}
            - {name: dns, protocol: 17, port: 53}
            - {name: ping, protocol: ICMP, port: 1}
            - {name: odd, protocol: nothing, port: 1}
            - {name: zero, protocol: TCP, port: 0}
        """
    )
    assert entity_of(written) == Entity(
        EntityKey(EntityKind.HOST, "", "n1-eth0"),
        {"role": "host"},
        profiles=("b", "a"),
        addresses=addresses("172.18.0.2", "fd00::2"),
        named_ports=(NamedPort("ssh", 6, 22), NamedPort("dns", 17, 53)),
        node="n1",
        interface="eth0",
        shown_name="n1",
    )


NETS = "[10.0.0.0/8, 192.0.2.1, 10.1.2.3/16, 'fd00::1/8', nonsense, '::1', 10.0.0.0/8, 0.0.0.0/0]"
PREFIXES = ("10.0.0.0/8", "192.0.2.1/32", "10.1.0.0/16", "fd00::/8", "::1/128", "0.0.0.0/0")


@pytest.mark.parametrize("kind", ["NetworkSet", "GlobalNetworkSet"])
def test_network_sets(kind: str) -> None:
    """§3.8: bare addresses and host bits are allowed, families mix, "An unparsable item is skipped"."""
    namespaced = kind == "NetworkSet"
    namespace = "prod" if namespaced else ""
    written = resource(
        f"""
        apiVersion: projectcalico.org/v3
        kind: {kind}
        metadata: {{name: s, namespace: "{namespace}", labels: {{a: b}}}}
        spec: {{nets: {NETS}}}
        """
    )
    # §5.1: a NetworkSet has its namespace as label and inherits from `kns.<namespace>`, a global one neither.
    assert entity_of(written) == Entity(
        EntityKey(EntityKind.NETWORK_SET, namespace, "s"),
        {"a": "b", "projectcalico.org/namespace": "prod"} if namespaced else {"a": "b"},
        profiles=("kns.prod",) if namespaced else (),
        nets=tuple(Prefix.parse(net) for net in PREFIXES),
    )


def test_node() -> None:
    """§16.19: InternalIP and ExternalIP, and the Node's own labels."""
    written = resource(
        """
        apiVersion: v1
        kind: Node
        metadata: {name: n1, labels: {zone: a}}
        status: {addresses: [{type: InternalIP, address: 172.18.0.2}, {type: Hostname, address: 10.0.0.1},
          {type: ExternalIP, address: "2001:db8::1"}, {type: InternalIP, address: n1.local},
          {type: InternalDNS, address: n1.local}]}
        """
    )
    assert entity_of(written) == Entity(
        EntityKey(EntityKind.NODE, "", "n1"),
        {"zone": "a"},
        addresses=addresses("172.18.0.2", "2001:db8::1"),
        node="n1",
    )
