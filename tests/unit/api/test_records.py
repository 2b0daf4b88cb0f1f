"""Flow records on the wire: round trip, and golden bytes read by an independent reader.

Source: spec/flows-and-console §2 (numbers), §3 (order of hits), §12 ("two independent readers").
"""

import struct

import msgspec
import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.records import RecordError, flow_of, record_of
from ocicat.model.flow import Action, Hit, HitKind, Trigger
from ocicat.model.record import FlowCounts
from support.flowrecords import PLAIN, SECOND_NS, records


@given(records)
def test_what_is_sent_is_what_is_read(record):
    assert record_of(pb.Flow.FromString(flow_of(record).SerializeToString())) == record


def test_times_are_also_in_whole_seconds_outwards():
    record = msgspec.structs.replace(PLAIN, start_ns=SECOND_NS + 1, end_ns=2 * SECOND_NS + 1)
    flow = flow_of(record)
    assert (flow.start_time, flow.end_time) == (1, 3)


def test_a_foreign_record_has_seconds_and_no_extras():
    flow = flow_of(PLAIN)
    for name in ("source_ip", "dest_ip", "node", "start_time_ns", "end_time_ns"):
        flow.ClearField(name)
    read = record_of(flow)
    assert read.start_ns == flow.start_time * SECOND_NS
    assert (read.source_ip, read.dest_ip, read.node) == ("", "", "")
    assert read.key == PLAIN.key


def test_hits_are_sorted_by_policy_index_before_keying():
    """ "Before use, hits are sorted by policy_index ascending in both lists. Sort before keying." """
    hits = [Hit(HitKind.GLOBAL_NETWORK_POLICY, "", f"p{i}", "t", Action.PASS, i, 0) for i in range(3)]
    record = msgspec.structs.replace(
        PLAIN, key=msgspec.structs.replace(PLAIN.key, enforced=tuple(hits), pending=tuple(hits))
    )
    flow = flow_of(record)
    for messages in (flow.Key.policies.enforced_policies, flow.Key.policies.pending_policies):
        messages.reverse()
    assert record_of(flow) == record


@pytest.mark.parametrize(
    "spoil",
    [
        lambda flow: flow.ClearField("Key"),
        lambda flow: setattr(flow.Key, "action", 0),
        lambda flow: setattr(flow.Key, "reporter", 0),
        lambda flow: setattr(flow.Key, "source_type", 9),
        lambda flow: setattr(flow.Key.policies.enforced_policies[0], "kind", 99),
        lambda flow: setattr(flow.Key.policies.enforced_policies[0], "action", 0),
    ],
    ids=["no key", "no action", "no reporter", "unknown end", "unknown kind", "hit without action"],
)
def test_what_is_no_record_is_refused(spoil):
    flow = flow_of(PLAIN)
    spoil(flow)
    with pytest.raises(RecordError):
        record_of(flow)


# --- golden bytes -------------------------------------------------------------------------------------------


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Read protobuf's wire format without any schema: (field number, varint or bytes) in order."""
    found, position = [], 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return struct.unpack("<q", struct.pack("<Q", value))[0]

    while position < len(data):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            found.append((number, varint()))
        else:
            assert kind == 2
            length = varint()
            found.append((number, data[position : position + length]))
            position += length
    return found


END_OF_TIER = Hit(
    HitKind.END_OF_TIER,
    "",
    "",
    "sec",
    Action.DENY,
    1,
    -1,
    Trigger(HitKind.STAGED_GLOBAL_NETWORK_POLICY, "", "c", "sec"),
)
RECORD = msgspec.structs.replace(
    PLAIN,
    key=msgspec.structs.replace(PLAIN.key, pending=(END_OF_TIER,)),
    counts=FlowCounts(1, 2, 3, 4, 5, 6, 7),
    source_labels=("a=b", "c=d"),
)


def test_flow_has_the_numbers_of_the_contract():
    assert [item for item in fields(flow_of(RECORD).SerializeToString()) if item[0] != 1] == [
        (2, 1_700_000_000),
        (3, 1_700_000_001),
        (4, b"a=b"),
        (4, b"c=d"),
        (5, b"app=facts"),
        (6, 1),
        (7, 2),
        (8, 3),
        (9, 4),
        (10, 5),
        (11, 6),
        (12, 7),
        (100, b"10.65.0.7"),
        (101, b"10.65.0.8"),
        (102, b"n1"),
        (103, 1_700_000_000 * SECOND_NS),
        (104, 1_700_000_001 * SECOND_NS),
    ]


def test_key_and_hits_have_the_numbers_of_the_contract():
    key = dict(fields(dict(fields(flow_of(RECORD).SerializeToString()))[1]))
    policies = dict(fields(key.pop(15)))
    assert key == {
        1: b"worker-6d4b-*",
        2: b"catfacts",
        3: 1,
        4: b"facts-5f7c-*",
        5: b"catfacts",
        6: 1,
        7: 80,
        8: b"facts",
        9: b"catfacts",
        10: b"http",
        11: 80,
        12: b"tcp",
        13: 2,
        14: 2,
    }
    assert fields(policies[1]) == [
        (1, 1),
        (2, b"catfacts"),
        (3, b"facts"),
        (4, b"application-catfacts"),
        (5, 2),
    ]
    end_of_tier = dict(fields(policies[2]))
    assert fields(end_of_tier.pop(8)) == [(1, 4), (3, b"c"), (4, b"sec")]
    assert end_of_tier == {1: 10, 4: b"sec", 5: 2, 6: 1, 7: -1}


