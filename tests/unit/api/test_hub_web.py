"""Who may ask the hub, and what goes out with every answer. Source: docs/explanation/console-api.md."""

import asyncio
from pathlib import Path

import pytest

from ocicat.api.door import TokenDoor
from ocicat.api.web import Access
from support.hub import flow_record
from support.hubapp import serving

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "localhost:18081"}, 200),
        ({"Host": "127.0.0.1:9"}, 200),
        ({"Host": "127.8.8.8"}, 200),
        ({"Host": "[::1]:8081"}, 200),
        ({"Host": "hub.example:443"}, 200),
        ({"Host": "rebound.example"}, 403),
        ({"Host": "localhost.rebound.example"}, 403),
        ({"Host": "127.0.0.1.rebound.example"}, 403),
        ({"Host": "10.0.0.1"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "http://127.0.0.1:8081"}, 200),
        ({"Origin": "https://rebound.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "file://"}, 403),
    ],
)
async def test_only_our_own_names_and_pages_are_answered(headers: dict[str, str], status: int) -> None:
    async with serving(access=Access(frozenset({"hub.example"}))) as app:
        for path in ("/api/v1/status", "/whisker-backend/flows", "/"):
            async with app.client.get(path, headers=headers) as answer:
                assert (answer.status if path != "/" else status) == status, path


async def test_what_is_no_text_is_no_token_and_no_path() -> None:
    """Bytes that are no UTF-8 reach a handler as surrogates; they are refused, not a mistake of ours."""
    async with serving(access=Access(door=TokenDoor(TOKEN))) as app:
        for path, wanted in (("/api/v1/status", b" 401 "), ("/%00", b" 404 ")):
            url = app.client.make_url("/")
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(b"GET %s HTTP/1.0\r\nHost: localhost\r\n" % path.encode())
            token = b"\xff\xfe" if wanted == b" 401 " else TOKEN.encode()
            writer.write(b"Authorization: Bearer %s\r\n\r\n" % token)
            assert wanted in await reader.readline()
            writer.close()


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("", 401),
        ("Bearer", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer ümlaut", 401),
    ],
)
async def test_an_exposed_hub_wants_its_token(given: str, status: int) -> None:
    async with serving(access=Access(door=TokenDoor(TOKEN))) as app:
        for path in ("/api/v1/status", "/whisker-backend/flows", "/metrics", "/api/v1/flows/stream"):
            async with app.client.get(path, headers={"Authorization": given}) as answer:
                assert answer.status == status, path
        for path in ("/healthz", "/readyz"):
            async with app.client.get(path) as answer:
                assert answer.status == 200


async def test_every_answer_has_the_headers_that_keep_a_browser_safe() -> None:
    async with serving() as app:
        for path in (
            "/api/v1/status",
            "/nothing.js",
            "/api/v1/flows?q=x=y",
            "/",
            "/whisker-backend/flows?filters={",
        ):
            async with app.client.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy, path
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with app.client.get("/api/v1/flows/stream") as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/api/v1/flows", "/whisker-backend/flows", "/"])
async def test_nothing_can_be_written(path: str) -> None:
    async with serving() as app:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            async with app.client.request(method, path, data=b"{}") as answer:
                assert answer.status == 405


async def test_the_page_is_served_below_every_path_and_nothing_outside_its_folder(tmp_path: Path) -> None:
    console = tmp_path / "console"
    (console / "assets").mkdir(parents=True)
    (console / "index.html").write_text('<base href="/">page')
    (console / "assets" / "app-1234.js").write_text("code")
    (tmp_path / "secret.txt").write_text("secret")
    async with serving(console=console) as app:
        for path in ("/", "/flow-logs", "/flow-logs/denied-flows", "/map"):
            async with app.client.get(path) as answer:
                assert "page" in await answer.text()
                assert answer.headers["Cache-Control"] == "no-cache"
        async with app.client.get("/assets/app-1234.js") as answer:
            assert (await answer.text(), "immutable" in answer.headers["Cache-Control"]) == ("code", True)
        for path in (
            "/..%2fsecret.txt",
            "/%2e%2e/secret.txt",
            "/missing.css",
            "/assets/..%2f..%2fsecret.txt",
        ):
            async with app.client.get(path) as answer:
                assert answer.status == 404, path
                assert "secret" not in await answer.text()


async def test_unknown_paths_of_the_interfaces_are_not_the_page(tmp_path: Path) -> None:
    """§7.4: "Unknown path: 404 plain text"."""
    (tmp_path / "index.html").write_text("page")
    async with serving(console=tmp_path) as app:
        for path in ("/api/v1/nothing", "/whisker-backend/nothing"):
            async with app.client.get(path) as answer:
                assert answer.status == 404, path


async def test_prometheus_reads_how_the_hub_stands() -> None:
    async with serving() as app:
        await app.hub.take([flow_record(start_ns=app.timer.now_ns() - 2_000_000_000)])
        async with app.client.get("/metrics") as answer:
            text = await answer.text()
    assert "ocicat_hub_rows 1.0" in text
    assert "ocicat_hub_lag_seconds 1.0" in text
    assert "# HELP ocicat_hub_flows_received_total" in text
