"""Random flow records, and a plain one to change."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from ocicat.model.flow import Action, Hit, HitKind, Reporter, Trigger
from ocicat.model.record import EndType, FlowCounts, FlowKey, FlowRecord

SECOND_NS = 1_000_000_000

names = st.sampled_from(("", "-", "db-*", "kns.default", "ümlaut", "pub"))
counters = st.integers(0, 2**63 - 1)
times = st.integers(1, 2**62)
verdicts = st.sampled_from((Action.ALLOW, Action.DENY, Action.PASS))
policies = st.sampled_from([kind for kind in HitKind if kind is not HitKind.END_OF_TIER])


@st.composite
def traces(draw: st.DrawFn) -> tuple[Hit, ...]:
    hits = []
    for index in range(draw(st.integers(0, 4))):
        action = draw(verdicts)
        kind, namespace, name, tier = draw(policies), draw(names), draw(names), draw(names)
        if draw(st.booleans()):
            trigger = Trigger(kind, namespace, name, tier)
            hits.append(Hit(HitKind.END_OF_TIER, "", "", tier, action, index, -1, trigger))
        else:
            hits.append(Hit(kind, namespace, name, tier, action, index, draw(st.integers(0, 1023))))
    return tuple(hits)


keys = st.builds(
    FlowKey,
    source_name=names,
    source_namespace=names,
    source_type=st.sampled_from(EndType),
    dest_name=names,
    dest_namespace=names,
    dest_type=st.sampled_from(EndType),
    dest_port=st.integers(0, 65535),
    dest_service_name=names,
    dest_service_namespace=names,
    dest_service_port_name=names,
    dest_service_port=st.integers(0, 65535),
    proto=st.sampled_from(("tcp", "udp", "icmp6", "47")),
    reporter=st.sampled_from(Reporter),
    action=st.sampled_from((Action.ALLOW, Action.DENY)),
    enforced=traces(),
    pending=traces(),
)
labels = st.lists(st.sampled_from(("app=db", "team=red", "tier=back")), unique=True).map(sorted).map(tuple)
records = st.builds(
    FlowRecord,
    key=keys,
    start_ns=times,
    end_ns=times,
    source_labels=labels,
    dest_labels=labels,
    counts=st.builds(FlowCounts, *[counters] * 7),
    source_ip=st.sampled_from(("", "10.0.0.1", "fd00::1")),
    dest_ip=st.sampled_from(("", "10.0.0.2")),
    node=st.sampled_from(("", "n1")),
)

DENIED = (Hit(HitKind.CALICO_NETWORK_POLICY, "catfacts", "facts", "application-catfacts", Action.DENY, 0, 0),)
PLAIN = FlowRecord(
    FlowKey(
        "worker-6d4b-*",
        "catfacts",
        EndType.WORKLOAD,
        "facts-5f7c-*",
        "catfacts",
        EndType.WORKLOAD,
        80,
        "facts",
        "catfacts",
        "http",
        80,
        "tcp",
        Reporter.DST,
        Action.DENY,
        DENIED,
        DENIED,
    ),
    1_700_000_000 * SECOND_NS,
    1_700_000_001 * SECOND_NS,
    ("app=worker",),
    ("app=facts",),
    FlowCounts(packets_in=3, bytes_in=180, connections_started=3),
    "10.65.0.7",
    "10.65.0.8",
    "n1",
)
"""A denied connection of the workshop."""


def record(port: int = 80, **changes: Any) -> FlowRecord:
    """Return the plain record with another port and other fields."""
    key = msgspec.structs.replace(PLAIN.key, dest_port=port)
    return msgspec.structs.replace(PLAIN, key=key, **changes)
