"""Logging in and out of an exposed hub, and what each user sees of it. Source: docs/adr/0012."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import msgspec
import pytest

from ocicat.api import door
from ocicat.api.door import COOKIE, SESSION_S, SIGHT_NS, ClusterDoor, TokenDoor
from ocicat.api.web import Access
from ocicat.model.record import FlowRecord
from ocicat.ports.reviewer import ReviewError, User
from support.clocks import FakeTimer
from support.hub import flow_record
from support.hubapp import HubApp, serving

API = "/api/v1"
TOKEN = "a-token-of-some-length"
EXPOSED = Access(door=TokenDoor(TOKEN))


class Cluster:
    """A reviewer whose users have their name as token."""

    def __init__(self, rights: Mapping[str, set[tuple[str, str]]]) -> None:
        self.rights = rights
        self.asked = 0
        self.is_down = False

    async def user(self, token: str) -> User | None:
        if self.is_down:
            raise ReviewError("connection refused")
        return User(token) if token in self.rights else None

    async def may_list(self, user: User, group: str, resource: str, namespace: str) -> bool:
        self.asked += 1
        return (resource, namespace) in self.rights[user.name]


def cluster_access(cluster: Cluster, timer: FakeTimer, spaces: set[str]) -> Access:
    return Access(door=ClusterDoor(cluster, lambda: spaces, timer))


def between(source: str, dest: str, port: int, start_ns: int) -> FlowRecord:
    """Return a flow between two namespaces."""
    record = flow_record(port=port, start_ns=start_ns)
    key = msgspec.structs.replace(record.key, source_namespace=source, dest_namespace=dest)
    return msgspec.structs.replace(record, key=key)


# --- sessions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": {"token": TOKEN}}, 303),
        ({"json": {"token": TOKEN}}, 204),
        ({"headers": {"Authorization": f"Bearer {TOKEN}"}}, 204),
    ],
    ids=["form", "json", "bearer"],
)
async def test_a_token_becomes_a_session_that_scripts_cannot_read(body: dict[str, Any], status: int) -> None:
    async with serving(access=EXPOSED) as app:
        async with app.client.post("/login", allow_redirects=False, **body) as answer:
            assert answer.status == status
            cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert TOKEN not in cookie
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "Secure" not in cookie
        assert (await app.get(f"{API}/session"))["login"] == "token"
        async with app.stream(f"{API}/flows/stream") as events:
            assert (await events.next())["event"] == "caught-up"


async def test_behind_one_who_ends_tls_the_cookie_is_secure() -> None:
    async with serving(access=EXPOSED) as app:
        forwarded = {"X-Forwarded-Proto": "https"}
        async with app.client.post("/login", json={"token": TOKEN}, headers=forwarded) as answer:
            assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("given", ["", "x", f"{TOKEN}x", "<script>alert(1)</script>"])
async def test_a_wrong_token_begins_no_session(given: str) -> None:
    async with serving(access=EXPOSED) as app:
        async with app.client.post("/login", data={"token": given}) as answer:
            assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)
            page = await answer.text()
            assert "not taken" in page
            assert "<script" not in page
        async with app.client.post("/login", json={"token": given}) as answer:
            assert (answer.status, answer.content_type) == (401, "application/problem+json")
        assert (await app.refused(f"{API}/status"))[0] == 401


async def test_logging_out_ends_the_session_for_whoever_has_the_cookie() -> None:
    async with serving(access=EXPOSED) as app:
        async with app.client.post("/login", json={"token": TOKEN}) as answer:
            stolen = {"Cookie": f"{COOKIE}={answer.cookies[COOKIE].value}"}
        await app.get(f"{API}/status")
        async with app.client.post("/logout") as answer:
            assert answer.status == 204
        async with app.client.get(f"{API}/status", headers=stolen) as answer:
            assert answer.status == 401


async def test_a_session_ends_by_itself() -> None:
    async with serving(access=EXPOSED) as app:
        async with app.client.post("/login", json={"token": TOKEN}):
            await app.timer.advance(SESSION_S - 1)
        await app.get(f"{API}/status")
        await app.timer.advance(2)
        assert (await app.refused(f"{API}/status"))[0] == 401


async def test_a_session_does_not_renew_itself() -> None:
    async with serving(access=EXPOSED) as app:
        async with app.client.post("/login", json={"token": TOKEN}):
            pass
        async with app.client.post("/login") as answer:
            assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)
        await app.get(f"{API}/status")


async def test_below_a_prefix_a_login_stays_there() -> None:
    """Source: docs/explanation/console-api.md, "The console may live below a path prefix"."""
    async with serving(access=EXPOSED) as app:
        async with app.client.get("/policies/a?q=b", allow_redirects=False) as answer:
            login = urljoin("https://one.example/ocicat/policies/a", answer.headers["Location"])
        assert urlsplit(login).path == "/ocicat/login"
        to = parse_qs(urlsplit(login).query)["to"][0]
        async with app.client.post(
            "/login", data={"token": TOKEN, "to": to}, allow_redirects=False
        ) as answer:
            assert urljoin(login, answer.headers["Location"]) == "https://one.example/ocicat/policies/a?q=b"


async def test_people_are_sent_to_the_login_page_and_programs_are_told() -> None:
    async with serving(access=EXPOSED) as app:
        for path, page in (
            ("/", "login"),
            ("/map", "login?to=/map"),
            ("/flow-logs?q=a&b=c", "login?to=/flow-logs%3Fq%3Da%26b%3Dc"),
            ("/policies/x%2Fy/z", "../../login?to=/policies/x%252Fy/z"),
        ):
            async with app.client.get(path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (303, page)
        for path in (f"{API}/flows", f"{API}/nothing", "/whisker-backend/flows", "/metrics", "/assets/a.js"):
            async with app.client.get(path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
                assert (await answer.json())["status"] == 401
        async with app.client.get("/login") as answer:
            assert answer.status == 200
            assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
            assert "script-src" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("to", "led"),
    [
        ("/map?focus=catfacts%2Fdb", "./map?focus=catfacts%2Fdb"),
        ("/?q=a:b", "./?q=a:b"),
        ("", "./"),
        ("//elsewhere.example", "./"),
        ("/\\elsewhere.example", "./"),
        ("/\t/elsewhere.example", "./"),
        ("https://elsewhere.example", "./"),
        ("javascript:alert(1)", "./"),
    ],
)
async def test_a_login_leads_to_what_was_asked_for_and_to_no_other_site(to: str, led: str) -> None:
    async with serving(access=EXPOSED) as app:
        body = {"token": TOKEN, "to": to}
        async with app.client.post("/login", data=body, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, led)


async def test_the_login_page_keeps_what_was_asked_for_as_text() -> None:
    async with serving(access=EXPOSED) as app:
        to = '/"><script>alert(1)</script>'
        async with app.client.get("/login", params={"to": to}) as answer:
            assert "<script" not in await answer.text()
        async with app.client.post("/login", data={"token": "x", "to": "/map"}) as answer:
            assert 'value="/map"' in await answer.text()


async def test_browsers_send_the_origin_of_the_login_form() -> None:
    """With `no-referrer` they send `Origin: null`, which the hub refuses."""
    async with serving(access=EXPOSED) as app, app.client.get("/login") as answer:
        assert answer.headers["Referrer-Policy"] == "same-origin"


async def test_another_site_cannot_log_anybody_in_or_out() -> None:
    async with serving(access=EXPOSED) as app:
        for path in ("/login", "/logout"):
            async with app.client.post(
                path, data={"token": TOKEN}, headers={"Origin": "https://rebound.example"}
            ) as answer:
                assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with serving() as app:
        for path in ("/flows", "/policies", "/status"):
            async with app.client.request(method, f"{API}{path}", json={}) as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


# --- users of a cluster -------------------------------------------------------------------------------------

RIGHTS = {
    "ann": {("networkpolicies", ""), ("globalnetworkpolicies", "")},
    "bob": {("networkpolicies", "shop")},
    "eve": set[tuple[str, str]](),
}
SPACES = {"shop", "bank", "mail", "-", ""}


async def tell(app: HubApp) -> None:
    """Tell of flows within shop, from shop to bank, from bank to shop, and within bank."""
    now = app.timer.now_ns()
    pairs = [("shop", "shop"), ("shop", "bank"), ("bank", "shop"), ("bank", "bank")]
    await app.hub.take([between(*pair, port, now) for port, pair in enumerate(pairs, start=1)])


def ports(found: Any) -> set[int]:
    return {flow["dest_port"] for flow in found["items"]}


async def test_a_user_sees_the_flows_that_begin_or_end_where_he_may_list_policies() -> None:
    timer = FakeTimer()
    async with serving(access=cluster_access(Cluster(RIGHTS), timer, SPACES)) as app:
        await tell(app)
        for user, seen in (("ann", {1, 2, 3, 4}), ("bob", {1, 2, 3}), ("eve", set())):
            app.client.session.headers["Authorization"] = f"Bearer {user}"
            assert ports(await app.get(f"{API}/flows")) == seen, user
            assert ports(await app.get("/whisker-backend/flows")) == seen, user
            exported = await app.client.get(f"{API}/export")
            lines = (await exported.text()).splitlines()
            assert {json.loads(line)["dest_port"] for line in lines} == seen, user
            async with app.stream(f"{API}/flows/stream") as events:
                shown = []
                while (event := await events.next())["event"] != "caught-up":
                    shown += json.loads(event["data"])
                assert {flow["dest_port"] for flow in shown} == seen, user


async def test_a_live_stream_shows_only_what_its_user_may_see() -> None:
    timer = FakeTimer()
    async with serving(access=cluster_access(Cluster(RIGHTS), timer, SPACES)) as app:
        headers = {"Authorization": "Bearer bob"}
        async with app.stream(f"{API}/flows/stream", headers=headers) as events:
            assert (await events.next())["event"] == "caught-up"
            await app.hub.take([between("bank", "bank", 1, app.timer.now_ns())])
            await app.hub.take([between("bank", "shop", 2, app.timer.now_ns())])
            while (event := await events.next())["event"] != "flow":
                continue
            assert [flow["dest_port"] for flow in json.loads(event["data"])] == [2]
            assert event["id"] == "2"


async def test_names_counts_and_hints_of_others_do_not_leak() -> None:
    timer = FakeTimer()
    async with serving(access=cluster_access(Cluster(RIGHTS), timer, SPACES)) as app:
        await tell(app)
        app.client.session.headers["Authorization"] = "Bearer bob"
        assert (await app.get(f"{API}/status"))["namespaces"] == ["shop"]
        assert (await app.get(f"{API}/flows"))["total"] == 3
        assert len((await app.get(f"{API}/graph"))["edges"]) == 3
        top = (await app.get(f"{API}/top", by="dest"))["items"]
        assert {item["key"]: item["connections"] for item in top} == {
            "shop/db-7c9d5f-*": 2,
            "bank/db-7c9d5f-*": 1,
        }
        hidden = [flow for flow in await everything(app) if flow["dest_port"] == 4]
        assert (await app.refused(f"{API}/flows/{hidden[0]['id']}"))[0] == 404
        assert await app.get(f"{API}/session") == {
            "login": "kubernetes",
            "user": "bob",
            "all_namespaces": False,
            "namespaces": ["shop"],
            "shared_policies": False,
        }


async def everything(app: HubApp) -> list[dict[str, Any]]:
    async with app.client.get(f"{API}/flows", headers={"Authorization": "Bearer ann"}) as answer:
        items: list[dict[str, Any]] = (await answer.json())["items"]
        return items


async def test_nobodys_token_is_refused_and_a_silent_cluster_is_said() -> None:
    cluster = Cluster(RIGHTS)
    async with serving(access=cluster_access(cluster, FakeTimer(), SPACES)) as app:
        app.client.session.headers["Authorization"] = "Bearer mallory"
        assert (await app.refused(f"{API}/flows"))[0] == 401
        cluster.is_down = True
        status, body = await app.refused(f"{API}/flows")
        assert (status, body["detail"]) == (503, "the cluster does not say who you are: try again")


async def test_rights_are_asked_for_again_after_some_seconds() -> None:
    cluster, timer = Cluster({**RIGHTS, "bob": {("networkpolicies", "shop")}}), FakeTimer()
    async with serving(access=cluster_access(cluster, timer, SPACES)) as app:
        await tell(app)
        app.client.session.headers["Authorization"] = "Bearer bob"
        assert len((await app.get(f"{API}/flows"))["items"]) == 3
        asked = cluster.asked
        cluster.rights["bob"].clear()
        assert len((await app.get(f"{API}/flows"))["items"]) == 3
        assert cluster.asked == asked
        await timer.advance(SIGHT_NS / 1e9)
        assert (await app.get(f"{API}/flows"))["items"] == []


STREAMS = [f"{API}/flows/stream", "/whisker-backend/flows"]


@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_of_somebody_who_sees_everything_ends_so_that_his_rights_are_looked_at_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "REVIEW_S", 0.0)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with serving(access=EXPOSED) as app, app.stream(path, watch="true", headers=headers) as events:
        await app.hub.take([between("shop", "bank", 1, app.timer.now_ns())])
        async with asyncio.timeout(20):
            await events.rest()


async def test_a_stream_of_a_hub_that_lets_everybody_in_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REVIEW_S", 0.0)
    async with serving() as app, app.stream("/whisker-backend/flows", watch="true") as events:
        for port in (1, 2):
            await app.hub.take([between("shop", "bank", port, app.timer.now_ns())])
            assert json.loads((await events.next())["data"])["dest_port"] == port
