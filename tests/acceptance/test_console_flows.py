"""The console's flows in a browser: the workshop's walk, filters, the address, and a hub that goes away.

Source: spec/flows-and-console §8, §11; spec/workshop, module 3.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.console import MockHub, until

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]
ROW = "[data-row]"


@pytest.fixture
def hub(hubs: Callable[..., Any]) -> Any:
    """The catfacts application alone."""
    return hubs("--workloads", 3)


@pytest.fixture
def own_hub(built_console: Any) -> Iterator[Any]:
    """A hub whose scene a test may change."""
    made = MockHub(built_console, ["--workloads", "3"])
    yield made
    made.stop()


def cells(page: Any, column: str) -> list[str]:
    """What the shown rows say in a column."""
    page.wait_for_selector(ROW)
    return page.locator(f"{ROW} [data-column={column}] .content").all_inner_texts()


def act(page: Any, hub: Any, name: str) -> None:
    """Change the mock hub's scene."""
    assert page.request.post(f"{hub.url}/mock/{name}").ok


def filter_button(page: Any, name: str) -> Any:
    return page.get_by_role("group", name="Filters").get_by_role("button", name=re.compile(f"^{name}"))


def wait_for_rows(page: Any, count: int) -> None:
    until(page, f"document.querySelectorAll('{ROW}').length === {count}")


def test_one_row_per_connection_kind_with_both_verdicts_joined(visit: Visit, hub: Any) -> None:
    page = visit(hub.url)
    wait_for_rows(page, 4)
    verdicts = dict(
        zip(zip(cells(page, "source"), cells(page, "dest"), strict=True), cells(page, "verdict"), strict=True)
    )
    said = {
        (source.split("-")[0], dest.split("-")[0]): verdict.strip()
        for (source, dest), verdict in verdicts.items()
    }
    assert said[("catfacts/worker", "catfacts/facts")] == "Denied on arrival"
    assert said[("catfacts/facts", "catfacts/db")] == "Allowed"
    assert re.sub(r"\s+", " ", said[("catfacts/worker", "PUBLIC NETWORK")]) == "Allowed would deny"


def test_db_star_as_typed_finds_the_hint_and_leaves_the_flows_to_db(visit: Visit, hub: Any) -> None:
    """§11.2: "Destination → type `db-*` → the hint for the database group is offered"."""
    page = visit(hub.url)
    wait_for_rows(page, 4)
    filter_button(page, "Destination").click()
    page.keyboard.type("db-*")
    page.get_by_role("checkbox", name=re.compile("^db-.+-\\*$")).check()
    wait_for_rows(page, 2)
    assert {name.split("-")[0] for name in cells(page, "source")} == {"catfacts/worker", "catfacts/facts"}
    assert cells(page, "port") == ["3306/tcp"] * 2
    assert "dest_name=db-" in page.url


def test_db_star_can_also_be_added_as_typed_and_cleared(visit: Visit, hub: Any) -> None:
    """§11.2: "(and `Add "db-*"` would work too)"; §11.3: "Clear all filters (Reset): everything is back"."""
    page = visit(hub.url)
    filter_button(page, "Destination").click()
    page.keyboard.type("db-*")
    page.get_by_role("button", name='Add "db-*"').click()
    wait_for_rows(page, 2)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear all filters").click()
    wait_for_rows(page, 4)
    assert "dest_name" not in page.url


def test_the_denied_flows_tab_counts_and_shows_only_denied(visit: Visit, hub: Any) -> None:
    """§11.4: "Denied Flows tab: only action Deny"."""
    page = visit(hub.url)
    page.get_by_role("link", name=re.compile("Denied Flows\\s*1")).click()
    wait_for_rows(page, 1)
    assert cells(page, "verdict") == ["Denied on arrival"]
    assert "application-catfacts \u203a facts \u203a rule 1" in cells(page, "decided_by")[0].replace("\n", "")
    assert page.url.endswith("/flow-logs/denied-flows")


