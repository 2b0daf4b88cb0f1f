"""A hub that follows a cluster explains flows by today's policies. Source: explanation/console-api."""

import asyncio
import time
from collections.abc import Iterator

import pytest
import yaml

from support.hub import RealHub, denied_record, flow_record
from support.hubcluster import FACTS, fill
from support.kubectl import start


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A hub that follows a cluster with the catfacts application, and was told of its flows."""
    server = start(tmp_path_factory.mktemp("state"))
    try:
        asyncio.run(fill(server.kubeconfig))
        made = RealHub(tmp_path_factory.mktemp("hub"), "--kubeconfig", str(server.kubeconfig))
        try:
            made.push([flow_record("worker", "db"), denied_record()])
            deadline = time.monotonic() + 30
            while not made.get("/api/v1/policies")["tiers"] and time.monotonic() < deadline:
                time.sleep(0.1)
            yield made
        finally:
            made.stop()
    finally:
        server.stop()


def test_a_denied_flow_is_walked_again_and_names_the_line_that_denies_it(hub: RealHub) -> None:
    """The flow was denied at the end of the tier; today a rule denies it."""
    [denied] = hub.flows("action=Deny")
    details = hub.get(f"/api/v1/flows/{denied['id']}")
    walk = details["ingress"]
    assert (walk["direction"], walk["name"], walk["verdict"]) == ("Ingress", "facts-7c9d5f-*", "Deny")
    decided = next(tier for tier in walk["tiers"] if tier["state"] == "decided")
    [step] = decided["steps"]
    assert (decided["name"], step["rule_index"], step["text"]) == (
        "application-catfacts",
        1,
        "Deny TCP to port 80",
    )
    first, last = step["lines"]
    rule = yaml.safe_load("\n".join(step["yaml"].splitlines()[first - 1 : last]))
    assert rule == [FACTS["spec"]["ingress"][1]]  # type: ignore[index]
    later = [tier["state"] for tier in walk["tiers"][walk["tiers"].index(decided) + 1 :]]
    assert set(later) == {"skipped"}
    assert details["egress"]["verdict"] == "Allow"
    assert details["staged_ingress"] is None
    assert details["dest"]["pods"] == [{"name": "facts-7c9d5f-abcde", "ip": "10.65.0.8", "node": "n1"}]


def test_what_a_staged_policy_would_do_is_walked_too(hub: RealHub) -> None:
    [allowed] = hub.flows("action=Allow")
    details = hub.get(f"/api/v1/flows/{allowed['id']}")
    assert details["ingress"]["verdict"] == "Allow"
    walk = details["staged_ingress"]
    decided = next(tier for tier in walk["tiers"] if tier["state"] == "decided")
    assert (walk["verdict"], decided["name"]) == ("Deny", "default")
    assert decided["steps"][0]["policy"]["name"] == "default-deny"
    assert decided["steps"][0]["rule_index"] == -1


def test_the_board_has_tiers_and_policies_in_order_with_what_they_decided(hub: RealHub) -> None:
    tiers = {tier["name"]: tier for tier in hub.get("/api/v1/policies")["tiers"]}
    assert list(tiers)[:1] == ["application-catfacts"]
    [facts] = tiers["application-catfacts"]["policies"]
    assert facts["ref"] == {
        "kind": "CalicoNetworkPolicy",
        "namespace": "catfacts",
        "name": "facts",
        "tier": "application-catfacts",
    }
    assert facts["full_name"] == "application-catfacts.facts"
    assert facts["selected"] == ["catfacts/facts-7c9d5f-*"]
    assert (facts["end_of_tier"], tiers["application-catfacts"]["rest"]) == (1, 1)
    assert sum(facts["hits"]["deny"]) == 1
    assert [rule["index"] for rule in facts["rules"]] == [0, 1]
    assert facts["changed"]
    [staged] = tiers["default"]["policies"]
    assert (staged["staged"], staged["order"], staged["selected_count"]) == (True, None, 3)
    assert tiers["default"]["builtin"]


def test_endpoints_have_their_policies_and_peers(hub: RealHub) -> None:
    found = {one["name"]: one for one in hub.get("/api/v1/endpoints", namespace="catfacts")["endpoints"]}
    facts = found["facts-7c9d5f-*"]
    assert (facts["ingress"]["isolated"], facts["egress"]["isolated"]) == (True, False)
    assert [ref["name"] for ref in facts["ingress"]["policies"]] == ["facts"]
    assert [ref["name"] for ref in facts["ingress"]["staged"]] == ["default-deny"]
    assert (facts["denied_in"], facts["labels"]) == (1, ["app=facts"])
    assert [peer["name"] for peer in found["worker-7c9d5f-*"]["peers"]] == ["db-7c9d5f-*", "facts-7c9d5f-*"]
    assert hub.get("/api/v1/endpoints", namespace="shop")["endpoints"] == []