GOLDEN = {
    # message → bytes that are written here by hand from the tables of the specification.
    pb.FlowUpdate: (b"\x0a\x02\x10\x07", [(1, b"\x10\x07")]),
    pb.FlowReceipt: (b"", []),
    pb.FlowBatch: (b"\x0a\x00\x10\x05\x1a\x01x\x20\x03", [(1, b""), (2, 5), (3, b"x"), (4, 3)]),
    pb.FlowBatchReceipt: (b"\x08\x05", [(1, 5)]),
    pb.FlowListRequest: (
        b"\x08\xd4\xfd\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01\x18\x02\x20\x03\x2a\x02\x08\x05\x32\x00\x38\x0f",
        [(1, -300), (2, 1), (3, 2), (4, 3), (5, b"\x08\x05"), (6, b""), (7, 15)],
    ),
    pb.FlowListResult: (
        b"\x0a\x04\x08\x02\x10\x09\x12\x02\x08\x01",
        [(1, b"\x08\x02\x10\x09"), (2, b"\x08\x01")],
    ),
    pb.FlowStreamRequest: (b"\x08\x01\x12\x00\x18\x0f", [(1, 1), (2, b""), (3, 15)]),
    pb.FlowResult: (b"\x08\x01\x12\x02\x10\x07", [(1, 1), (2, b"\x10\x07")]),
    pb.FilterHintsRequest: (
        b"\x08\x08\x12\x00\x18\x01\x20\x02\x28\x03\x30\x04",
        [(1, 8), (2, b""), (3, 1), (4, 2), (5, 3), (6, 4)],
    ),
    pb.FilterHintsResult: (b"\x0a\x00\x12\x04\x0a\x02db", [(1, b""), (2, b"\x0a\x02db")]),
    pb.Filter: (
        b"\x0a\x00\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x02\x08\x50\x3a\x01\x02\x42\x00\x48\x02\x52\x02\x01\x02",
        [
            (1, b""),
            (2, b""),
            (3, b""),
            (4, b""),
            (5, b""),
            (6, b"\x08\x50"),
            (7, b"\x02"),
            (8, b""),
            (9, 2),
            (10, b"\x01\x02"),
        ],
    ),
    pb.StringMatch: (b"\x0a\x04db-*\x10\x01", [(1, b"db-*"), (2, 1)]),
    pb.PolicyMatch: (
        b"\x08\x0b\x12\x02\x0a\x00\x1a\x02\x10\x01\x22\x03\x0a\x01p\x28\x02",
        [(1, 11), (2, b"\x0a\x00"), (3, b"\x10\x01"), (4, b"\x0a\x01p"), (5, 2)],
    ),
    pb.StatisticsRequest: (
        b"\x08\x01\x10\x02\x18\x02\x20\x01\x2a\x00\x30\x01",
        [(1, 1), (2, 2), (3, 2), (4, 1), (5, b""), (6, 1)],
    ),
    pb.StatisticsResult: (
        b"\x0a\x00\x10\x02\x18\x01\x20\x02\x2a\x01\x01\x32\x01\x02\x3a\x01\x03\x42\x01\x04\x4a\x01\x05\x52\x01\x06\x5a\x01\x0f",
        [
            (1, b""),
            (2, 2),
            (3, 1),
            (4, 2),
            (5, b"\x01"),
            (6, b"\x02"),
            (7, b"\x03"),
            (8, b"\x04"),
            (9, b"\x05"),
            (10, b"\x06"),
            (11, b"\x0f"),
        ],
    ),
}


@pytest.mark.parametrize("message", GOLDEN, ids=lambda message: message.DESCRIPTOR.name)
def test_golden_bytes_read_the_same_with_both_readers(message):
    data, expected = GOLDEN[message]
    assert fields(data) == expected
    read = message.FromString(data)
    assert len(UnknownFieldSet(read)) == 0
    assert read.SerializeToString(deterministic=True) == data


def test_an_old_text_in_a_policy_match_can_still_be_told():
    """§10: up to 3.31 the fields 2 to 4 of PolicyMatch are text."""
    old = pb.PolicyMatch.FromString(b"\x22\x05facts")
    assert old.name == b"facts"


def test_methods_have_the_names_of_the_contract():
    names = {
        f"/{service.full_name}/{method.name}"
        for service in pb.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert names >= {
        "/goldmane.Flows/List",
        "/goldmane.Flows/Stream",
        "/goldmane.Flows/FilterHints",
        "/goldmane.FlowCollector/Connect",
        "/goldmane.Statistics/List",
    }


ENUMS = {
    "Action": "ActionUnspecified Allow Deny Pass",
    "MatchType": "Exact Fuzzy",
    "Reporter": "ReporterUnspecified Src Dst",
    "EndpointType": "EndpointTypeUnspecified WorkloadEndpoint HostEndpoint NetworkSet Network",
    "SortBy": "Time DestName DestNamespace DestType SourceName SourceNamespace SourceType",
    "PolicyKind": "KindUnspecified CalicoNetworkPolicy GlobalNetworkPolicy StagedNetworkPolicy "
    "StagedGlobalNetworkPolicy StagedKubernetesNetworkPolicy NetworkPolicy AdminNetworkPolicy "
    "BaselineAdminNetworkPolicy Profile EndOfTier ClusterNetworkPolicy",
    "StatisticType": "PacketCount ByteCount LiveConnectionCount",
    "StatisticsGroupBy": "Policy PolicyRule",
    "RuleDirection": "Any Ingress Egress",
}


@pytest.mark.parametrize("name", ENUMS)
def test_enums_have_the_values_of_the_contract(name):
    values = pb.DESCRIPTOR.enum_types_by_name[name].values
    assert {value.name: value.number for value in values} == {
        word: number for number, word in enumerate(ENUMS[name].split())
    }
