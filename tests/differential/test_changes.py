"""Changes under traffic: no allowed packet is lost, no denied packet gets through, nothing is left behind."""

import random
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count

import msgspec
import pytest

from ocicat.dataplane.nft.kernel import NftKernel
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
from ocicat.model.net import Address, PortRange, Prefix
from ocicat.model.selector import Selector
from support.enforced import NODE
from support.kernel import NODE_ADDRESSES, nft_program
from support.packets import Shot
from support.pods_net import PodsNet, Result
from support.soak import bounded

pytestmark = pytest.mark.kernel

ADDRESSES = {
    name: (Address.parse(f"10.65.0.{number}"), Address.parse(f"fd65::{number}"))
    for number, name in enumerate(("client", "server", "other"), start=1)
}
OPEN, CLOSED = 80, 81
"""The server's port that stays open, and the one that stays closed, whatever else changes."""
CHANGES = bounded(100, 1000)
PODS = bounded(300, 6000)
"""How many come and go: 6,000 are 100 a second for a minute."""
PLACES = 20


def key(name: str) -> EntityKey:
    return EntityKey(EntityKind.WORKLOAD, "n", name)


def pod(name: str, addresses: tuple[Address, ...], **labels: str) -> Entity:
    return Entity(key(name), {"name": name, **labels}, ("kns.n",), addresses=addresses, node=NODE)


def ports(*numbers: int) -> Side:
    return Side(ports=tuple(PortRange(number, number) for number in numbers))


def policy(name: str, order: float, *ingress: Rule, kind: HitKind = HitKind.CALICO_NETWORK_POLICY) -> Policy:
    return Policy(
        PolicyKey(kind, "n", name), "default", Selector.parse("name == 'server'"), order, ingress=ingress
    )


class Changing:
    """A node whose policy and pods change."""

    def __init__(self, net: PodsNet) -> None:
        self.net = net
        net.add(ADDRESSES)
        self.kernel = NftKernel(nft_program(net.namespaces), services=None)
        self.index = PolicyIndex()
        allow = (Rule(Action.ALLOW),)
        self.index.put_profile(Profile("kns.n", allow, allow))
        self.index.put_entity(Entity(EntityKey(EntityKind.NODE, "", NODE), addresses=NODE_ADDRESSES))
        for name, addresses in ADDRESSES.items():
            self.index.put_entity(pod(name, addresses))
        self.interfaces = {key(name): net.pods[name].interface for name in ADDRESSES}
        always = Rule(Action.ALLOW, protocol=6, source=_selected("name == 'client'"), destination=ports(OPEN))
        self.index.put_policy(policy("always", 50, always))

    def enforce(self) -> None:
        self.kernel.enforce(self.index.plan(), self.interfaces)


def _selected(selector: str) -> Side:
    return Side(selector=Selector.parse(selector))


@pytest.fixture
def changing(pods_net: PodsNet) -> Changing:
    return Changing(pods_net)


def random_policies(chosen: random.Random) -> Iterator[Policy]:
    """Yield policies of which none touches what must stay open or closed, each of another make."""
    peers = [
        Side(),
        _selected("name == 'client'"),
        _selected("name in {'client', 'other'}"),
        _selected("name != 'other'"),
        Side(nets=(Prefix.parse("10.65.0.0/30"),)),
        Side(nets=(Prefix.parse("10.65.0.1/32"),)),
        Side(nets=(Prefix.parse("fd65::/112"),)),
    ]
    while True:
        number = chosen.randrange(1000, 1003)
        rule = Rule(
            chosen.choice((Action.ALLOW, Action.DENY)),
            protocol=chosen.choice((6, 17)),
            source=chosen.choice(peers),
            destination=Side(ports=(PortRange(number, number + chosen.randrange(20)),)),
        )
        kind = chosen.choice((HitKind.CALICO_NETWORK_POLICY, HitKind.STAGED_NETWORK_POLICY))
        yield policy(f"p{chosen.randrange(4)}", chosen.choice((10, 50, 60)), rule, kind=kind)


