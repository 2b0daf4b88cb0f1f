"""The console of an exposed hub in a browser: a session that ends, logging in again, logging out.

Source: issue 5, "when exposed: login by bearer token"; docs/explanation/console-api.md.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.console import MockHub

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]
ROW = "[data-row]"
TOKEN = "right-token"


@pytest.fixture
def exposed(built_console: Any) -> Iterator[MockHub]:
    """A hub that wants a token."""
    hub = MockHub(built_console, ["--workloads", "3", "--token", TOKEN])
    yield hub
    hub.stop()


@pytest.fixture
def page(exposed: MockHub, visit: Visit) -> Any:
    """The denied flows, seen by somebody who has logged in."""
    page = visit(f"{exposed.url}/login")
    page.request.post(f"{exposed.url}/login", data=json.dumps({"token": TOKEN}))
    page.goto(f"{exposed.url}/flow-logs/denied-flows?dest_port=80")
    page.wait_for_selector(ROW)
    yield page
    # The browser notes that the stream broke and that nobody was let in: that is what these tests are about.
    told = [said for said in visit.complaints if "Failed to load resource" not in said]  # type: ignore[attr-defined]
    visit.complaints[:] = told  # type: ignore[attr-defined]


def end_session(page: Any, hub: MockHub) -> Any:
    """End the session; return the dialog that says so."""
    assert page.request.post(f"{hub.url}/mock/expire").ok
    dialog = page.get_by_role("dialog", name="Your session has ended")
    dialog.wait_for()
    return dialog


def test_a_session_that_ends_is_begun_again_where_one_was(page: Any, exposed: MockHub) -> None:
    address = page.url
    dialog = end_session(page, exposed)
    dialog.get_by_label("Token").fill(TOKEN)
    dialog.get_by_role("button", name="Log in").click()
    dialog.wait_for(state="detached")
    page.wait_for_selector(ROW)
    assert page.url == address


def test_a_wrong_token_is_told_and_the_dialog_stays(page: Any, exposed: MockHub) -> None:
    dialog = end_session(page, exposed)
    page.keyboard.press("Escape")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    dialog.get_by_role("alert").get_by_text("This token is not taken.").wait_for()
    assert dialog.get_by_label("Token").get_attribute("aria-invalid") == "true"


def test_what_was_shown_stays_behind_the_dialog(page: Any, exposed: MockHub) -> None:
    end_session(page, exposed)
    assert page.locator(ROW).count() == 1


def test_who_is_logged_in_and_what_he_sees_is_told_and_he_can_leave(page: Any) -> None:
    page.get_by_role("button", name=re.compile("^Logged in as")).click()
    menu = page.get_by_role("group", name=re.compile("^Logged in as"))
    words = menu.inner_text()
    assert "system:serviceaccount:catfacts:reader" in words
    assert "Sees 1 namespace: catfacts." in words
    menu.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    assert page.url.endswith("/login")


def test_where_no_login_is_needed_nothing_is_said_of_it(visit: Visit, hubs: Callable[..., Any]) -> None:
    page = visit(hubs("--workloads", 3).url)
    page.wait_for_selector(ROW)
    assert page.get_by_role("button", name=re.compile("^Logged in as")).count() == 0
