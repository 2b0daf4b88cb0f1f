"""The doors of the loopback: what they carry, whom they let wait, and what they say when a port is taken."""

import asyncio
import contextlib
import os
import socket

import pytest

from ocicat.app.up.doors import Door, TakenError
from ocicat.cluster.pods.programs.relay import Relay
from ocicat.cluster.pods.sockets import connected


async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data.upper())
        await writer.drain()
    writer.write(b"bye")
    writer.close()


async def asked(port, text):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


@contextlib.asynccontextmanager
async def opened(door):
    running = asyncio.create_task(door.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        door.close()


def test_both_directions_and_both_ends_are_carried(tmp_path):
    async def scene():
        server = await asyncio.start_unix_server(echo, tmp_path / "s")
        door = Door(tmp_path / "s", 0, instead=False)
        async with server, opened(door):
            return await asyncio.gather(*(asked(door.port, text) for text in (b"a", b"b" * 200_000)))

    first, second = asyncio.run(scene())
    assert first == b"Abye"
    assert second == b"B" * 200_000 + b"bye"


def test_who_comes_before_the_server_waits_for_it(tmp_path):
    async def scene():
        door = Door(tmp_path / "s", 0, instead=False)
        async with opened(door):
            early = asyncio.create_task(asked(door.port, b"early"))
            await asyncio.sleep(0.3)
            assert not early.done()
            async with await asyncio.start_unix_server(echo, tmp_path / "s"):
                return await early

    assert asyncio.run(scene()) == b"EARLYbye"


def test_without_a_server_the_connection_is_closed(tmp_path):
    async def scene():
        listening = socket.create_server(("127.0.0.1", 0))
        relay = asyncio.create_task(Relay(tmp_path / "nobody", patience_s=0.1).serve(listening))
        try:
            return await asked(listening.getsockname()[1], b"hello")
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)

    assert asyncio.run(scene()) == b""


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(TakenError, match=rf"127\.0\.0\.1:{port} is taken.*--console-port"):
            Door("/nowhere", port, instead=False)


def test_another_port_will_do_where_that_was_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        door = Door(tmp_path / "s", other.getsockname()[1], instead=True)
        assert door.port != other.getsockname()[1]
        door.close()


def test_a_path_may_be_longer_than_a_socket_address(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        held = os.open(folder, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{held}/s")
        os.close(held)
        listening.listen(1)
        connected(folder / "s").close()
