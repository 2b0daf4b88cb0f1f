"""Hostile input: a proper Status, and the server goes on (the issue, Done when)."""

import asyncio
import json
import ssl

import pytest
from yarl import URL

from support.apiserver import DEADLINE_S, config, pod, serving
from support.clocks import until

HERE = "/api/v1/namespaces/default/configmaps"

BOMB = b"a0: &a0 x\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (level, level, b",".join([b"*a%d" % (level - 1)] * 9)) for level in range(1, 9)
)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"null", {}, 400),
        (b"[]", {}, 400),
        (b"7", {}, 400),
        (b'{"metadata":7}', {}, 400),
        (b'{"metadata":{"name":7}}', {}, 400),
        (b'{"metadata":{"name":"a","labels":[]}}', {}, 400),
        (b'{"metadata":{"name":"a","labels":{"x":7}}}', {}, 400),
        (b'{"metadata":{"name":"a","ownerReferences":[7]}}', {}, 400),
        (b'{"metadata":{"name":"a","finalizers":[7]}}', {}, 400),
        (b'{"metadata":{"name":"a","managedFields":[{"operation":"Apply","fieldsV1":{"f:a":7}}]}}', {}, 201),
        (b'{"metadata":{"name":"a"},"data":7}', {}, 400),
        (b'{"metadata":{"name":"a"},"data":{"x":7}}', {}, 400),
        (b'{"metadata":{"name":"A_"}}', {}, 422),
        (b'{"metadata":{"name":"a","labels":{"-":"x"}}}', {}, 422),
        (b'{"metadata":{"name":"a","namespace":"other"}}', {}, 400),
        (b'{"kind":"Pod","metadata":{"name":"a"}}', {}, 400),
        (b'{"apiVersion":"v2","metadata":{"name":"a"}}', {}, 400),
        (b'{"metadata":{"name":"a"}}', {"Content-Type": "text/html"}, 415),
        (b'{"metadata":{"name":"a"}}', {"Content-Type": ""}, 201),
        (b"metadata: {name: a}", {"Content-Type": "application/yaml"}, 201),
        (b"metadata: {name: &a a, x: *a}", {"Content-Type": "application/yaml"}, 201),
        (b"metadata: {1: 2}", {"Content-Type": "application/yaml"}, 422),
        (BOMB, {"Content-Type": "application/yaml"}, 400),
        (b"\xff\xfe\x00", {"Content-Type": "application/yaml"}, 400),
        (b"k8s\x00\xff\xff\xff\xff", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400),
        (b"nonsense", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"metadata":{"name":"a"},"data":{"x":"' + b"y" * 3_200_000 + b'"}}', {}, 413),
    ],
)
async def test_bodies(tmp_path, body, headers, code):
    async with serving(tmp_path) as client:
        status, found, _ = await client.ask("POST", HERE, body, **headers)
        assert status == code, found
        if code >= 400:
            assert (found["kind"], found["code"], found["status"]) == ("Status", code, "Failure")
            assert len(json.dumps(found)) < 4096, "foreign text is cut"
        await client("POST", HERE, config("after"))


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/nonsense", 404),
        ("GET", "/apis/no.such/v1/things", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/absent", 404),
        ("GET", "/api/v1/namespaces/default/pods/absent/log", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/absent/status", 404),
        ("POST", "/api/v1/configmaps", 400),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("PUT", "/api/v1/namespaces/default/configmaps", 405),
        ("PATCH", "/api/v1/namespaces/default/configmaps", 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews", 405),
        ("POST", "/version", 405),
        ("OPTIONS", "/api/v1/pods", 405),
        ("GET", "/api/v1/pods?labelSelector=((", 400),
        ("GET", "/api/v1/pods?watch=1&resourceVersion=abc", 400),
        ("GET", "/api/v1/pods?watch=1&timeoutSeconds=1e9", 400),
        ("GET", "/api/v1/pods?limit=99999999999999999999", 400),
        ("GET", "/api/v1/namespaces/%2e%2e/secrets", 400),
        ("GET", "/api/v1/namespaces/a%00b/secrets", 400),
        ("GET", "/api/v1//pods", 400),
    ],
)
async def test_addresses(tmp_path, method, path, code):
    async with serving(tmp_path) as client:
        body = b"{}" if method in ("POST", "PUT", "PATCH") else None
        url = URL(client.server.url + path, encoded=True)
        found = await client.refused(method, url, body)
        assert found["code"] == code, found


@pytest.mark.parametrize("token", ["x", "x" * 100_000, "a.b.c", "..", "é"])
async def test_bad_tokens(tmp_path, token):
    async with serving(tmp_path) as client:
        if len(token) > 8000:
            reader, writer = await _connect(client)
            writer.write(f"GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            assert int((await reader.readline()).split()[1]) in (400, 401, 431)
            writer.close()
            return
        status, found, _ = await client.ask("GET", "/api/v1/pods", token=token)
        assert (status, found["reason"]) == (401, "Unauthorized")


async def test_nobody_sees_little(tmp_path):
    async with serving(tmp_path) as client:
        assert (await client.ask("GET", "/version", token=""))[0] == 200
        refused = await client.refused("GET", "/api/v1/secrets", token="")
        assert 'User "system:anonymous" cannot list resource "secrets"' in refused["message"]


async def _connect(client):
    context = ssl.create_default_context(cafile=str(client.server.credentials.ca_file))
    host, port = client.server.url.removeprefix("https://").split(":")
    return await asyncio.open_connection(host, int(port), ssl=context, limit=1 << 26)


async def test_a_body_that_never_comes_is_given_up(tmp_path):
    async with serving(tmp_path, request_timeout_s=0.2) as client:
        reader, writer = await _connect(client)
        head = (
            f"POST {HERE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.server.credentials.token}\r\n"
        )
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())
        async with asyncio.timeout(DEADLINE_S):
            line = await reader.readline()
            assert line.split()[1] == b"504"
            await reader.read()
        writer.close()
        await client("POST", HERE, config("after"))


async def test_a_request_that_never_ends_its_head_is_given_up(tmp_path):
    async with serving(tmp_path, request_timeout_s=0.2) as client:
        reader, writer = await _connect(client)
        writer.write(b"GET /api HTTP/1.1\r\nHost:")
        async with asyncio.timeout(DEADLINE_S):
            await reader.read()
        writer.close()
        await client("GET", "/api")


async def test_watchers_that_vanish_leave_nothing(tmp_path):
    async with serving(tmp_path) as client:
        writers = []
        for _ in range(20):
            reader, writer = await _connect(client)
            token = client.server.credentials.token
            writer.write(
                f"GET {HERE}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            await reader.readline()
            writers.append(writer)
        assert len(client.server._frontdoor._server.connections) >= 20
        for writer in writers:
            writer.transport.abort()
        for number in range(5):
            await client("POST", HERE, config(f"c{number}"))
        connections = client.server._frontdoor._server
        await until(lambda: len(connections.connections) <= 1)  # the client's own


async def test_a_watcher_that_does_not_read_is_dropped_not_buffered(tmp_path):
    """The history is the only buffer: a reader that stops finds its place forgotten, and is told."""
    async with serving(tmp_path) as client:
        client.server.store._memory._history = 16
        reader, writer = await _connect(client)
        token = client.server.credentials.token
        writer.write(
            f"GET {HERE}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        await reader.readline()
        reader._transport.pause_reading()
        await client("POST", HERE, config("a"))
        for number in range(150):  # 45 MB: more than the sockets of both sides hold
            await client("PUT", f"{HERE}/a", config("a", x=f"{number}" + "y" * 300_000))
        reader._transport.resume_reading()
        async with asyncio.timeout(DEADLINE_S):
            assert b'"code":410' in await reader.readuntil(b'"code":410')
        writer.close()


async def test_an_unexpected_failure_is_a_status_too(tmp_path, monkeypatch, caplog):
    async with serving(tmp_path) as client:
        monkeypatch.setattr(client.server.core, "find", lambda *_: 1 / 0)
        refused = await client.refused("GET", f"{HERE}/a")
        assert (refused["code"], refused["reason"]) == (500, "InternalError")
        assert "division" not in refused["message"]
        monkeypatch.undo()
        await client("POST", "/api/v1/namespaces/default/pods", pod("p"))


async def test_warnings_are_headers_without_line_breaks(tmp_path):
    async with serving(tmp_path) as client:
        body = {**config("a"), "x\r\nSet-Cookie: y": 1, 'with "quotes"': 2}
        status, _, headers = await client.ask("POST", f"{HERE}?fieldValidation=Warn", body)
        assert status == 201
        assert "Set-Cookie" not in headers
        assert headers.getall("Warning") == [
            r'299 - "unknown field \"x  Set-Cookie: y\""',
            r'299 - "unknown field \"with \"quotes\"\""',
        ]
        strict = await client.refused("POST", f"{HERE}?fieldValidation=Strict", body)
        assert 'strict decoding error: unknown field "x' in strict["message"]
        assert (await client.refused("POST", f"{HERE}?fieldValidation=Maybe", body))["code"] == 400


async def test_duplicate_fields(tmp_path):
    async with serving(tmp_path) as client:
        body = b'{"metadata":{"name":"a"},"data":{"x":"1","x":"2"}}'
        strict = await client.refused("POST", f"{HERE}?fieldValidation=Strict", body)
        assert "duplicate field" in strict["message"]
        _, _, headers = await client.ask("POST", HERE, body)
        assert "duplicate field" in headers["Warning"]
