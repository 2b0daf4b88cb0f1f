"""Events about pods: written aside, counted up, bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ocicat.cluster.pods import telling
from ocicat.cluster.pods.telling import NodeTeller
from support.clocks import FakeTimer, until
from support.podnode import FakeApi, pod_of

EVENTS = "/api/v1/namespaces/shop/events"


@asynccontextmanager
async def telling_to(api: FakeApi) -> AsyncIterator[NodeTeller]:
    teller = NodeTeller("node-1", api, FakeTimer(), lambda: 0.5)  # type: ignore[arg-type]
    task = asyncio.create_task(teller.run())
    try:
        yield teller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_said_again_counts_up() -> None:
    api = FakeApi()
    async with telling_to(api) as teller:
        for message in ("no", "no", "other", "no"):
            teller.tell(pod_of(), "Failed", message, warning=True)
        await until(lambda: len(api.written) == 4)
    first, again, other, third = api.written
    assert first[:2] == ("POST", EVENTS)
    assert first[2]["type"] == "Warning"
    assert first[2]["source"] == {"component": "kubelet", "host": "node-1"}
    assert first[2]["involvedObject"]["name"] == "box"
    name = first[2]["metadata"]["name"]
    assert (again[0], again[1], again[2]["count"]) == ("PATCH", f"{EVENTS}/{name}", 2)
    assert other[0] == "POST"
    assert third[2]["count"] == 3


async def test_an_event_that_has_gone_is_written_anew() -> None:
    api = FakeApi()
    async with telling_to(api) as teller:
        teller.tell(pod_of(), "Failed", "no")
        await until(lambda: len(api.written) == 1)
        api.refuses[f"{EVENTS}/"] = 404
        teller.tell(pod_of(), "Failed", "no")
        await until(lambda: len(api.written) == 2)
    assert [row[0] for row in api.written] == ["POST", "POST"]


async def test_a_refusal_stops_nobody() -> None:
    api = FakeApi()
    api.refuses[EVENTS] = 403
    async with telling_to(api) as teller:
        teller.tell(pod_of(), "Failed", "lost")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        api.refuses.clear()
        teller.tell(pod_of(), "Started", "kept")
        await until(lambda: len(api.written) == 1)
    assert api.written[0][2]["reason"] == "Started"


async def test_too_many_are_lost_and_do_not_wait() -> None:
    api = FakeApi()
    teller = NodeTeller("node-1", api, FakeTimer(), lambda: 0.5)  # type: ignore[arg-type]
    for number in range(telling.WAITING_AT_MOST + 5):
        teller.tell(pod_of(), "Said", str(number))
    task = asyncio.create_task(teller.run())
    await until(lambda: len(api.written) == telling.WAITING_AT_MOST)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert api.written[-1][2]["message"] == str(telling.WAITING_AT_MOST - 1)