def test_one_row_per_reporter_has_the_classic_columns(visit: Visit, hub: Any) -> None:
    """§8.2: "Columns: start_time, end_time, action, …, dest_port, reporter"."""
    page = visit(hub.url)
    page.get_by_role("button", name="Per reporter").click()
    page.wait_for_selector(f"{ROW} [data-column=reporter]")
    shown = (
        page.locator(f"{ROW} >> nth=0")
        .locator("[data-column]")
        .evaluate_all("all => all.map(one => one.dataset.column)")
    )
    classic = (
        "start_time end_time action source_namespace source_name dest_namespace dest_name protocol dest_port"
    )
    assert shown == [*classic.split(), "reporter"]
    assert set(cells(page, "reporter")) == {"Source", "Destination"}


def test_links_of_the_original_console_work(visit: Visit, hub: Any) -> None:
    page = visit(f"{hub.url}/flow-logs?dest_port=3306&source_name=facts-*&action=Allow")
    wait_for_rows(page, 1)
    assert cells(page, "service") == ["db"]


def test_a_copied_link_shows_the_same_and_back_works(visit: Visit, hub: Any) -> None:
    page = visit(hub.url)
    wait_for_rows(page, 4)
    page.get_by_role("button", name=re.compile("^Bytes")).click()
    page.locator(f"{ROW}.denied [data-column=last_seen]").click()
    page.get_by_role("tab", name="JSON").click()
    copy = visit(page.url)
    copy.wait_for_selector("#opened-panel .json")
    assert (
        copy.get_by_role("columnheader", name=re.compile("^Bytes")).get_attribute("aria-sort") == "descending"
    )
    page.go_back()
    page.wait_for_selector("#opened-panel", state="detached")
    page.go_back()
    assert "sort" not in page.url


def test_sorting_by_bytes_goes_down_up_and_off(visit: Visit, hub: Any) -> None:
    page = visit(hub.url)
    wait_for_rows(page, 4)
    header = page.get_by_role("columnheader", name=re.compile("^Bytes"))
    states = []
    for _ in range(3):
        header.get_by_role("button").click()
        states.append(header.get_attribute("aria-sort"))
    assert states == ["descending", "ascending", "none"]


def test_a_chip_can_be_negated_and_turned_off_without_being_lost(visit: Visit, hub: Any) -> None:
    page = visit(f"{hub.url}/?dest_name=db-*")
    wait_for_rows(page, 2)
    page.get_by_role("button", name="destination is: change to is not").click()
    until(page, "document.body.innerText.includes('PUBLIC NETWORK')")
    wait_for_rows(page, 2)
    page.get_by_role("button", name="destination", exact=True).click()
    wait_for_rows(page, 4)
    assert "off_not_dest_name=db-" in page.url
    page.get_by_role("button", name="Remove the filter on destination").click()
    assert "dest_name" not in page.url


def test_a_right_click_on_a_cell_filters_by_it(visit: Visit, hub: Any) -> None:
    page = visit(hub.url)
    wait_for_rows(page, 4)
    page.locator(f"{ROW}.denied [data-column=dest]").click(button="right")
    wait_for_rows(page, 1)
    assert "dest_name=facts-" in page.url


def test_columns_are_chosen_moved_and_resized_and_remembered(visit: Visit, hub: Any) -> None:
    page = visit(hub.url)
    wait_for_rows(page, 4)
    page.get_by_role("button", name="Columns", exact=True).click()
    page.get_by_role("checkbox", name="Service").uncheck()
    page.get_by_role("checkbox", name="Node").check()
    page.get_by_role("button", name="Move Verdict to the left").click()
    page.keyboard.press("Escape")
    verdict = page.get_by_role("columnheader", name=re.compile("^Verdict"))
    width = verdict.bounding_box()["width"]
    verdict.get_by_role("button").press("Shift+ArrowRight")
    page.reload()
    wait_for_rows(page, 4)
    titles = [title.strip(" ↓") for title in page.get_by_role("columnheader").all_inner_texts()]
    assert titles[:3] == ["Verdict", "Last seen", "Source"]
    assert titles[-1] == "Node"
    assert "Service" not in titles
    assert page.get_by_role("columnheader", name=re.compile("^Verdict")).bounding_box()["width"] != width


