"""`difference`: what a change of a table is made of, and in which order (ADR 9)."""

from ocicat.dataplane.nft.difference import Phase, Transaction, difference
from ocicat.dataplane.nft.elements import ElementChange
from ocicat.dataplane.nft.ruleset import Chain, Container, Ruleset

HOOK = "type filter hook forward priority filter; policy accept;"
PODS = "ifname . ipv4_addr : verdict"


def ruleset(*parts: Chain | Container) -> Ruleset:
    return Ruleset.of("t", *parts)


def peers(**elements: str) -> Container:
    return Container("peers", "ipv4_addr : verdict", elements=elements)


def at(address: str, chain: str) -> dict[str, str]:
    return {address: f"goto {chain}"}


def container(elements: dict[str, str], name: str = "peers") -> Container:
    return Container(name, "ipv4_addr : verdict", elements=elements)


def test_equal_rulesets_need_nothing() -> None:
    one = ruleset(Chain("a", ("accept",)), container(at("10.0.0.1", "a")))
    assert not difference(one, one)
    assert str(difference(one, one)) == ""


def test_a_table_is_made_with_its_hooks_last() -> None:
    new = ruleset(Chain("forward", ("goto a",), HOOK), Chain("a", ("ip saddr vmap @peers",)), container({}))
    assert difference(None, new).create.steps == (
        "add table inet t\ndelete table inet t\nadd table inet t",
        "add chain inet t a",
        "add map inet t peers { type ipv4_addr : verdict ; }",
        "add rule inet t a ip saddr vmap @peers",
        f"add chain inet t forward {{ {HOOK} }}\nadd rule inet t forward goto a",
    )


def test_what_is_new_is_made_before_anything_leads_to_it_and_what_is_old_goes_after() -> None:
    old = ruleset(Chain("a", ("drop",)), container(at("10.0.0.1", "a")))
    new = ruleset(Chain("b", ("accept",)), container(at("10.0.0.1", "b")))
    change = difference(old, new)
    assert change.create.steps == ("add chain inet t b", "add rule inet t b accept")
    assert change.flip.steps == (
        "delete element inet t peers { 10.0.0.1 }\nadd element inet t peers { 10.0.0.1 : goto b }",
    )
    assert change.remove.steps == ("flush chain inet t a", "delete chain inet t a")


def test_a_peer_gets_its_own_answer_before_that_of_all_others_changes() -> None:
    old = ruleset(Chain("c", ("ip saddr vmap @peers", "goto a")), container({}))
    new = ruleset(Chain("c", ("ip saddr vmap @peers", "goto b")), container(at("10.0.0.1", "a")))
    assert difference(old, new).flip.steps == (
        "add element inet t peers { 10.0.0.1 : goto a }",
        "flush chain inet t c\nadd rule inet t c ip saddr vmap @peers\nadd rule inet t c goto b",
    )


def test_a_peer_loses_its_own_answer_after_that_of_all_others_has_changed() -> None:
    old = ruleset(Chain("c", ("ip saddr vmap @peers", "goto b")), container(at("10.0.0.1", "a")))
    new = ruleset(Chain("c", ("ip saddr vmap @peers", "goto a")), container({}))
    change = difference(old, new)
    assert [phase.steps[0].split("\n")[0] for phase in change.phases] == [
        "flush chain inet t c",
        "delete element inet t peers { 10.0.0.1 }",
    ]


def test_changes_of_elements_alone_are_told_as_such() -> None:
    chain = Chain("a", ("accept",))
    old = ruleset(chain, container({**at("10.0.0.1", "a"), **at("10.0.0.2", "a")}))
    new = ruleset(chain, container({"10.0.0.2": "drop", **at("10.0.0.3", "a")}))
    change = difference(old, new)
    kind = "ipv4_addr : verdict"
    assert change.flip.elements == (
        ElementChange("peers", kind, {"10.0.0.2": "goto a"}, {"10.0.0.2": "drop", "10.0.0.3": "goto a"}),
    )
    assert change.remove.elements == (ElementChange("peers", kind, {"10.0.0.1": "goto a"}, {}),)


def test_a_set_that_is_declared_otherwise_makes_the_table_anew() -> None:
    old = ruleset(Container("flows", "mark", ("size 10",), dynamic=True))
    new = ruleset(Container("flows", "mark", ("size 20",), dynamic=True))
    assert difference(old, new).create.steps[0].startswith("add table inet t\ndelete table inet t")


def test_elements_that_packets_add_are_left_alone() -> None:
    old = ruleset(Container("flows", "mark", elements={"1": ""}, dynamic=True))
    new = ruleset(Container("flows", "mark", dynamic=True))
    assert not difference(old, new)


def test_long_element_lists_are_several_steps() -> None:
    old = ruleset(container({}))
    new = ruleset(container({f"10.0.{n >> 8}.{n & 255}": "drop" for n in range(1200)}))
    assert [step.count(" : drop") for step in difference(old, new).flip.steps] == [500, 500, 200]


def test_a_phase_is_cut_between_steps() -> None:
    phase = Phase(("aaaa", "bbbb", "cccc", "dddddddddd"))
    assert [piece.steps for piece in phase.pieces(10)] == [("aaaa", "bbbb"), ("cccc",), ("dddddddddd",)]


def test_a_transaction_prints_as_input_for_nft() -> None:
    change = Transaction("t", create=Phase(("a", "b")), remove=Phase(("c",)))
    assert str(change) == "a\nb\nc\n"
