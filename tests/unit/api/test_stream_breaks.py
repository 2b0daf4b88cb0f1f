"""Readers who come back miss nothing, and are told of no loss that is none. Source: docs/adr/0012."""

import asyncio
import json
from collections.abc import Sequence

import msgspec
import pytest

from ocicat.api import flowstream
from ocicat.api.door import Door, Visitor
from ocicat.api.sight import SeenHub, Sight
from ocicat.api.web import Access
from ocicat.flows import hub as hub_module
from ocicat.flows.hub import Hub
from ocicat.flows.store.memory import MemoryStore
from ocicat.model.record import FlowRecord
from ocicat.ports.flowhub import Live
from support.clocks import FakeTimer, settled
from support.hub import flow_record
from support.hubapp import Events, serving

STREAM = "/api/v1/flows/stream"
SHOP = Sight(namespaces=frozenset({"shop"}))
RECENT = 10
OTHERS = 25
"""More than are kept for readers that come back."""


class ShopDoor(Door):
    """Lets everybody in, to one namespace."""

    async def visitor(self, token: str) -> Visitor | None:
        return Visitor("bob", SHOP)


def of(namespace: str, start_ns: int, port: int = 80) -> FlowRecord:
    record = flow_record(port=port, start_ns=start_ns)
    key = msgspec.structs.replace(record.key, source_namespace=namespace, dest_namespace=namespace)
    return msgspec.structs.replace(record, key=key)


async def next_of(events: Events, kind: str) -> dict[str, str]:
    while (event := await events.next())["event"] != kind:
        pass
    return event


@pytest.mark.parametrize("query", [{}, {"q": "namespace=shop"}], ids=["sight", "filter"])
async def test_a_reader_whose_flows_are_rare_comes_back_without_loss(
    query: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RECENT", RECENT)
    monkeypatch.setattr(flowstream, "LAG_S", 0.05)
    access = Access() if query else Access(door=ShopDoor())
    async with serving(access=access) as app:
        now = app.timer.now_ns()
        await app.hub.take([of("shop", now)])
        async with app.stream(STREAM, **query) as events:
            await next_of(events, "caught-up")
            await app.hub.take([of("bank", now)] * OTHERS)
            async with asyncio.timeout(20):
                position = "0"
                while int(position) <= OTHERS:
                    position = (await next_of(events, "lag"))["id"]
        await app.hub.take([of("shop", now, port=443)])
        async with app.stream(STREAM, last_event_id=position, **query) as events:
            first = await events.next()
            assert (first["event"], first["id"]) == ("flow", str(OTHERS + 2))
            assert (await events.next())["event"] == "caught-up"


async def test_a_pause_tells_the_position_before_anything_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flowstream, "LAG_S", 0.05)
    async with serving() as app:
        await app.hub.take([of("shop", app.timer.now_ns())] * 3)
        async with app.stream(STREAM) as events:
            assert (await next_of(events, "lag"))["id"] == "3"


async def test_nobody_hears_that_records_of_others_came() -> None:
    timer = FakeTimer()
    hub = Hub(MemoryStore(), timer)
    heard: list[Sequence[Live]] = []

    async def listen() -> None:
        with SeenHub(hub, SHOP).listen() as listener:
            async for group in listener:
                heard.append(group)
                assert listener.position == group[-1].position

    listening = asyncio.create_task(listen())
    await settled()
    for namespace in ("bank", "shop", "bank"):
        await hub.take([of(namespace, timer.now_ns())])
        await settled()
    listening.cancel()
    assert [[live.position for live in group] for group in heard] == [[2]]


async def test_what_comes_while_a_stream_opens_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener hears it already: what is repeated ends where the listener begins."""
    async with serving() as app:
        now = app.timer.now_ns()
        await app.hub.take([of("shop", now, port=1), of("shop", now, port=2)])
        since = app.hub.since

        async def later(position: int) -> tuple[list[Live], int]:
            await app.hub.take([of("shop", now, port=3)])
            return await since(position)

        monkeypatch.setattr(app.hub, "since", later)
        async with app.stream(STREAM, last_event_id="1") as events:
            shown = [await next_of(events, "flow"), await next_of(events, "flow")]
        assert [flow["dest_port"] for event in shown for flow in json.loads(event["data"])] == [2, 3]
