"""What a ruleset consists of, on small worlds. What it does to packets is tested in tests/differential."""

import pytest

from ocicat.dataplane.nft.difference import difference
from ocicat.dataplane.nft.kinds import Segment
from ocicat.dataplane.nft.peers import range_text
from ocicat.dataplane.nft.render import render
from ocicat.dataplane.nft.ruleset import Ruleset
from ocicat.dataplane.nft.settings import Denial, RulesetSettings, ToHost
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.index import PolicyIndex
from ocicat.engine.policy import (
    Direction,
    Entity,
    EntityKey,
    EntityKind,
    IcmpMatch,
    Policy,
    PolicyKey,
    Profile,
    Rule,
    Side,
)
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address, PortRange, Prefix
from ocicat.model.selector import Selector

ALLOW = Rule(Action.ALLOW)
POD = EntityKey(EntityKind.WORKLOAD, "n", "pod")


def pod(name: str, number: int, app: str = "web") -> Entity:
    key = EntityKey(EntityKind.WORKLOAD, "n", name)
    addresses = (Address.parse(f"10.65.0.{number}"), Address.parse(f"fd65::{number}"))
    return Entity(key, {"app": app}, ("kns.n",), addresses=addresses)


def policy(*ingress: Rule, name: str = "p") -> Policy:
    key = PolicyKey(HitKind.CALICO_NETWORK_POLICY, "n", name)
    return Policy(key, "default", Selector.parse("app == 'web'"), ingress=ingress)


def rendered(
    *policies: Policy, others: int = 0, settings: RulesetSettings | None = None, book: TraceBook | None = None
) -> Ruleset:
    """Return the ruleset of a node with one pod, which the policies select; `others` are clients
    elsewhere."""
    index = PolicyIndex()
    index.put_profile(Profile("kns.n", (ALLOW,), (ALLOW,)))
    index.put_entity(pod("pod", 1))
    for number in range(others):
        index.put_entity(pod(f"other-{number}", number + 2, "client"))
    for item in policies:
        index.put_policy(item)
    return render(index.plan(), {POD: "cali1"}, book or TraceBook(), settings or RulesetSettings())


def port(first: int, last: int | None = None) -> Side:
    return Side(ports=(PortRange(first, last or first),))


def clients() -> Side:
    return Side(selector=Selector.parse("app == 'client'"))


def signature_chains(ruleset: Ruleset, way: str = "to") -> list[tuple[str, ...]]:
    return [chain.rules for name, chain in ruleset.chains.items() if name.startswith(f"{way}_s_")]


def program(ruleset: Ruleset, way: str = "to", family: int = 4) -> str:
    """Return the name of the chain of the pod's Program."""
    (verdict,) = ruleset.containers[f"{way}_pods{family}"].elements.values()
    return verdict.removeprefix("goto ")


def exact_peers(ruleset: Ruleset, way: str = "to", family: int = 4) -> dict[str, str]:
    """Return the elements of the map of the pod's Program, which its chain is named after."""
    return dict(ruleset.containers[program(ruleset, way, family).rpartition("_")[0]].elements)


def test_a_change_of_the_answer_for_all_others_comes_into_force_by_elements_alone() -> None:
    """So it needs no run of nft: 0.1 ms instead of 20."""
    book = TraceBook()
    before = rendered(policy(Rule(Action.ALLOW, protocol=6, destination=port(80))), book=book)
    change = difference(
        before, rendered(policy(Rule(Action.ALLOW, protocol=6, destination=port(81))), book=book)
    )
    assert change.create
    assert {item.container for item in change.flip.elements} == {"to_pods4", "to_pods6"}


def test_equal_worlds_give_equal_text() -> None:
    one, other = rendered(policy(ALLOW), others=3), rendered(policy(ALLOW), others=3)
    assert one == other
    assert str(one) == str(other)


def test_a_pod_that_the_plan_does_not_know_stays_closed() -> None:
    ruleset = render(PolicyIndex().plan(), {POD: "cali1"}, TraceBook())
    assert ruleset.containers["owners4"].elements == {}
    assert ruleset.containers["to_pods4"].elements == {}
    assert ruleset.chains["from_pod"].rules[-1] == ruleset.chains["to_pod"].rules[-1] == "drop"


