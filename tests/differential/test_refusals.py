"""A policy that nftables refuses: it is found and named, closed, and all others are enforced."""

import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from ocicat.dataplane.nft.difference import Phase, Transaction
from ocicat.dataplane.nft.driver import KernelRefusedError, NftProgram, NftUnavailableError
from ocicat.dataplane.nft.kernel import NftKernel
from ocicat.engine.index import PolicyIndex
from ocicat.engine.policy import Entity, EntityKey, EntityKind, Policy, PolicyKey, Profile, Rule, Side
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address, PortRange
from ocicat.model.selector import Selector
from support.enforced import NODE
from support.packets import Shot
from support.pods_net import PodsNet, Result

pytestmark = pytest.mark.kernel

NAMES = tuple("abcdefgh")
PODS = {name: Address.parse(f"10.65.0.{number}") for number, name in enumerate(NAMES, start=1)}
POISON = 6666
"""The port whose mention the nft of these tests does not stand."""
WRAPPER = f"""#!/bin/sh
input=$(cat)
case "$input" in *"6 . {POISON}"*)
  echo "/dev/stdin:1:1-3: Error: will not do that" >&2
  exit 1
esac
printf '%s\\n' "$input" | exec nft "$@"
"""


def policy(name: str, port: int) -> Policy:
    rule = Rule(Action.ALLOW, protocol=6, destination=Side(ports=(PortRange(port, port),)))
    key = PolicyKey(HitKind.CALICO_NETWORK_POLICY, "n", f"for-{name}")
    return Policy(key, "default", Selector.parse(f"name == '{name}'"), ingress=(rule,))


class Picky:
    """Pods a to h, each with a policy that opens one port, and a kernel that refuses one port."""

    def __init__(self, net: PodsNet, folder: Path) -> None:
        wrapper = folder / "nft"
        wrapper.write_text(WRAPPER)
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
        self.net = net
        net.add({name: (address,) for name, address in PODS.items()})
        self.nft = NftProgram((*net.namespaces.command(), str(wrapper)))
        self.kernel = NftKernel(self.nft, services=None)
        self.index = PolicyIndex()
        allow = (Rule(Action.ALLOW),)
        self.index.put_profile(Profile("kns.n", allow, allow))
        for name, address in PODS.items():
            key = EntityKey(EntityKind.WORKLOAD, "n", name)
            labels = {"name": name}
            self.index.put_entity(Entity(key, labels, ("kns.n",), addresses=(address,), node=NODE))

    def enforce(self, *policies: Policy) -> list[str]:
        """Enforce and return the policies that were named."""
        for item in policies:
            self.index.put_policy(item)
        interfaces = {
            EntityKey(EntityKind.WORKLOAD, "n", name): self.net.pods[name].interface for name in NAMES
        }
        done = self.kernel.enforce(self.index.plan(), interfaces)
        self.net.namespaces.run("conntrack", "-F")
        return [shortfall.problem.where.subject for shortfall in done.shortfalls]

    def open_ports(self, name: str, ports: Sequence[int]) -> list[int]:
        """Return which ports of a pod can be reached."""
        source = "a" if name != "a" else "b"
        shots = [Shot(source, PODS[source], PODS[name], 6, port) for port in ports]
        seen = self.net.probe(shots)
        return [port for port, item in zip(ports, seen, strict=True) if item.result is Result.DELIVERED]


@pytest.fixture
def picky(pods_net: PodsNet, tmp_path: Path) -> Picky:
    return Picky(pods_net, tmp_path)


def test_the_refused_policies_are_named_and_closed_and_the_rest_is_enforced(picky: Picky) -> None:
    policies = [policy(name, POISON if name in "cf" else 80) for name in NAMES]
    assert picky.enforce(*policies) == ["NetworkPolicy n/for-c", "NetworkPolicy n/for-f"]
    assert [picky.open_ports(name, (80, POISON)) for name in "bcdf"] == [[80], [], [80], []]


def test_a_refused_change_leaves_what_was_in_force_for_others(picky: Picky) -> None:
    picky.enforce(*(policy(name, 80) for name in NAMES))
    assert picky.enforce(policy("c", POISON), policy("d", 81)) == ["NetworkPolicy n/for-c"]
    assert [picky.open_ports(name, (80, 81, POISON)) for name in "bcd"] == [[80], [], [81]]


def test_a_mended_policy_is_enforced_again(picky: Picky) -> None:
    picky.enforce(*(policy(name, POISON if name == "c" else 80) for name in NAMES))
    assert picky.enforce(policy("d", 81)) == ["NetworkPolicy n/for-c"]
    assert picky.enforce(policy("c", 82)) == []
    assert [picky.open_ports(name, (80, 81, 82)) for name in "bcd"] == [[80], [82], [81]]


def test_a_removed_policy_is_no_more_named(picky: Picky) -> None:
    picky.enforce(policy("c", POISON))
    picky.index.remove_policy(policy("c", POISON).key)
    assert picky.enforce() == []
    assert picky.open_ports("c", (80,)) == [80]


def test_a_table_that_somebody_took_away_is_made_again_with_the_next_change(picky: Picky) -> None:
    picky.enforce(policy("c", 80))
    picky.net.namespaces.run("nft", "delete", "table", "inet", "ocicat")
    assert picky.enforce(policy("c", 81)) == []
    assert picky.open_ports("c", (80, 81)) == [81]
    assert picky.kernel.verify(heal=False) == ()


def test_a_refusal_shows_the_line_and_what_nft_said(pods_net: PodsNet) -> None:
    nft = NftProgram((*pods_net.namespaces.command(), "nft"))
    change = Transaction(
        "t", Phase(("add table inet t", "add chain inet t c", "add rule inet t c frobnicate"))
    )
    with pytest.raises(KernelRefusedError, match="syntax error") as refused:
        nft.apply(change)
    assert refused.value.line == "add rule inet t c frobnicate"
    assert nft.read("t") is None


def test_a_missing_nft_is_told_as_such() -> None:
    with pytest.raises(NftUnavailableError, match="cannot run no-such-program"):
        NftProgram(("no-such-program",)).read("t")


def test_what_does_not_fit_into_one_message_is_done_piece_by_piece(pods_net: PodsNet) -> None:
    """In a user namespace nft cannot enlarge its send buffer (about 200 kB)."""
    nft = NftProgram((*pods_net.namespaces.command(), "nft"))
    lines = [
        f"add element inet t s {{ {', '.join(f'10.{block}.{n >> 8}.{n & 255}' for n in range(500))} }}"
        for block in range(20)
    ]
    declared = "add table inet t\nadd set inet t s { type ipv4_addr ; }"
    nft.apply(Transaction("t", Phase((declared, *lines))))
    found = nft.read("t")
    assert found is not None
    assert len(found.containers["s"].elements) == 10_000


def test_an_answer_longer_than_one_message_is_loaded_and_right(picky: Picky) -> None:
    """One policy of 3,000 ports is a chain that nft cannot send at once from a user namespace."""
    made = policy("c", 80)
    ports = tuple(PortRange(port, port) for port in range(1, 6000, 2))
    rule = msgspec.structs.replace(made.ingress[0], destination=Side(ports=ports))
    assert picky.enforce(msgspec.structs.replace(made, ingress=(rule,))) == []
    assert picky.open_ports("c", (1, 2, 2999, 3000, 5999, 6000)) == [1, 2999, 5999]
    assert picky.kernel.verify(heal=False) == ()
