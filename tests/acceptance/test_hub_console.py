"""The console, built and served by a real hub, shows the flows that agents push, to whom it lets in."""

from collections.abc import Callable, Iterator
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


@pytest.mark.parametrize(
    ("form", "begin"),
    [("JSON lines", b'{"'), ("CSV", b"id,connection,"), ("Parquet", b"PAR1")],
)
def test_what_is_shown_is_exported(
    served: RealHub, visit: Callable[..., Any], form: str, begin: bytes
) -> None:
    served.push([flow_record("worker", "db"), denied_record()])
    page = visit(f"{served.url}/?dest_name=db-*")
    wait_for_rows(page, 1)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=form).click()
    content = download.value.path().read_bytes()
    assert content.startswith(begin)
    assert b"db-7c9d5f-*" in content
    assert b"facts-7c9d5f-*" not in content


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


# --- exposed ------------------------------------------------------------------------------------------------

TOKEN = "a-token-of-many-letters"


@pytest.fixture
def exposed(built_console: Path, tmp_path: Path) -> Iterator[RealHub]:
    """A hub that wants a token."""
    assert (built_console / "index.html").is_file()
    file = tmp_path / "hub.token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    hub = RealHub(tmp_path, "--token-file", str(file))
    yield hub
    hub.stop()


def test_the_login_form_leads_to_the_page_that_was_asked_for(
    exposed: RealHub, visit: Callable[..., Any]
) -> None:
    exposed.push([flow_record("worker", "db"), denied_record()])
    page = visit(f"{exposed.url}/flow-logs/denied-flows?start_time=30")
    page.get_by_label("Token").fill(TOKEN[:-1])
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").get_by_text("not taken").wait_for()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    wait_for_rows(page, 1)
    assert page.url == f"{exposed.url}/flow-logs/denied-flows?start_time=30"
    visit.complaints.clear()  # type: ignore[attr-defined]


def test_who_is_logged_out_elsewhere_logs_in_again_over_the_page(
    exposed: RealHub, visit: Callable[..., Any]
) -> None:
    exposed.push([flow_record("worker", "db")])
    page = visit(f"{exposed.url}/flow-logs")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    wait_for_rows(page, 1)
    assert page.request.post(f"{exposed.url}/logout").ok
    dialog = page.get_by_role("dialog", name="Your session has ended")
    dialog.get_by_label("Token").fill(TOKEN)
    dialog.get_by_role("button", name="Log in").click()
    dialog.wait_for(state="detached")
    wait_for_rows(page, 1)
    page.get_by_role("button", name="Logged in as the hub's token").click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_text("Log in with the token that this hub was started with.").wait_for()
    visit.complaints.clear()  # type: ignore[attr-defined]
