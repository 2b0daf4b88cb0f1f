"""The operations below /api/v1: what each is for, its parameters, what it answers. Data.

A test holds the table against the routes, and a fuzzer a real hub against the document made from it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ocicat.api import views
from ocicat.api.asking import DEFAULT_LIMIT, MOST
from ocicat.api.contract import flows, screens
from ocicat.api.contract.words import (
    BY,
    FORMATS,
    GROUPS,
    MEASURES,
    MOST_TOP,
    RANKED,
    STATISTICS,
    STATISTICS_OF,
)

JSON: Final = "application/json"


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a query, or of a path."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    place: str = "query"


class Operation(msgspec.Struct, frozen=True):
    """One path, which is asked with GET."""

    path: str
    """Below /api/v1."""
    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    answer: type[flows.Answer] | None = None
    """The type of the answer in JSON; None where it is something else."""
    media: tuple[str, ...] = (JSON,)
    may_be_missing: bool = False
    """Whether a 404 is an answer."""


def words(name: str, meaning: str, values: tuple[str, ...]) -> Parameter:
    """Return a parameter that is one of some words, the first by default."""
    return Parameter(name, meaning, {"type": "string", "enum": list(values), "default": values[0]})


def number(name: str, meaning: str, **limits: int) -> Parameter:
    """Return a parameter that is a whole number."""
    return Parameter(name, meaning, {"type": "integer", "minimum": 0, **limits})


TIME: Final = {
    "type": "string",
    "anyOf": [{"pattern": r"^-[0-9]{1,12}(\.[0-9]{1,9})?$"}, {"format": "date-time"}],
}
Q: Final = Parameter(
    "q", "A filter expression; empty means everything.", {"type": "string", "default": "", "maxLength": 4096}
)
FROM: Final = Parameter(
    "from",
    "Begin of the window: RFC 3339, or seconds back from now with a minus sign. Clamped to history.",
    {**TIME, "default": "-3600"},
)
TO: Final = Parameter("to", "End of the window, itself excluded; now by default.", TIME)
LIMIT: Final = number("limit", f"Items in an answer; {MOST} at most.", default=DEFAULT_LIMIT)
CURSOR: Final = number("cursor", "What the last answer called `next_cursor`.", default=0)
GROUP: Final = words(
    "group",
    "`connection`: one flow for each key over the window; `reporter`: one for each key and 15 s.",
    GROUPS,
)
ID: Final = Parameter(
    "id", "The id of a flow, or of a connection.", {"type": "string", "minLength": 1}, "path"
)
POSITION: Final = Parameter(
    "last_event_id",
    "Go on after this position, as the header Last-Event-ID says it.",
    {"type": "string", "pattern": "^[0-9]{1,18}$"},
)
WINDOW: Final = (FROM, TO)

OPERATIONS: Final = (
    Operation(
        "/flows", "flows", "Flows, the newest first", (Q, *WINDOW, GROUP, LIMIT, CURSOR), flows.FlowPage
    ),
    Operation(
        "/flows/stream",
        "stream",
        "Flows since `from`, then records as they arrive",
        (Q, FROM, GROUP, POSITION),
        media=("text/event-stream",),
    ),
    Operation(
        "/flows/{id}",
        "flow",
        "One kind of connection from both sides, with its history and who decides",
        (ID, *WINDOW),
        flows.FlowDetails,
        may_be_missing=True,
    ),
    Operation(
        "/timeseries",
        "timeseries",
        "Bytes, packets and connections by slices of time",
        (
            Q,
            *WINDOW,
            words("by", "What the lines are.", BY),
            number("step_s", "Seconds in a slice; a round number for about 60 slices by default."),
        ),
        screens.Timeseries,
    ),
    Operation(
        "/top",
        "top",
        "Who has most",
        (
            Q,
            *WINDOW,
            words("by", "What is ranked.", RANKED),
            words("measure", "By what it is ranked.", MEASURES),
            number("limit", f"Items in the answer; {MOST_TOP} at most.", default=10),
        ),
        screens.Top,
    ),
    Operation("/graph", "graph", "Who talks to whom", (Q, *WINDOW), screens.Graph),
    Operation(
        "/policies",
        "policies",
        "Tiers and policies as applied, with how often each decided",
        WINDOW,
        screens.Board,
    ),
    Operation(
        "/statistics",
        "statistics",
        "What each policy, or each rule, let through, denied and passed on",
        (
            Q,
            *WINDOW,
            words("of", "What is told apart.", STATISTICS_OF),
            words("measure", "What is counted.", STATISTICS),
        ),
        screens.Statistics,
    ),
    Operation(
        "/endpoints",
        "endpoints",
        "Workloads with their policies, and what they talk to",
        (*WINDOW, Parameter("namespace", "Only those of this namespace.", {"type": "string"})),
        screens.EndpointList,
    ),
    Operation(
        "/hints",
        "hints",
        "Values in use, for search boxes",
        (
            Q,
            *WINDOW,
            words("field", "What the values are of.", tuple(views.HINTS)),
            Parameter("text", "What they contain, or match from the start.", {"type": "string"}),
            LIMIT,
            CURSOR,
        ),
        screens.Hints,
    ),
    Operation("/status", "status", "How the hub stands", (), screens.Status),
    Operation("/session", "session", "Who asks, and what he may see", (), screens.Session),
    Operation(
        "/export",
        "export",
        "Flows as a file, one for each key and 15 s",
        (Q, *WINDOW, words("format", "The form of the file.", tuple(FORMATS))),
        media=tuple(FORMATS.values()),
    ),
)