def test_peers_that_get_what_all_others_get_are_left_out() -> None:
    """design/dataplane §8: "leave out peers whose result is the class's default"."""
    nobody_is_special = rendered(policy(Rule(Action.ALLOW, protocol=6, destination=port(80))), others=5)
    assert exact_peers(nobody_is_special) == {}
    clients_are = rendered(
        policy(Rule(Action.ALLOW, protocol=6, source=clients(), destination=port(80))), others=5
    )
    assert sorted(exact_peers(clients_are)) == [f"10.65.0.{number}" for number in range(2, 7)]


def test_equal_answers_are_one_chain_for_both_families() -> None:
    ruleset = rendered(policy(Rule(Action.ALLOW, protocol=6, destination=port(80))))
    assert len(signature_chains(ruleset)) == 1
    assert program(ruleset) != program(ruleset, family=6)


def test_single_ports_are_one_hash_and_ranges_another_map() -> None:
    book = TraceBook()
    rules = (
        Rule(Action.ALLOW, protocol=6, destination=port(80)),
        Rule(Action.ALLOW, protocol=17, destination=port(53)),
        Rule(Action.ALLOW, protocol=6, destination=port(8000, 8999)),
    )
    ((singles, ranges, default),) = signature_chains(rendered(policy(*rules), book=book))
    assert singles == "meta l4proto . th dport vmap { 6 . 80 : goto to_t2, 17 . 53 : goto to_t4 }"
    assert ranges == "meta l4proto 6 th dport vmap { 8000-8999 : goto to_t3 }"
    assert default == "goto to_t1"


def test_source_ports_choose_a_chain_by_destination_port() -> None:
    rule = Rule(Action.ALLOW, protocol=6, source=port(1, 1023), destination=port(80))
    ((by_source, default),) = signature_chains(rendered(policy(rule)))
    assert by_source.startswith("meta l4proto 6 th sport vmap { 1-1023 : goto to_p_")
    assert default == "goto to_t1"


def test_protocols_without_ports_are_told_by_number() -> None:
    ((numbers, default),) = signature_chains(rendered(policy(Rule(Action.ALLOW, not_protocol=47))))
    assert numbers == "meta l4proto vmap { 47 : goto to_t2 }"
    assert default == "goto to_t1"


def test_icmp_is_told_by_type_and_by_the_pair_with_its_code() -> None:
    rules = (
        Rule(Action.ALLOW, protocol=1, icmp=IcmpMatch(3, 4)),
        Rule(Action.ALLOW, protocol=1, icmp=IcmpMatch(8)),
    )
    chains = signature_chains(rendered(policy(*rules)))
    pairs, types, _ = next(chain for chain in chains if len(chain) == 3)
    assert pairs.startswith("icmp type . icmp code vmap { 3 . 4 : goto to_t")
    assert types.startswith("icmp type vmap { 8 : goto to_t")


def test_nested_networks_are_cut_into_disjoint_ranges() -> None:
    rules = (
        Rule(Action.DENY, source=Side(nets=(Prefix.parse("192.0.2.64/26"),))),
        Rule(Action.ALLOW, source=Side(nets=(Prefix.parse("192.0.2.0/24"),))),
    )
    ruleset = rendered(policy(*rules))
    (nets,) = (item for name, item in ruleset.containers.items() if name.startswith("to_n4_"))
    assert list(nets.elements) == ["192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/25"]
    assert nets.options == ("flags interval",)


def test_a_network_of_one_address_is_an_exact_peer() -> None:
    ruleset = rendered(policy(Rule(Action.ALLOW, source=Side(nets=(Prefix.parse("192.0.2.7/32"),)))))
    assert list(exact_peers(ruleset)) == ["192.0.2.7"]


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1/32"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.1-10.0.0.2"),
        ("10.0.0.128", "10.0.1.127", "10.0.0.128-10.0.1.127"),
        ("128.0.0.0", "255.255.255.255", "128.0.0.0/1"),
        ("fd00::", "fd00::ffff", "fd00::/112"),
    ],
)
def test_ranges_read_as_nft_prints_them(first: str, last: str, text: str) -> None:
    start, end = Address.parse(first), Address.parse(last)
    assert range_text(start.family, Segment(start.bits, end.bits)) == text


def test_many_choices_are_several_rules() -> None:
    many = Side(ports=tuple(PortRange(number, number) for number in range(1, 5002, 2)))
    ruleset = rendered(policy(Rule(Action.ALLOW, protocol=6, destination=many)))
    answers = [chain for name, chain in ruleset.chains.items() if name.startswith("to_s_")]
    answer = max(answers, key=lambda chain: len(chain.rules))
    assert [rule.count("6 . ") for rule in answer.rules] == [1000, 1000, 501, 0]
    assert answer.rules[-1].startswith("goto ")


