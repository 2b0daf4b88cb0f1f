"""Flows of a question, grouped as it asks: shared by lists, streams and exports."""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.api import views
from ocicat.api.asking import Question, question
from ocicat.api.documents import BUCKET_NS, Flow, flows_of
from ocicat.ports.flowhub import FlowHub

SERIES_POINTS: Final = 30


def asked_of(hub: FlowHub, query: Mapping[str, str]) -> Question:
    """Read the parameters that all paths share. Raises BadRequestError."""
    return question(query, hub.now_ns(), hub.oldest_ns())


async def grouped(
    hub: FlowHub, asked: Question, group: str, upto: int | None = None
) -> tuple[list[Flow], Mapping[str, Any]]:
    """Return the flows: by key and bucket for `reporter`, else by key over the window, then with series.

    Of records up to a position, where it is given.
    """
    if group == "reporter":
        found = await hub.found(asked.window, asked.filter, BUCKET_NS, upto)
        return flows_of(found, BUCKET_NS), {}
    flows = flows_of(await hub.found(asked.window, asked.filter, None, upto))
    step = views.step_of(asked.window, SERIES_POINTS)
    slices = await hub.found(asked.window, asked.filter, step, upto)
    return flows, views.byte_series(slices, asked.window, step)
