"""Readers that do not read hold nobody up, and are told what they missed. Source: spec §12."""

import asyncio
import contextlib
import json

import pytest

from ocicat.flows import hub as hub_module
from support.clocks import settled
from support.hub import flow_record
from support.hubapp import Events, HubApp, serving

DEAD = 100
GROUPS, GROUP = 25, 250
"""7 MB of JSON for each reader."""
MANY = 80
"""Groups of which a socket cannot hold all."""


async def read_ports(events: Events, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        event = await events.next()
        assert event["event"] != "lost"
        if event["event"] == "flow":
            found += [flow["dest_port"] for flow in json.loads(event["data"])]
    return found


async def push(app: HubApp, groups: int = GROUPS) -> None:
    now = app.timer.now_ns()
    for group in range(groups):
        first = group * GROUP
        await app.hub.take([flow_record(port=first + place, start_ns=now) for place in range(GROUP)])


async def test_a_hundred_dead_readers_stop_neither_senders_nor_other_readers() -> None:
    total = GROUPS * GROUP
    async with serving() as app, contextlib.AsyncExitStack() as stack:
        dead = []
        for place in range(DEAD):
            path = "/whisker-backend/flows" if place % 2 else "/api/v1/flows/stream"
            dead.append(await stack.enter_async_context(app.stream(path, watch="true")))
        reader = await stack.enter_async_context(app.stream("/api/v1/flows/stream"))
        while (await reader.next())["event"] != "caught-up":
            pass
        reading = asyncio.create_task(read_ports(reader, total))
        await push(app)
        assert app.hub.position == total
        assert sorted(await reading) == list(range(total))
        await push(app, 1)
        await settled()
        blocked = [listener for listener in app.hub._listeners if listener._waiting]
        # How much a socket holds is the system's affair: some may have taken all.
        assert len(blocked) >= DEAD // 4


async def test_a_reader_that_wakes_up_is_told_how_much_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "WAITING", 1_000)
    async with serving() as app, app.stream("/api/v1/flows/stream") as events:
        await push(app, MANY)
        seen, missed = 0, 0
        while seen + missed < MANY * GROUP:
            event = await events.next()
            if event["event"] == "flow":
                seen += len(json.loads(event["data"]))
            if event["event"] == "lost":
                missed += json.loads(event["data"])["records"]
        assert missed > 0
        assert seen + missed == MANY * GROUP
