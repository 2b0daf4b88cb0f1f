"""What holds on every screen of the console: no axe violation, text is text, many rows.

The fixture `visit` adds to every test: no script error, no breach of the page's security policy, and no
request to other hosts.
"""

import re
from collections.abc import Callable
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


@pytest.mark.parametrize("screen", ["flows", "map", "endpoints"])
def test_markup_in_names_and_labels_is_text(visit: Visit, hubs: Callable[..., Any], screen: str) -> None:
    address, sign = SCREENS[screen]
    page = visit(f"{hubs('--workloads', 3, '--scenario', 'hostile').url}/{address}")
    page.wait_for_selector(sign)
    if screen == "flows":
        page.locator("[data-row].denied [data-column=last_seen]").click()
        page.wait_for_selector("#opened-panel .walk")
        assert "<script>" in page.locator("#opened-panel").inner_text()
        page.get_by_role("tab", name="JSON").click()
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
