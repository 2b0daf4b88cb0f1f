"""Flow records ↔ messages of the flow API. Pure, both ways, and nothing is lost between two ocicats.

Foreign records are read as they come: hits in any order, times in whole seconds, no addresses. What cannot be
a record at all (an unknown action, no reporter) raises, so that the receiver can count it.
Source: spec/flows-and-console §2, §3 ("Policy order"), §9; spec/policy-semantics §11, §12.1.
"""

from collections.abc import Iterable
from typing import Final, cast

from ocicat.api.moments import BUCKET_NS
from ocicat.api.proto import flows_pb2 as pb
from ocicat.base.errors import OcicatError
from ocicat.model.flow import Action, Hit, HitKind, Reporter, Trace, Trigger
from ocicat.model.record import EndType, FlowCounts, FlowKey, FlowRecord

SECOND_NS: Final = 1_000_000_000

_ACTIONS: Final = {Action.ALLOW: pb.Allow, Action.DENY: pb.Deny, Action.PASS: pb.Pass}
_REPORTERS: Final = {Reporter.SRC: pb.Src, Reporter.DST: pb.Dst}
_ENDS: Final = {
    EndType.WORKLOAD: pb.WorkloadEndpoint,
    EndType.HOST: pb.HostEndpoint,
    EndType.NETWORK_SET: pb.NetworkSet,
    EndType.NETWORK: pb.Network,
}
_KINDS: Final = {kind: cast("pb.PolicyKind", kind.number) for kind in HitKind}

_ACTION_OF: Final = {int(number): action for action, number in _ACTIONS.items()}
_REPORTER_OF: Final = {int(number): reporter for reporter, number in _REPORTERS.items()}
_END_OF: Final = {int(number): end for end, number in _ENDS.items()}
_KIND_OF: Final = {int(number): kind for kind, number in _KINDS.items()}


class RecordError(OcicatError, ValueError):
    """A message is no flow record: it lacks what every record has."""


# --- to the wire --------------------------------------------------------------------------------------------


def flow_of(record: FlowRecord) -> pb.Flow:
    """Return the message for a record. Times are also given in whole seconds: the start down, the end up."""
    counts = record.counts
    return pb.Flow(
        Key=_key_message(record.key),
        start_time=record.start_ns // SECOND_NS,
        end_time=-(-record.end_ns // SECOND_NS),
        source_labels=record.source_labels,
        dest_labels=record.dest_labels,
        packets_in=counts.packets_in,
        packets_out=counts.packets_out,
        bytes_in=counts.bytes_in,
        bytes_out=counts.bytes_out,
        num_connections_started=counts.connections_started,
        num_connections_completed=counts.connections_completed,
        num_connections_live=counts.connections_live,
        source_ip=record.source_ip,
        dest_ip=record.dest_ip,
        node=record.node,
        start_time_ns=record.start_ns,
        end_time_ns=record.end_ns,
    )


def _key_message(key: FlowKey) -> pb.FlowKey:
    return pb.FlowKey(
        source_name=key.source_name,
        source_namespace=key.source_namespace,
        source_type=_ENDS[key.source_type],
        dest_name=key.dest_name,
        dest_namespace=key.dest_namespace,
        dest_type=_ENDS[key.dest_type],
        dest_port=key.dest_port,
        dest_service_name=key.dest_service_name,
        dest_service_namespace=key.dest_service_namespace,
        dest_service_port_name=key.dest_service_port_name,
        dest_service_port=key.dest_service_port,
        proto=key.proto,
        reporter=_REPORTERS[key.reporter],
        action=_ACTIONS[key.action],
        policies=pb.PolicyTrace(
            enforced_policies=[hit_message(hit) for hit in key.enforced],
            pending_policies=[hit_message(hit) for hit in key.pending],
        ),
    )


def hit_message(hit: Hit) -> pb.PolicyHit:
    """Return the message for one step of a policy trace."""
    message = pb.PolicyHit(
        kind=_KINDS[hit.kind],
        namespace=hit.namespace,
        name=hit.name,
        tier=hit.tier,
        action=_ACTIONS[hit.action],
        policy_index=hit.policy_index,
        rule_index=hit.rule_index,
    )
    if (trigger := hit.trigger) is not None:
        named = policy_message(trigger.kind, trigger.namespace, trigger.name, trigger.tier)
        message.trigger.CopyFrom(named)
    return message


def policy_message(
    kind: HitKind, namespace: str, name: str, tier: str, action: Action | None = None, rule_index: int = 0
) -> pb.PolicyHit:
    """Return the message that names a policy, or one of its rules with what it does."""
    number = pb.ActionUnspecified if action is None else _ACTIONS[action]
    return pb.PolicyHit(
        kind=_KINDS[kind], namespace=namespace, name=name, tier=tier, action=number, rule_index=rule_index
    )


# --- from the wire ------------------------------------------------------------------------------------------


def record_of(flow: pb.Flow) -> FlowRecord:
    """Return the record of a message. Raises RecordError."""
    if not flow.HasField("Key"):
        raise RecordError("a flow without key")
    start_ns = flow.start_time_ns or flow.start_time * SECOND_NS
    end_ns = flow.end_time_ns or flow.end_time * SECOND_NS
    if end_ns == start_ns and not flow.end_time_ns:
        # Calico's agents give the start twice: the record is of the bucket that the start lies in (§5).
        end_ns = (start_ns // BUCKET_NS + 1) * BUCKET_NS
    return FlowRecord(
        _key_of(flow.Key),
        start_ns,
        end_ns,
        tuple(flow.source_labels),
        tuple(flow.dest_labels),
        FlowCounts(
            flow.packets_in,
            flow.packets_out,
            flow.bytes_in,
            flow.bytes_out,
            flow.num_connections_started,
            flow.num_connections_completed,
            flow.num_connections_live,
        ),
        flow.source_ip,
        flow.dest_ip,
        flow.node,
    )


def _key_of(key: pb.FlowKey) -> FlowKey:
    try:
        return FlowKey(
            key.source_name,
            key.source_namespace,
            _END_OF[key.source_type],
            key.dest_name,
            key.dest_namespace,
            _END_OF[key.dest_type],
            key.dest_port,
            key.dest_service_name,
            key.dest_service_namespace,
            key.dest_service_port_name,
            key.dest_service_port,
            key.proto,
            _REPORTER_OF[key.reporter],
            _ACTION_OF[key.action],
            _trace_of(key.policies.enforced_policies),
            _trace_of(key.policies.pending_policies),
        )
    except KeyError as unknown:
        raise RecordError(f"a flow key with a value that no enum of the flow API has: {unknown}") from None


def _trace_of(hits: Iterable[pb.PolicyHit]) -> Trace:
    """Return hits in the order of their indexes: senders mix them up, and the key depends on the order."""
    return tuple(sorted(map(_hit_of, hits), key=lambda hit: hit.policy_index))


def _hit_of(hit: pb.PolicyHit) -> Hit:
    trigger = None
    if hit.HasField("trigger"):
        held = hit.trigger
        trigger = Trigger(_KIND_OF[held.kind], held.namespace, held.name, held.tier)
    return Hit(
        _KIND_OF[hit.kind],
        hit.namespace,
        hit.name,
        hit.tier,
        _ACTION_OF[hit.action],
        hit.policy_index,
        hit.rule_index,
        trigger,
    )
