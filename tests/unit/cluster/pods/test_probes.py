"""Probes and hooks: what is asked, and what counts as an answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocicat.cluster.pods.probes import Asked, Pace, pace_of, port_of
from support.clocks import until

CONTAINER = {"ports": [{"name": "http", "containerPort": 8080}]}


def test_the_pace_where_nothing_is_said() -> None:
    """ "Default to 10 seconds", "Defaults to 1 second", "Defaults to 1", "Defaults to 3" """
    assert pace_of({}) == Pace(0, 10, 1, 1, 3)


@pytest.mark.parametrize(("named", "port"), [(80, 80), ("http", 8080), ("81", 81), ("none", 0), (None, 0)])
def test_ports(named: object, port: int) -> None:
    assert port_of(named, CONTAINER) == port


async def executed(words: list[str]) -> tuple[int, str]:
    if words == ["hang"]:
        await asyncio.sleep(60)
    return (0, "") if words == ["good"] else (3, "it is bad\n" if words == ["bad"] else "")


def asked(address: str = "127.0.0.1") -> Asked:
    return Asked(CONTAINER, address, executed)


@contextlib.asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that reads a request and gives one answer; yields its port, and what it has read."""
    heard: list[bytes] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(one, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], heard


@pytest.mark.parametrize(
    ("words", "why"),
    [(["good"], ""), (["bad"], "command exited with 3: it is bad"), (["silent"], "command exited with 3")],
)
async def test_commands(words: list[str], why: str) -> None:
    assert await asked().once({"exec": {"command": words}}, 5) == why


async def test_no_answer_in_time() -> None:
    assert await asked().once({"exec": {"command": ["hang"]}}, 0.05) == "no answer within 0.05 s"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        # "Any code greater than or equal to 200 and less than 400 indicates success"
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\n\r\n", ""),
        (b"HTTP/1.1 400 Bad\r\n\r\n", "HTTP probe failed with statuscode: 400"),
        (b"HTTP/1.1 503 No\r\n\r\n", "HTTP probe failed with statuscode: 503"),
        (b"no HTTP at all\r\n", "HTTP probe failed with statuscode: 0"),
        (b"", "HTTP probe failed with statuscode: 0"),
    ],
)
async def test_pages(answer: bytes, why: str) -> None:
    async with server(answer) as (port, heard):
        headers = [{"name": "X-A", "value": "b"}, {"name": "Host", "value": "other"}]
        what = {"httpGet": {"path": "/x?y", "port": port, "httpHeaders": headers}}
        assert await asked().once(what, 5) == why
    assert heard[0].startswith(b"GET /x?y HTTP/1.1\r\nHost: other\r\nUser-Agent: kube-probe/1.32\r\n")
    assert b"X-A: b\r\n" in heard[0]


async def test_ports_that_listen_and_ports_that_do_not() -> None:
    async with server(b"") as (port, _):
        assert await asked().once({"tcpSocket": {"port": port}}, 5) == ""
    why = await asked().once({"tcpSocket": {"port": port}}, 5)
    assert "Connect call failed" in why or "refused" in why


async def test_a_kind_that_is_not_known_fails_and_says_so() -> None:
    assert (
        await asked().once({"grpc": {"port": 1}}, 5)
        == "this cluster asks by exec, httpGet and tcpSocket alone"
    )


async def test_thresholds() -> None:
    """Two successes in a row for good news, three failures in a row for bad ones."""
    answers = iter([0, 1, 0, 0, 1, 1, 1, 1])
    told: list[bool] = []
    failures: list[str] = []

    async def execute(_: list[str]) -> tuple[int, str]:
        code = next(answers, None)
        if code is None:
            await asyncio.Event().wait()
        return code or 0, ""

    probe: dict[str, Any] = {
        "exec": {"command": ["x"]}, "periodSeconds": 0.001, "successThreshold": 2, "failureThreshold": 3,
    }  # fmt: skip
    following = asyncio.create_task(
        Asked(CONTAINER, "", execute).followed(probe, lambda good, _: told.append(good), failures.append)
    )
    await until(lambda: len(failures) == 5)
    following.cancel()
    assert told == [True, False, False]