def test_policy_changes_lose_nothing_and_leak_nothing(changing: Changing) -> None:
    chosen = random.Random(1)  # noqa: S311  # a seed, no secret
    makes = random_policies(chosen)
    source_ports = count()
    sent = 0

    def wave() -> list[Shot]:
        """New connections to the open and to the closed port, of both families."""
        number = 1024 + next(source_ports) % 60000
        ends = zip(ADDRESSES["client"], ADDRESSES["server"], strict=True)
        return [
            Shot("client", source, destination, 6, port, number)
            for source, destination in ends
            for port in (OPEN, CLOSED)
        ]

    changing.enforce()
    with ThreadPoolExecutor(1) as pool:
        for _ in range(CHANGES):
            made = next(makes)
            if chosen.random() < 0.3:
                changing.index.remove_policy(made.key)
            else:
                changing.index.put_policy(made)
            change: Future[None] = pool.submit(changing.enforce)
            while True:
                over = change.done()
                shots = [shot for _ in range(8) for shot in wave()]
                results = [seen.result for seen in changing.net.probe(shots)]
                assert results == [Result.DELIVERED, Result.LOST] * (len(shots) // 2)
                sent += len(shots)
                if over:
                    break
            change.result()
    assert sent >= 32 * CHANGES
    assert changing.kernel.verify(heal=False) == ()


def test_pods_that_come_and_go_leave_nothing(changing: Changing) -> None:
    """Addresses and interfaces go from pod to pod: each has the access that its present owner has, and
    nothing piles up."""
    web = Rule(Action.ALLOW, protocol=6, source=_selected("app == 'web'"), destination=ports(CLOSED))
    changing.index.put_policy(policy("web", 40, web))
    churn = Churn(changing)
    changing.enforce()
    before = _objects(changing)
    while churn.came < PODS:
        churn.replace_all()
        changing.enforce()
        shots, wanted = churn.shots()
        assert [seen.result for seen in changing.net.probe(shots)] == wanted
    churn.remove_all()
    changing.enforce()
    for direction in Direction:
        changing.kernel.book.retire(direction, ())
    changing.enforce()
    assert changing.kernel.verify(heal=False) == ()
    assert _objects(changing) == before


class Churn:
    """Guests in a pool of places: all of them leave together, and others take places, addresses and names."""

    def __init__(self, changing: Changing) -> None:
        self.changing = changing
        self.came = 0
        """Guests until now."""
        self._chosen = random.Random(2)  # noqa: S311  # a seed, no secret
        self._free = [Address.parse(f"10.65.1.{number}") for number in range(1, 2 * PLACES + 1)]
        self._guests: dict[str, tuple[EntityKey, Address, str]] = {}
        changing.net.add({f"place-{number}": () for number in range(PLACES)})

    def replace_all(self) -> None:
        """Let all guests go, and new ones come. The node learns of it by the next `enforce`."""
        self._forget()
        addresses = self._chosen.sample(self._free, PLACES)
        places = [f"place-{number}" for number in range(PLACES)]
        self.changing.net.replace(
            {place: (address,) for place, address in zip(places, addresses, strict=True)}
        )
        for place, address in zip(places, addresses, strict=True):
            name, label = f"guest-{self.came}", self._chosen.choice(("web", "batch"))
            self.came += 1
            self._guests[place] = key(name), address, label
            self.changing.index.put_entity(pod(name, (address,), app=label))
            self.changing.interfaces[key(name)] = self.changing.net.pods[place].interface

    def shots(self) -> tuple[list[Shot], list[Result]]:
        """Return attempts of every guest, by its own address and by nobody's, and what shall become of
        them."""
        taken = {address for _, address, _ in self._guests.values()}
        nobodys = [address for address in self._free if address not in taken]
        server = ADDRESSES["server"][0]
        shots, wanted = [], []
        for place, (_, address, label) in self._guests.items():
            own = Result.DELIVERED if label == "web" else Result.LOST
            for source, result in ((address, own), (self._chosen.choice(nobodys), Result.LOST)):
                shots.append(Shot(place, source, server, 6, CLOSED, 1024 + self.came % 60000))
                wanted.append(result)
        return shots, wanted

    def remove_all(self) -> None:
        """Let all guests go, and nobody come."""
        self._forget()
        self.changing.net.replace(dict.fromkeys(self._guests, ()))
        self._guests.clear()

    def _forget(self) -> None:
        for guest, _, _ in self._guests.values():
            self.changing.index.remove_entity(guest)
            del self.changing.interfaces[guest]


def _objects(changing: Changing) -> dict[str, int]:
    """Return how many objects of each sort the kernel has, and elements."""
    listing = changing.net.namespaces.run("nft", "-j", "list", "ruleset")
    found: dict[str, int] = {}
    for item in msgspec.json.decode(listing)["nftables"]:
        (kind, body), *_ = item.items()
        found[kind] = found.get(kind, 0) + 1
        if not body.get("timeout") and "elem" in body:
            found["elements"] = found.get("elements", 0) + len(body["elem"])
    return found
