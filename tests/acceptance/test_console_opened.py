"""An opened row: the sentence, the walk, the rule, the course's table and JSON.

Source: spec/workshop, steps 3.3 and 3.10; spec/flows-and-console §8.4.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]


def words(element: Any) -> str:
    """The text of an element on one line."""
    return " ".join(element.inner_text().split())


STEP_10 = {
    "kind": "CalicoNetworkPolicy",
    "name": "facts",
    "namespace": "catfacts",
    "tier": "application-catfacts",
    "action": "Deny",
    "policy_index": 0,
    "rule_index": 0,
    "trigger": None,
}


@pytest.fixture
def opened(visit: Visit, hubs: Callable[..., Any]) -> Any:
    """The page with the denied row of worker → facts open."""
    page = visit(hubs("--workloads", 3).url)
    page.locator("[data-row].denied [data-column=last_seen]").click()
    page.wait_for_selector("#opened-panel .walk")
    return page


def test_the_sentence_says_who_denied_and_how_often(opened: Any) -> None:
    said = words(opened.locator(".sentence"))
    rule = re.escape("rule 1 [0] (Deny TCP 80 from anyone) of policy facts in tier application-catfacts")
    begin = f"Denied on arrival at facts: {rule}"
    assert re.fullmatch(rf"{begin}\. [\d,]+ attempts since \d\d:\d\d:\d\d\.", said)


def test_the_walk_goes_tier_by_tier_on_both_sides(opened: Any) -> None:
    leaving, arriving = opened.locator(".walk").all()
    step = "\u203a"
    assert re.findall(f"allow-kube-dns {step} rule 3|worker {step} rule 1", words(leaving)) == [
        f"allow-kube-dns {step} rule 3",
        f"worker {step} rule 1",
    ]
    assert words(arriving.locator(".step.decided")) == f"application-catfacts facts {step} rule 1"
    assert "no policy of this tier selects facts" in arriving.locator(".step.skipped").first.get_attribute(
        "title"
    )


def test_the_rule_is_marked_in_its_yaml_and_links_to_the_policy(opened: Any) -> None:
    marked = opened.locator(".rule .yaml .marked").all_inner_texts()
    assert "- action: Deny" in marked[0]
    assert len(marked) == 5
    opened.locator(".rule").get_by_role("link").click()
    opened.get_by_role("complementary", name="Policy application-catfacts.facts").wait_for()


def test_both_ends_tell_labels_addresses_and_nodes(opened: Any) -> None:
    source = opened.get_by_role("region", name="Source").inner_text()
    assert "app=worker" in source
    assert re.search(r"10\.65\.\d+\.\d+\s+[abc]\b", source)


def test_the_json_is_that_of_the_course(opened: Any) -> None:
    opened.get_by_role("tab", name="JSON").click()
    folded = opened.locator(".json-folded").all_inner_texts()
    assert json.loads(folded[0]) == [STEP_10]
    assert folded[0].startswith(
        '[{"kind":"CalicoNetworkPolicy","name":"facts","namespace":"catfacts","tier":"application-catfacts","action":"Deny"'
    )
    opened.get_by_role("button", name="Unfold enforced").click()
    assert opened.locator(".json-folded").count() == 2


def test_the_policies_are_copied_on_one_line_as_the_course_prints_them(opened: Any) -> None:
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.get_by_role("tab", name="JSON").click()
    opened.get_by_role("button", name="Copy policies").click()
    opened.get_by_role("status").get_by_text("Copied").wait_for()
    text = opened.evaluate("navigator.clipboard.readText()")
    assert text == json.dumps({"enforced": [STEP_10], "pending": [STEP_10]}, separators=(",", ":"))


def test_which_reporter_is_shown_is_in_the_address(visit: Visit, opened: Any) -> None:
    opened.get_by_role("tab", name="Table").click()
    opened.get_by_role("button", name=re.compile("^Source")).last.click()
    copy = visit(opened.url)
    copy.get_by_role("button", name=re.compile("^Source"), pressed=True).wait_for()


def test_the_table_has_every_field_and_the_policies_as_tables(opened: Any) -> None:
    opened.get_by_role("tab", name="Table").click()
    names = opened.locator(".fields dt").all_inner_texts()
    wanted = (
        "start_time source_labels dest_service_port_name dest_type connections_live reporter node source_ip"
    )
    assert set(wanted.split()) <= set(names)
    heads = opened.get_by_role("table", name="Enforced").get_by_role("columnheader").all_inner_texts()
    assert heads == [
        "Kind",
        "Namespace",
        "Policy Name",
        "Tier",
        "Action",
        "Policy Index",
        "Rule Index",
        "Triggered By",
    ]
    assert opened.get_by_role("table", name="Pending").count() == 1


def test_the_other_reporter_is_one_click_away(opened: Any) -> None:
    opened.get_by_role("tab", name="Table").click()
    opened.get_by_role("button", name=re.compile("^Source")).last.click()
    enforced = opened.get_by_role("table", name="Enforced").inner_text()
    assert "allow-kube-dns" in enforced
    assert "worker" in enforced


def test_an_end_of_tier_opens_its_trigger(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(f"{hubs('--workloads', 30).url}/?policy=EndOfTier///")
    page.locator("[data-row].denied [data-column=last_seen]").first.click()
    page.get_by_role("tab", name="Table").click()
    trigger = page.get_by_role("table", name="Enforced").get_by_role("button")
    name = trigger.inner_text()
    trigger.click()
    assert re.fullmatch(rf"(CalicoNetworkPolicy|NetworkPolicy)/[a-z]+/{name}", trigger.inner_text())


def test_raw_records_are_listed(opened: Any) -> None:
    opened.get_by_role("tab", name="Raw records").click()
    opened.wait_for_selector(".raw tbody tr")
    assert "connections_started" in opened.locator(".raw thead").inner_text()


def test_staged_policies_are_walked_too(visit: Visit, hubs: Callable[..., Any]) -> None:
    """Module 4.2: pending names the staged policy while enforced still allows."""
    page = visit(f"{hubs('--workloads', 30).url}/?dest_name=nginx-*&source_name=access")
    page.locator("[data-row] [data-column=last_seen]").first.click()
    page.wait_for_selector(".staged-walks")
    assert "default-deny-quickstart" in page.locator(".staged-walks").inner_text()
    assert "a new connection would be denied" in page.locator(".sentence").inner_text()
    page.get_by_role("tab", name="Table").click()
    assert "Allow" in page.get_by_role("table", name="Enforced").inner_text()
    assert "Deny" in page.get_by_role("table", name="Pending").inner_text()


def test_rows_are_opened_and_closed_by_keyboard(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(hubs("--workloads", 3).url)
    page.wait_for_selector("[data-row]")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#opened-panel")
    page.keyboard.press("Escape")
    page.wait_for_selector("#opened-panel", state="detached")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
