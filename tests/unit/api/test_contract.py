"""What the API promises is what it has: every path, every parameter's words, every answer's type."""

import re
from typing import Any

import msgspec
import pytest

from ocicat.api.contract import flows, screens
from ocicat.api.contract.openapi import document
from ocicat.api.contract.operations import OPERATIONS, Operation
from support.hub import denied_record, flow_record
from support.hubapp import Events, HubApp, serving

API = "/api/v1"
ANSWERED = [operation for operation in OPERATIONS if operation.answer is not None]


async def tell(app: HubApp, **changes: Any) -> None:
    """Tell the hub of two connections, and of a denied one, all of now."""
    when = {"start_ns": app.timer.now_ns()} | changes
    await app.hub.take(
        [flow_record(**when), flow_record("worker", "pub", 443, **when), denied_record(**when)]
    )


async def test_the_document_has_every_path_and_no_other() -> None:
    async with serving() as app:
        router = app.client.server.app.router  # type: ignore[union-attr]
        routed = {resource.canonical for resource in router.resources()}
    below = {path.removeprefix(API) for path in routed if path.startswith(API)}
    assert below == {operation.path for operation in OPERATIONS} | {"/openapi.json"}


def test_every_reference_of_the_document_leads_somewhere() -> None:
    made = document("1.2.3")
    schemas = made["components"]["schemas"]
    references = re.findall(r'"#/components/schemas/(\w+)"', msgspec.json.encode(made).decode())
    assert set(references) <= schemas.keys()
    assert "Failure" in references
    assert made["info"]["version"] == "1.2.3"


@pytest.mark.parametrize("operation", ANSWERED, ids=lambda operation: operation.name)
async def test_an_answer_has_the_keys_and_types_that_were_promised(operation: Operation) -> None:
    async with serving() as app:
        await tell(app)
        path = operation.path
        if "{id}" in path:
            [flow, *_] = (await app.get(f"{API}/flows"))["items"]
            path = path.replace("{id}", flow["id"])
        found = await app.get(f"{API}{path}")
    assert operation.answer is not None
    assert msgspec.to_builtins(msgspec.convert(found, operation.answer)) == found


@pytest.mark.parametrize(
    ("operation", "name", "word"),
    [
        (operation, parameter.name, word)
        for operation in ANSWERED
        for parameter in operation.parameters
        for word in parameter.schema.get("enum", ())
    ],
)
async def test_every_word_that_the_document_names_is_taken(
    operation: Operation, name: str, word: str
) -> None:
    async with serving() as app:
        await tell(app)
        await app.get(f"{API}{operation.path}", **{name: word})
        status, body = await app.refused(f"{API}{operation.path}", **{name: f"{word}s"})
    assert (status, body["status"], body["title"]) == (400, 400, "Bad Request")
    assert name in body["detail"]


async def next_data(events: Events, kind: str) -> Any:
    while True:
        event = await events.next()
        if event.get("event") == kind:
            return msgspec.json.decode(event["data"])


async def test_the_events_of_the_stream_have_their_types_too() -> None:
    async with serving() as app:
        await tell(app)
        app.hub.lost("n1", 3, "the agent's queue was full")
        async with app.stream(f"{API}/flows/stream") as events:
            msgspec.convert(await next_data(events, "lost"), flows.Loss)
            msgspec.convert(await next_data(events, "flow"), list[flows.FlowAnswer])
            await app.hub.take([flow_record(port=1, start_ns=app.timer.now_ns())])
            live = msgspec.convert(await next_data(events, "flow"), list[flows.FlowAnswer])
            msgspec.convert(await next_data(events, "lag"), flows.Lag)
    assert [flow.dest_port for flow in live] == [1]


async def test_statistics_say_what_each_policy_and_rule_did() -> None:
    """§4.6: "EndOfTier counts for its trigger's policy with the EndOfTier action"."""
    async with serving() as app:
        await tell(app, connections=2)
        whole = msgspec.convert(await app.get(f"{API}/statistics"), screens.Statistics)
        rules = msgspec.convert(
            await app.get(f"{API}/statistics", of="rule", measure="bytes"), screens.Statistics
        )
        none = await app.get(f"{API}/statistics", q="policy=//shop/nothing")
    [line] = whole.items
    assert (line.policy.name, line.direction, line.allowed, line.denied) == ("facts", None, 0, 2)
    [line] = rules.items
    assert (line.direction, line.rule_index, line.denied) == ("Ingress", -1, 1000)
    assert none["items"] == []
