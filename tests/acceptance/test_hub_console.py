"""The console, built and served by a real hub, shows the flows that agents push."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from support.hub import STAGED, RealHub, denied_record, flow_record

pytestmark = pytest.mark.browser

ROW = "[data-row]"


@pytest.fixture
def served(built_console: Path, real_hub: RealHub) -> RealHub:
    """A hub that serves the console which was built."""
    assert (built_console / "index.html").is_file()
    return real_hub


def wait_for_rows(page: Any, count: int) -> None:
    from playwright.sync_api import expect

    # Not by evaluating a script: the hub's policy forbids that, as it should.
    expect(page.locator(ROW)).to_have_count(count, timeout=15_000)


def test_real_flows_appear_in_the_open_page(served: RealHub, visit: Callable[..., Any]) -> None:
    served.push([flow_record("worker", "db"), flow_record("facts", "db", pending=STAGED)])
    page = visit(served.url)
    wait_for_rows(page, 2)
    served.push([denied_record()])
    wait_for_rows(page, 3)
    assert "Denied" in page.locator(ROW, has_text="facts-7c9d5f-*").first.inner_text()


def test_db_star_as_typed_leaves_the_flows_to_db(served: RealHub, visit: Callable[..., Any]) -> None:
    """§11.2: "Destination → type `db-*` → the hint for the database group is offered"."""
    served.push([flow_record("worker", "db"), flow_record("facts", "db"), denied_record()])
    page = visit(served.url)
    wait_for_rows(page, 3)
    page.locator("button.filter[title=Destination]").click()
    page.keyboard.type("db-*")
    page.get_by_role("checkbox", name="db-7c9d5f-*").check()
    wait_for_rows(page, 2)


@pytest.mark.parametrize("path", ["map", "policies", "endpoints", "flow-logs/denied-flows"])
def test_every_screen_opens_on_a_hub_without_a_cluster(
    served: RealHub, visit: Callable[..., Any], path: str
) -> None:
    served.push([flow_record("worker", "db"), denied_record()])
    page = visit(f"{served.url}/{path}")
    page.wait_for_selector("main")
    page.wait_for_load_state("load")
    assert "could not" not in page.inner_text("main")


def test_the_page_is_sent_with_a_policy_that_loads_nothing_from_elsewhere(served: RealHub) -> None:
    answer = httpx.get(f"{served.url}/flows/anything", trust_env=False)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-cache"
    assert "<base href=" in answer.text
