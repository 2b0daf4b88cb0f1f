"""More outcomes than numbers of traces: the kernel decides as policy says, says that it cannot explain all,
and explains all again as soon as there are numbers."""

import pytest

from ocicat.dataplane.nft.kernel import NftKernel
from ocicat.dataplane.traces import UNKNOWN, TraceBook
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
from support.enforced import NODE
from support.kernel import nft_program
from support.packets import Shot
from support.pods_net import PodsNet, Result

pytestmark = pytest.mark.kernel

CLIENT, SERVER = (Address.parse(f"10.65.0.{number}") for number in (1, 2))
PORTS = range(1001, 1007)
NUMBERS = 4


def key(name: str) -> EntityKey:
    return EntityKey(EntityKind.WORKLOAD, "n", name)


class Crowded:
    """A node whose kernel has few numbers for each direction."""

    def __init__(self, net: PodsNet) -> None:
        self.net = net
        net.add({"client": (CLIENT,), "server": (SERVER,)})
        self.kernel = NftKernel(nft_program(net.namespaces), services=None, node=NODE)
        self.kernel.book = TraceBook(most=NUMBERS)
        self.index = PolicyIndex()
        allow = (Rule(Action.ALLOW),)
        self.index.put_profile(Profile("kns.n", allow, allow))
        for name, address in (("client", CLIENT), ("server", SERVER)):
            entity = Entity(key(name), {"name": name}, ("kns.n",), addresses=(address,), node=NODE)
            self.index.put_entity(entity)

    def enforce(self, name: str, ports: range) -> list[str]:
        """Enforce one policy with a rule for each port, allowing the even ones; return the codes told."""
        rules = tuple(
            Rule(
                Action.DENY if port % 2 else Action.ALLOW,
                protocol=17,
                destination=Side(ports=(PortRange(port, port),)),
            )
            for port in ports
        )
        policy = PolicyKey(HitKind.CALICO_NETWORK_POLICY, "n", name)
        for other in [other for other in self.index.plan().policies if other != policy]:
            self.index.remove_policy(other)
        self.index.put_policy(Policy(policy, "default", Selector.parse("name == 'server'"), ingress=rules))
        interfaces = {key(name): pod.interface for name, pod in self.net.pods.items()}
        enforced = self.kernel.enforce(self.index.plan(), interfaces)
        assert all(found.enforced for found in enforced.shortfalls)
        return [found.problem.code for found in enforced.shortfalls]

    def delivered(self) -> list[int]:
        """Return the ports at which a first packet arrives."""
        self.net.namespaces.run("conntrack", "-F")
        shots = [Shot("client", CLIENT, SERVER, 17, port, 4000 + port) for port in PORTS]
        seen = self.net.probe(shots)
        return [port for port, told in zip(PORTS, seen, strict=True) if told.result is Result.DELIVERED]

    def unexplained(self) -> int:
        """Return how many connections carry the number of those without explanation."""
        listing = self.net.namespaces.run("conntrack", "-L")
        marks = [int(word[5:]) for word in listing.split() if word.startswith("mark=")]
        return sum(mark >> 16 == UNKNOWN for mark in marks)


def test_decisions_are_those_of_policy_whether_they_can_be_explained_or_not(pods_net: PodsNet) -> None:
    node = Crowded(pods_net)
    assert node.enforce("many", PORTS) == ["EN0004"]
    assert node.delivered() == [1002, 1004, 1006]
    assert node.unexplained() > 0
    assert node.kernel.verify(heal=False) == ()
    # Fewer rules: the connections of the old ones still carry their numbers, so none is given anew yet.
    assert node.enforce("few", PORTS[:2]) == ["EN0004"]
    assert node.kernel.book.retire(Direction.INGRESS, range(1, NUMBERS + 1)) == frozenset()
    # They have ended. The first pass takes the old chains away, the second gives their numbers.
    assert node.kernel.book.retire(Direction.INGRESS, ())
    assert node.kernel.book.may_explain
    node.enforce("few", PORTS[:2])
    assert node.enforce("few", PORTS[:2]) == []
    assert node.delivered() == [1002]
    assert node.unexplained() == 0
    assert node.kernel.verify(heal=False) == ()
