"""The answers with what is counted from flows, and with policies and endpoints as applied, as types.

Source: docs/explanation/console-api.md, console/src/api/views.ts.
"""

from typing import Literal

from ocicat.api.contract.flows import Answer, Direction, HitAnswer, Loss, Pod, PolicyRef
from ocicat.model.record import EndType


class TimeseriesLine(Answer, frozen=True):
    """One value of what was asked for, by slices of time."""

    key: str
    bytes: list[int]
    packets: list[int]
    connections: list[int]


class Timeseries(Answer, frozen=True, rename={"from_": "from"}):
    """Sums by slices of time, oldest first."""

    from_: str
    step_s: int
    series: list[TimeseriesLine]


class TopItem(Answer, frozen=True):
    """One of those that have most."""

    key: str
    namespace: str
    bytes: int
    connections: int
    denied: int


class Top(Answer, frozen=True):
    """Who has most of a measure."""

    items: list[TopItem]


class GraphNode(Answer, frozen=True):
    """A workload, a set of networks, or the outside."""

    id: str
    type: EndType
    namespace: str
    name: str
    replicas: int
    labels: list[str]


class GraphEdge(Answer, frozen=True):
    """One kind of connection."""

    id: str
    source: str
    dest: str
    service: str
    port: int
    protocol: str
    bytes: int
    allowed: int
    """Connections that were let through."""
    denied: int
    would_deny: bool
    """A staged policy would deny what is allowed now."""
    decided_by: list[HitAnswer]


class Graph(Answer, frozen=True):
    """Who talks to whom."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]


class Hits(Answer, frozen=True, rename={"pass_": "pass"}):
    """How often something decided, by slices of time, oldest first."""

    step_s: int
    allow: list[int]
    deny: list[int]
    pass_: list[int]
    last_hit: str | None


class RuleCard(Answer, frozen=True):
    """A rule of a policy, with how often it decided."""

    direction: Direction
    index: int
    action: Literal["Allow", "Deny", "Pass", "Log"]
    text: str
    hits: int
    series: list[int]
    """Hits by slices of time, those of the policy's."""
    last_hit: str | None
    lines: tuple[int, int]


class PolicyCard(Answer, frozen=True):
    """A policy as applied."""

    ref: PolicyRef
    full_name: str
    staged: bool
    order: float | None
    types: list[Direction]
    selector: str
    selects: str
    selected: list[str]
    """Workloads as namespace/name; at most 200 of `selected_count`."""
    selected_count: int
    rules: list[RuleCard]
    hits: Hits
    end_of_tier: int
    """Connections that no rule matched and the tier's end decided, with this policy as trigger."""
    changed: str
    yaml: str


class TierColumn(Answer, frozen=True):
    """A tier with its policies in order."""

    name: str
    order: float | None
    default_action: Literal["Deny", "Pass"]
    builtin: bool
    policies: list[PolicyCard]
    rest: int
    """Connections that the tier's end decided."""


class Board(Answer, frozen=True):
    """The tiers in order."""

    tiers: list[TierColumn]
    unjudged: int
    """Connections that no policy judged."""


class DirectionState(Answer, frozen=True):
    """The policies of an endpoint in one direction, in order."""

    isolated: bool
    policies: list[PolicyRef]
    staged: list[PolicyRef]


class Peer(Answer, frozen=True):
    """What an endpoint talks to."""

    namespace: str
    name: str
    direction: Direction
    port: int
    protocol: str
    bytes: int
    connections: int
    denied: int


class Endpoint(Answer, frozen=True):
    """A workload."""

    type: EndType
    namespace: str
    name: str
    labels: list[str]
    pods: list[Pod]
    ingress: DirectionState
    egress: DirectionState
    peers: list[Peer]
    """Those with most bytes, at most 8."""
    denied_in: int
    denied_out: int
    bytes: int


class EndpointList(Answer, frozen=True):
    """The workloads of the cluster."""

    endpoints: list[Endpoint]


class StatisticsLine(Answer, frozen=True):
    """What one policy, or one rule, did."""

    policy: PolicyRef
    direction: Direction | None
    """Of the rule; null where policies are counted whole."""
    rule_index: int | None
    """Null where policies are counted whole; -1 for the end of the tier."""
    allowed: int
    denied: int
    passed: int


class Statistics(Answer, frozen=True):
    """What policies did, in order of tier, namespace and name."""

    measure: Literal["connections", "packets", "bytes"]
    items: list[StatisticsLine]


class Hint(Answer, frozen=True):
    """A value in use."""

    value: str


class Hints(Answer, frozen=True):
    """Values in use, ascending."""

    items: list[Hint]
    total: int
    next_cursor: str | None


class NodeSeen(Answer, frozen=True):
    """A node that reports."""

    name: str
    last_seen: str


class Status(Answer, frozen=True):
    """How the hub stands."""

    version: str
    now: str
    lag_ms: int
    flows_per_s: float
    oldest: str | None
    """Begin of the oldest history; null with an empty store."""
    losses: list[Loss]
    nodes: list[NodeSeen]
    namespaces: list[str]


class Session(Answer, frozen=True):
    """Who asks, and what he may see."""

    login: Literal["none", "token", "kubernetes"]
    """What lets somebody in: nothing is needed, the hub's token, or a token of the cluster."""
    user: str
    """The cluster's name of whoever asks; empty where there is none."""
    all_namespaces: bool
    namespaces: list[str]
    """Those that may be seen, where it is not all."""
    shared_policies: bool
    """Whether what policies without namespace say may be read."""
