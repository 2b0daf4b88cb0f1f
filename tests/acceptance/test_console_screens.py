"""Map, policies and endpoints in a browser, and the questions a newcomer brings.

Source: design/console.md.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]


@pytest.fixture
def small(hubs: Callable[..., Any]) -> Any:
    """The catfacts application alone."""
    return hubs("--workloads", 3)


@pytest.fixture
def large(hubs: Callable[..., Any]) -> Any:
    """300 workloads."""
    return hubs("--workloads", 300)


def test_the_map_draws_the_application(visit: Visit, small: Any) -> None:
    page = visit(f"{small.url}/map")
    page.wait_for_selector(".map-node")
    assert sorted(page.locator(".map-node strong").all_inner_texts()) == [
        "PUBLIC NETWORK",
        "db",
        "facts",
        "worker",
    ]
    assert sorted(label.strip() for label in page.locator(".way-label").all_inner_texts()) == [
        "443/tcp",
        "db:3306",
        "db:3306",
        "facts:80",
    ]
    assert page.locator(".way.deny").count() == 1


def test_a_way_opens_the_flows_behind_it(visit: Visit, small: Any) -> None:
    page = visit(f"{small.url}/map")
    page.locator(".react-flow__edge:has(.way.deny)").dispatch_event("click")
    panel = page.get_by_role("complementary", name="Connections")
    assert "application-catfacts \u203a facts \u203a rule 1" in panel.inner_text().replace("\n", " ")
    panel.get_by_role("link", name=re.compile("worker → ")).click()
    page.wait_for_selector("#opened-panel .walk")
    assert "Denied on arrival at facts" in page.locator(".sentence").inner_text()


def test_a_way_is_opened_by_keyboard(visit: Visit, small: Any) -> None:
    page = visit(f"{small.url}/map")
    page.locator(".react-flow__edge:has(.way.deny)").focus()
    page.keyboard.press("Enter")
    page.get_by_role("complementary", name="Connections").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("complementary", name="Connections").wait_for(state="detached")


def test_of_very_many_ways_those_that_say_most_are_drawn(visit: Visit, large: Any) -> None:
    page = visit(f"{large.url}/map")
    button = page.get_by_role("button", name=re.compile(r"^120 of \d+ ways: draw all"))
    button.click()
    page.get_by_role("button", name="Draw only what says most").wait_for()
    assert "ways=all" in page.url


def test_many_workloads_are_folded_by_namespace_and_unfold(visit: Visit, large: Any) -> None:
    page = visit(f"{large.url}/map")
    page.wait_for_selector(".map-node.folded")
    assert page.locator(".map-node.workload").count() == 0
    page.get_by_role("button", name=re.compile("^catfacts")).click()
    page.wait_for_selector(".map-node.workload")
    assert "unfold=catfacts" in page.url


def test_dns_is_hidden_by_one_click(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(f"{hubs('--workloads', 30).url}/map?focus=quickstart%2Faccess")
    page.wait_for_selector(".map-node:has-text('coredns')")
    page.get_by_role("button", name="Hide DNS").click()
    page.wait_for_selector(".map-node:has-text('coredns')", state="detached")


@pytest.mark.parametrize("form", ["SVG", "PNG"])
def test_the_map_is_taken_away_as_a_picture(visit: Visit, small: Any, form: str) -> None:
    page = visit(f"{small.url}/map")
    page.wait_for_selector(".map-node")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=form).click()
    content = download.value.path().read_bytes()
    assert content.startswith(b"<svg" if form == "SVG" else b"\x89PNG")


def test_the_board_has_the_tiers_in_order(visit: Visit, small: Any) -> None:
    page = visit(f"{small.url}/policies")
    page.wait_for_selector(".card")
    names = [re.sub(r"^\d+\s+", "", name) for name in page.locator(".tier h2").all_inner_texts()]
    assert names == [
        "security",
        "platform",
        "application-catfacts",
        "adminnetworkpolicy",
        "kube-admin",
        "default",
        "baselineadminnetworkpolicy",
        "kube-baseline",
        "profiles",
    ]
    cards = page.get_by_role("region", name="Tier application-catfacts").locator("h3 .link").all_inner_texts()
    assert cards == ["db", "facts", "worker"]


def test_a_policy_opens_with_rules_yaml_and_the_way_to_its_flows(visit: Visit, small: Any) -> None:
    page = visit(f"{small.url}/policies")
    page.get_by_role("button", name="facts", exact=True).click()
    panel = page.get_by_role("complementary", name="Policy application-catfacts.facts")
    assert "Deny TCP 80 from anyone" in panel.inner_text()
    assert panel.locator(".rules .spark").count() == 2
    assert re.search(r"Last hit (now|\d+ s ago)", panel.inner_text())
    assert "name: application-catfacts.facts" in panel.locator(".yaml").inner_text()
    panel.get_by_role("link", name="Denied ones").click()
    page.wait_for_selector("[data-row].denied")
    assert page.locator("[data-row]").count() == 1


def test_staged_policies_are_marked_by_a_word(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(f"{hubs('--workloads', 30).url}/policies")
    card = page.locator(".card.staged:has-text('default-deny-quickstart')")
    card.wait_for()
    assert "staged" in card.inner_text()
    assert "would be denied" in card.inner_text()


def test_endpoints_tell_isolation_per_direction(visit: Visit, small: Any) -> None:
    page = visit(f"{small.url}/endpoints")
    row = page.get_by_role("row", name=re.compile("^facts-"))
    words = row.inner_text()
    assert "1 policy in 1 tier" in words
    assert "2 policies in 2 tiers" in words
    row.get_by_role("button").click()
    panel = page.get_by_role("complementary", name="Endpoint catfacts/facts-")
    assert "app=facts" in panel.inner_text()
    assert panel.get_by_role("link", name="On the map").count() == 1


def test_namespace_and_time_travel_along_between_screens(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(f"{hubs('--workloads', 30).url}/?namespace=shop&start_time=30")
    for screen in ("Map", "Policies", "Endpoints", "Flows"):
        page.get_by_role("navigation", name="Screens").get_by_role("link", name=screen, exact=True).click()
        assert "namespace=shop" in page.url
        assert "start_time=30" in page.url


def test_which_policy_has_no_hit_is_seen_at_a_glance(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(f"{hubs('--workloads', 30, '--scenario', 'denied').url}/policies")
    page.get_by_text(re.compile(r"\d+ without a hit in this window")).wait_for()
    assert page.locator(".card:has-text('No hit in this window')").count() > 0
