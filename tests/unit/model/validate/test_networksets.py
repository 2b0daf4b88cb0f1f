"""Network sets. Source: spec/policy-semantics §3.8."""

import pytest

from support.judged import document, problems, told

KINDS = ["NetworkSet", "GlobalNetworkSet"]


@pytest.mark.parametrize("kind", KINDS)
def test_nets_of_a_set(kind: str) -> None:
    """§3.8: "CIDR or bare address; host bits allowed", "Both families may be mixed", zero-length too."""
    nets = ["10.0.0.1", "10.0.0.1/8", "10.0.0.0/8", "fd00::1", "fd00::1/8", "0.0.0.0/0", "::/0"]
    assert told(document(kind, {"nets": nets})) == []
    assert told(document(kind, {"nets": []})) == []
    assert told(document(kind)) == []


NO_NETS = [
    ("10.0.0.0/33", "is not a CIDR: its length is not 0 to 32", "write an address, or address/length"),
    ("nowhere", "is not an IP address", "write an address, or address/length"),
    ("", "is not an IP address", "write an address, or address/length"),
    (" 10.0.0.1", "is not an IP address", "write 10.0.0.1"),
    ("10.0.0.1, 10.0.0.2", "is not an IP address", 'write one item for each: begin each with "- "'),
    ("fe80::1%eth0", "has a zone, which a policy cannot name", "write an address, or address/length"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("net", "what", "fix"), NO_NETS)
def test_what_is_no_net(kind: str, net: str, what: str, fix: str) -> None:
    (problem,) = problems(document(kind, {"nets": ["10.1.1.1", net]}))
    assert (problem.code, problem.where.path, problem.field) == ("NP0501", "spec.nets[1]", "Nets[1]")
    assert (problem.what, problem.fix, problem.value) == (what, fix, net)


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_has_each_net_once(kind: str) -> None:
    found = told(document(kind, {"nets": ["10.0.0.1", "10.0.0.1/32", "10.0.0.1", "10.0.0.1"]}))
    assert found == [
        ("NP0502", "spec.nets[2]", "duplicate value"),
        ("NP0502", "spec.nets[3]", "duplicate value"),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_may_be_large(kind: str) -> None:
    assert told(document(kind, {"nets": [f"10.0.{i // 256}.{i % 256}" for i in range(2000)]})) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_namespace_label_is_reserved(kind: str) -> None:
    (problem,) = problems(document(kind, labels={"projectcalico.org/namespace": "shop", "team": "cats"}))
    assert (problem.code, problem.field) == ("NP0503", "Metadata.Labels (label)")
    assert problem.where.path == 'metadata.labels["projectcalico.org/namespace"]'
    assert problem.what == "projectcalico.org/namespace is not a valid label name"


def test_it_is_reserved_on_sets_alone() -> None:
    assert told(document("NetworkPolicy", labels={"projectcalico.org/namespace": "shop"})) == []
