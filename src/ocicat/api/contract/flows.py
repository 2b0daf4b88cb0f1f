"""The answers about flows, as types. The handlers build plain maps; tests hold every answer against these.

Rules that hold everywhere: keys are always present; lists are never null; times are RFC 3339 in UTC; sizes
are bytes; the namespace of cluster-scoped things is "-"; `pub` and `pvt` are shown as PUBLIC NETWORK and
PRIVATE NETWORK. Source: docs/explanation/console-api.md, console/src/api/types.ts.
"""

from typing import Literal

import msgspec

from ocicat.model.flow import HitKind, Reporter
from ocicat.model.record import EndType

Decision = Literal["Allow", "Deny", "Pass"]
Direction = Literal["Ingress", "Egress"]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The root of all answers."""


class HitAnswer(Answer, frozen=True):
    """One step of a policy trace."""

    kind: HitKind
    name: str
    namespace: str
    tier: str
    action: Literal["Allow", "Deny", "Pass", "ActionUnspecified"]
    policy_index: int
    rule_index: int
    """Position of the rule in its policy and direction, from 0; -1 at the end of a tier."""
    trigger: "HitAnswer | None"
    """The policy that an end of tier holds responsible."""


class Policies(Answer, frozen=True):
    """The traces of a flow: as enforced, and with staged policies taken as enforced."""

    enforced: list[HitAnswer]
    pending: list[HitAnswer]


class Series(Answer, frozen=True, rename={"from_": "from"}):
    """Bytes by slices of time, oldest first."""

    from_: str
    step_s: int
    bytes: list[int]


class FlowAnswer(Answer, frozen=True):
    """What one reporter saw of one kind of connection."""

    id: str
    """The same for the same key: ends, service, port, protocol, reporter, action, both traces."""
    connection: str
    """The same for the same ends, service, port and protocol: both reporters' flows share it."""
    start_time: str
    end_time: str
    source_name: str
    source_namespace: str
    source_type: EndType
    source_labels: list[str]
    source_ip: str
    """Empty where several addresses share the key."""
    dest_name: str
    dest_namespace: str
    dest_type: EndType
    dest_labels: list[str]
    dest_ip: str
    dest_port: int
    dest_service_name: str
    dest_service_namespace: str
    dest_service_port_name: str
    dest_service_port: int
    protocol: str
    reporter: Reporter
    action: Decision
    policies: Policies
    packets_in: int
    """In is towards the reporting end, out is away from it."""
    packets_out: int
    bytes_in: int
    bytes_out: int
    connections_started: int
    connections_completed: int
    connections_live: int
    node: str
    """The node that reports; empty where several share the key."""
    series: Series | None
    """Bytes both ways over the window; only in lists by connection and in a stream's backfill."""


class FlowPage(Answer, frozen=True):
    """Flows, the newest first."""

    items: list[FlowAnswer]
    total: int
    """Flows, or with `group=connection` distinct connections, before paging."""
    next_cursor: str | None
    notes: list[str]
    """Sentences about what the answer lacks; none when it is complete."""


class PolicyRef(Answer, frozen=True):
    """Which policy."""

    kind: HitKind
    namespace: str
    name: str
    """Without the tier's name in front, as in a hit."""
    tier: str


class WalkStep(Answer, frozen=True):
    """One policy that had its say."""

    policy: PolicyRef
    rule_index: int
    """-1: no rule matched, the end of the tier decided."""
    action: Decision
    text: str
    """The rule in words."""
    decides: bool
    yaml: str
    """The policy as written; empty where it is not known, or not yours to read."""
    lines: tuple[int, int]
    """First and last line of the rule in it, from 1; 0, 0 when unknown."""


class WalkTier(Answer, frozen=True):
    """What a tier said."""

    name: str
    order: float | None
    state: Literal["decided", "passed", "skipped"]
    why: str
    steps: list[WalkStep]


class Walk(Answer, frozen=True):
    """The way of a connection through the tiers at one of its ends."""

    direction: Direction
    namespace: str
    name: str
    verdict: Decision
    tiers: list[WalkTier]


class Pod(Answer, frozen=True):
    """A pod that flows show under a name."""

    name: str
    ip: str
    node: str


class EndDetails(Answer, frozen=True):
    """Who an end is."""

    type: EndType
    namespace: str
    name: str
    labels: list[str]
    pods: list[Pod]
    addresses: list[str]
    """Addresses that were seen, for ends without pods."""
    dns_names: list[str]
    """Names of those addresses, learnt from DNS answers."""


class HistoryPoint(Answer, frozen=True):
    """A slice of time of one kind of connection."""

    time: str
    bytes_forward: int
    bytes_back: int
    packets_forward: int
    packets_back: int
    connections: int
    denied: int


class FlowDetails(Answer, frozen=True):
    """All about one kind of connection."""

    flows: list[FlowAnswer]
    source: EndDetails
    dest: EndDetails
    egress: Walk | None
    """With today's policies; null where no policy can apply."""
    ingress: Walk | None
    staged_egress: Walk | None
    """With staged policies taken as enforced; null where that changes nothing."""
    staged_ingress: Walk | None
    step_s: int
    history: list[HistoryPoint]
    raw: list[FlowAnswer]
    """Records as they are stored, newest first, at most 50."""


class Lag(Answer, frozen=True):
    """Event `lag` of the stream."""

    now: str
    lag_ms: int
    flows_per_s: float


class Loss(Answer, frozen=True):
    """Event `lost` of the stream, and part of the status: what will never be seen."""

    node: str
    records: int
    since: str
    reason: str