def test_each_trace_writes_its_half_of_the_mark_and_says_what_it_means() -> None:
    ruleset = rendered(policy(Rule(Action.ALLOW, protocol=6, destination=port(80))))
    assert ruleset.chains["to_t2"].rules == (
        "ct mark set ct mark & 0x0000ffff | 0x00020000",
        "goto account_allow",
        'continue comment "enforced 0|default|np:n/p|allow|0"',
        'continue comment "pending 0|default|np:n/p|allow|0"',
    )
    assert ruleset.chains["from_t1"].rules[:2] == ("ct mark set ct mark & 0xffff0000 | 0x00000001", "return")


def test_a_long_trace_goes_on_in_the_next_comment() -> None:
    """NFTNL_UDATA_COMMENT_MAXLEN is 128 bytes, the end included."""
    key = PolicyKey(HitKind.CALICO_NETWORK_POLICY, "n", "x" * 250)
    long = Policy(key, "default", Selector.parse("app == 'web'"), ingress=(ALLOW,))
    rules = rendered(long).chains["to_t1"].rules
    comments = [rule.removeprefix('continue comment "').rstrip('"') for rule in rules[2:]]
    assert max(map(len, comments)) <= 127
    assert [comment[0] for comment in comments] == ["e", "+", "+", "p", "+", "+"]
    assert "".join(comments[:3]).replace("+", "") == f"enforced 0|default|np:n/{'x' * 250}|allow|0"


def test_retired_numbers_keep_their_chains_until_they_are_given_back() -> None:
    book = TraceBook()
    rendered(policy(Rule(Action.ALLOW, protocol=6)), book=book)
    after = rendered(book=book)
    assert {"to_t1", "to_t2"} <= after.chains.keys()
    book.retire(Direction.INGRESS, ())
    assert "to_t2" not in rendered(book=book).chains


def test_outcomes_without_a_number_are_decided_all_the_same() -> None:
    rules = (Rule(Action.ALLOW, protocol=6), Rule(Action.DENY, protocol=17))
    ruleset = rendered(policy(*rules), book=TraceBook(most=1))
    assert ruleset.chains["to_t65535_allow"].rules[-1] == "goto account_allow"
    assert ruleset.chains["to_t65535_deny"].rules[-1] == "goto account_deny"


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("calico-packet: ", "calico-packet: "),
        ("%t/%k/%n/%p ", "default/np/p/n/p "),
        ('a"b\\c\nd', "abcd"),
        ("x" * 200, "x" * 127),
    ],
)
def test_what_the_kernel_log_shows(pattern: str, prefix: str) -> None:
    """§7.3, notes: "%t tier, %k short kind, %n name, %p namespace/name substitutions"."""
    ruleset = rendered(policy(Rule(Action.LOG), ALLOW), settings=RulesetSettings(log_prefix=pattern))
    (chain,) = (chain for name, chain in ruleset.chains.items() if name.startswith("to_l_"))
    assert chain.rules == (f'log prefix "{prefix}"', "goto to_t1")


def test_the_rate_of_logging_is_a_setting() -> None:
    ruleset = rendered(policy(Rule(Action.LOG), ALLOW), settings=RulesetSettings(log_rate_per_s=10))
    (chain,) = (chain for name, chain in ruleset.chains.items() if name.startswith("to_l_"))
    assert chain.rules[0] == 'limit rate 10/second burst 5 packets log prefix "calico-packet: "'


def test_settings_change_the_frame_alone() -> None:
    usual = rendered(policy(ALLOW))
    other = rendered(
        policy(ALLOW),
        settings=RulesetSettings(
            denial=Denial.REJECT, to_host=ToHost.DROP, vxlan_port=8472, allow_ipip_from_pods=True
        ),
    )
    changed = {name for name in usual.chains if usual.chains[name] != other.chains[name]}
    assert changed == {"account_deny4", "account_deny6", "from_pod", "pod_to_host"}
    assert "udp dport 8472 drop" in other.chains["from_pod"].rules


def test_no_packet_mark_is_written() -> None:
    """design/dataplane §2: "A packet mark is never written, so the bits kube-proxy uses are untouched"."""
    text = str(rendered(policy(Rule(Action.LOG), ALLOW), others=3))
    assert "meta mark" not in text
