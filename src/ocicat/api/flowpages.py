"""Flows of a question, grouped as it asks: shared by lists, streams and exports."""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.api import views
from ocicat.api.asking import Question, question
from ocicat.api.documents import BUCKET_NS, Flow, flows_of
from ocicat.ports.flowhub import FlowHub

SERIES_POINTS: Final = 30
GROUPS: Final = ("connection", "reporter")


def asked_of(hub: FlowHub, query: Mapping[str, str]) -> Question:
    """Read the parameters that all paths share. Raises BadRequestError."""
    return question(query, hub.now_ns(), hub.oldest_ns())


async def grouped(hub: FlowHub, asked: Question, group: str) -> tuple[list[Flow], Mapping[str, Any]]:
    """Return the flows: by key and bucket for `reporter`, else by key over the window, then with series."""
    if group == "reporter":
        return flows_of(await hub.found(asked.window, asked.filter, BUCKET_NS), BUCKET_NS), {}
    flows = flows_of(await hub.found(asked.window, asked.filter))
    step = views.step_of(asked.window, SERIES_POINTS)
    return flows, views.byte_series(await hub.found(asked.window, asked.filter, step), asked.window, step)
