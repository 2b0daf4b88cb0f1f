"""What holds on every screen of the console: no axe violation, text is text, many rows.

The fixture `visit` adds to every test: no script error, no breach of the page's security policy, and no
request to other hosts.
"""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.console import CONSOLE, until

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]

SCREENS = {
    "flows": ("", "[data-row]"),
    "per reporter": ("?rows=reporter", "[data-row]"),
    "denied": ("flow-logs/denied-flows?dest_namespace=catfacts&off_action=Allow", "[data-row]"),
    "map": ("map", ".map-node"),
    "policies": ("policies?policy=CalicoNetworkPolicy/application-catfacts/catfacts/facts", ".aside .yaml"),
    "endpoints": ("endpoints", "tbody tr"),
}


def violations(page: Any) -> list[str]:
    """What axe finds, as rule and element."""
    page.evaluate((CONSOLE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing(visit: Visit, hubs: Callable[..., Any], screen: str, theme: str) -> None:
    address, sign = SCREENS[screen]
    page = visit(f"{hubs('--workloads', 30).url}/{address}", color_scheme=theme)
    page.wait_for_selector(sign)
    page.wait_for_timeout(300)
    assert violations(page) == []


def test_axe_finds_nothing_in_an_opened_row(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(f"{hubs('--workloads', 30).url}/?source_namespace=catfacts")
    page.locator("[data-row].denied [data-column=last_seen]").click()
    page.wait_for_selector("#opened-panel .walk")
    found = {}
    for tab in ("Details", "Table", "JSON", "Raw records"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector("#opened-panel > :not([role=status])")
        found[tab] = violations(page)
    assert not any(found.values()), found


def test_axe_finds_nothing_in_menus(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(hubs("--workloads", 30).url)
    page.wait_for_selector("[data-row]")
    places = page.locator("header, .screen-head, .filter-bar")
    found = {}
    for menu in ("Policy", "Destination", "Port", "Action", "Time", "Columns"):
        places.get_by_role("button", name=re.compile(f"^{menu}")).first.click()
        page.wait_for_selector(".popover")
        found[menu] = violations(page)
        page.keyboard.press("Escape")
    assert not any(found.values()), found


@pytest.mark.parametrize("screen", ["flows", "map", "policies", "endpoints"])
def test_markup_in_names_and_labels_is_text(visit: Visit, hubs: Callable[..., Any], screen: str) -> None:
    address, sign = SCREENS[screen]
    page = visit(f"{hubs('--workloads', 3, '--scenario', 'hostile').url}/{address}")
    page.wait_for_selector(sign)
    if screen == "flows":
        page.locator("[data-row].denied [data-column=last_seen]").click()
        page.wait_for_selector("#opened-panel .walk")
        assert "<script>" in page.locator("#opened-panel").inner_text()
        page.get_by_role("tab", name="JSON").click()
    if screen == "policies":
        assert 'note: "<img src=x onerror=' in page.locator(".aside .yaml").inner_text()
    assert (
        "<img src=x" in page.content().replace("&lt;", "<") or "<script>" in page.locator("main").inner_text()
    )
    assert page.locator("main img, main script").count() == 0
    assert page.title() != "owned"


@pytest.mark.parametrize(
    ("scene", "many", "address"),
    [
        (("--workloads", 300), 18_000, "?rows=reporter&start_time=60"),
        (("--workloads", 300, "--ports", 7), 9_000, ""),
    ],
    ids=["per reporter", "connections"],
)
def test_many_thousand_rows_are_few_elements_and_scroll_to_the_end(
    visit: Visit, hubs: Callable[..., Any], scene: tuple[object, ...], many: int, address: str
) -> None:
    page = visit(f"{hubs(*scene).url}/{address}")
    until(
        page,
        f"Number(document.querySelector('[role=treegrid]')?.getAttribute('aria-rowcount')) > {many}",
        deadline_ms=60_000,
    )
    page.keyboard.press("p")
    page.locator(".scroller").evaluate("box => { box.scrollTop = box.scrollHeight; }")
    until(
        page,
        "[...document.querySelectorAll('[data-row]')].some(row => row.getAttribute('aria-rowindex') === "
        "document.querySelector('[role=treegrid]').getAttribute('aria-rowcount'))",
    )
    assert page.locator("[data-row]").count() < 60
    assert page.locator("*").count() < 2500


def test_all_usual_columns_fit_1280_pixels(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(hubs("--workloads", 30).url)
    page.wait_for_selector("[data-row]")
    scroller = page.locator(".scroller")
    assert scroller.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_it_is_readable_at_800_pixels(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(hubs("--workloads", 30).url, viewport={"width": 800, "height": 600})
    page.wait_for_selector("[data-row]")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_theme_follows_the_system_until_somebody_chooses(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(hubs("--workloads", 3).url, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    button = page.get_by_role("button", name="Colours:")
    button.click()
    assert page.evaluate(background) == dark
    button.click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.reload()
    assert page.evaluate(background) == "rgb(255, 255, 255)"


def test_a_screen_that_fails_says_so_and_the_others_go_on(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(hubs("--workloads", 3).url)
    page.wait_for_selector("[data-row]")
    page.route("**/api/v1/policies*", lambda route: route.fulfill(json={"tiers": [{}], "unjudged": 0}))
    screens = page.get_by_role("navigation", name="Screens")
    screens.get_by_role("link", name="Policies").click()
    page.get_by_role("heading", name="This screen has failed").wait_for()
    screens.get_by_role("link", name="Flows", exact=True).click()
    page.wait_for_selector("[data-row]")
    visit.complaints.clear()  # type: ignore[attr-defined]


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_a_phone(visit: Visit, hubs: Callable[..., Any], screen: str) -> None:
    address, sign = SCREENS[screen]
    page = visit(f"{hubs('--workloads', 30).url}/{address}", **PHONE)
    page.wait_for_selector(sign)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    rail = page.get_by_role("navigation", name="Screens").bounding_box()
    assert rail["y"] + rail["height"] == pytest.approx(844, abs=1)
    assert page.locator("main").bounding_box()["height"] > 500
    assert violations(page) == []


def test_a_menu_on_a_phone_is_in_sight(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(hubs("--workloads", 30).url, **PHONE)
    page.wait_for_selector("[data-row]")
    for menu in ("Destination", "Action"):
        page.get_by_role("group", name="Filters").get_by_role("button", name=re.compile(f"^{menu}")).tap()
        box = page.locator(".popover").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert 0 <= box["y"] < box["y"] + box["height"] <= 844
        page.keyboard.press("Escape")


def test_the_page_is_small_and_has_nothing_inline(built_console: Path) -> None:
    """Issue 5: "first load ≤ 300 kB gzip"; strict CSP: no script or style in the page, no eval in code."""
    page = (built_console / "index.html").read_text(encoding="utf-8")
    first = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page)
    everything = [*built_console.glob("assets/*.js"), *built_console.glob("assets/*.css")]
    assert len(first) >= 2
    assert sum(len(gzip.compress(path.read_bytes())) for path in everything) < 300_000
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\bsrc=)", page)
    for path in built_console.glob("assets/*.js"):
        assert not re.search(r"\beval\(|\bFunction\(", path.read_text(encoding="utf-8"))