def test_pause_holds_the_table_still_and_play_goes_on(visit: Visit, hub: Any) -> None:
    page = visit(hub.url)
    wait_for_rows(page, 4)
    page.keyboard.press("p")
    page.get_by_role("button", name="Play").wait_for()
    count = f"document.querySelector('{ROW} [data-column=connections] .content').innerText"
    before = page.evaluate(count)
    page.wait_for_timeout(2500)
    assert page.evaluate(count) == before
    page.keyboard.press("p")
    until(page, f"{count} !== '{before}'")


def test_what_is_read_is_not_pushed_away(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(f"{hubs('--workloads', 30).url}/?rows=reporter&start_time=5")
    page.wait_for_selector(ROW)
    page.wait_for_timeout(500)
    page.locator(".scroller").evaluate("box => { box.scrollTop = 640; }")
    first = page.locator(f"{ROW} >> nth=0").get_attribute("data-row")
    page.get_by_role("button", name=re.compile("^[0-9,]+ new$")).wait_for(timeout=20_000)
    assert page.locator(f"{ROW} >> nth=0").get_attribute("data-row") == first


def test_a_broken_stream_goes_on_after_its_last_position(own_hub: Any, visit: Visit) -> None:
    page = visit(own_hub.url)
    wait_for_rows(page, 4)
    page.wait_for_timeout(1500)
    with page.expect_request(lambda asked: "last_event_id=" in asked.url):
        act(page, own_hub, "drop")
    page.get_by_text(re.compile("Live, .* behind")).wait_for()
    visit.complaints.clear()  # type: ignore[attr-defined]


def test_loss_is_told_and_never_silent(own_hub: Any, visit: Visit) -> None:
    page = visit(own_hub.url)
    wait_for_rows(page, 4)
    act(page, own_hub, "lose")
    page.get_by_text(re.compile("1,204 records lost at node b since")).wait_for()


def test_a_hub_that_is_away_is_told_with_the_next_try_and_rows_stay(own_hub: Any, visit: Visit) -> None:
    page = visit(own_hub.url)
    wait_for_rows(page, 4)
    act(page, own_hub, "fail")
    page.get_by_text(re.compile("Hub away since .*, next try in|Hub does not answer")).wait_for()
    wait_for_rows(page, 4)
    act(page, own_hub, "heal")
    page.get_by_text(re.compile("Live, .* behind")).wait_for(timeout=20_000)
    visit.complaints.clear()  # type: ignore[attr-defined]


def test_after_the_policy_is_mended_the_flow_is_allowed(own_hub: Any, visit: Visit) -> None:
    """Workshop, step 12: no new denied flows; the row says what holds now, and that it changed."""
    page = visit(own_hub.url)
    page.wait_for_selector(f"{ROW}.denied")
    act(page, own_hub, "fix")
    page.wait_for_selector(f"{ROW}.denied", state="detached")
    page.get_by_text("changed", exact=True).wait_for()
    assert len(cells(page, "source")) == 4


def test_a_mistake_in_the_search_names_its_column(visit: Visit, hub: Any) -> None:
    page = visit(hub.url)
    wait_for_rows(page, 4)
    page.keyboard.press("/")
    page.keyboard.type("db colour=red")
    page.keyboard.press("Enter")
    page.get_by_text('unknown field "colour", at column 4').wait_for()
    visit.complaints.clear()  # type: ignore[attr-defined]


def test_a_past_range_is_shown_from_the_store(visit: Visit, hub: Any) -> None:
    page = visit(f"{hub.url}/?from=2026-01-01T10:00:00Z&to=2026-01-01T11:00:00Z")
    wait_for_rows(page, 4)
    page.get_by_text("A past range").wait_for()
    assert page.get_by_role("button", name="Pause").count() == 0


@pytest.mark.parametrize(
    ("address", "words"), [("", "No flows yet"), ("flow-logs?dest_port=1", "No flow meets the filters")]
)
def test_an_empty_table_says_why_and_what_to_do(
    visit: Visit, hubs: Callable[..., Any], address: str, words: str
) -> None:
    page = visit(f"{hubs('--workloads', 3, '--scenario', 'empty').url}/{address}")
    page.get_by_role("heading", name=words).wait_for()
