"""Names, numbers and types of the flow API's messages, as clients that read by name know them.

Source: flows-and-console §2. What is ours alone has numbers from 100 on, so that no later version of the
original means something else by it.
"""

import pytest
from google.protobuf.descriptor import FieldDescriptor

from ocicat.api.proto import flows_pb2 as pb

TYPES = {
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
}
# One field a word: number, name, type; int64 where none is said. `+` is repeated.
CONTRACT = {
    "FlowListRequest": "1.start_time_gte 2.start_time_lt 3.page 4.page_size 5.sort_by:SortOption+ "
    "6.filter:Filter 7.aggregation_interval",
    "FlowListResult": "1.meta:ListMetadata 2.flows:FlowResult+",
    "FlowStreamRequest": "1.start_time_gte 2.filter:Filter 3.aggregation_interval",
    "FilterHintsRequest": "1.type:FilterType 2.filter:Filter 3.start_time_gte 4.start_time_lt 5.page "
    "6.page_size",
    "FilterHintsResult": "1.meta:ListMetadata 2.hints:FilterHint+",
    "ListMetadata": "1.totalPages 2.totalResults",
    "FilterHint": "1.value:string",
    "FlowResult": "1.id 2.flow:Flow",
    "SortOption": "1.sort_by:SortBy",
    "FlowUpdate": "1.flow:Flow",
    "FlowReceipt": "",
    "Filter": "1.source_names:StringMatch+ 2.source_namespaces:StringMatch+ 3.dest_names:StringMatch+ "
    "4.dest_namespaces:StringMatch+ 5.protocols:StringMatch+ 6.dest_ports:PortMatch+ 7.actions:Action+ "
    "8.policies:PolicyMatch+ 9.reporter:Reporter 10.pending_actions:Action+",
    "StringMatch": "1.value:string 2.type:MatchType",
    "PortMatch": "1.port",
    # §10: "Our server should take both (declare bytes, try message, else text)".
    "PolicyMatch": "1.kind:PolicyKind 2.tier:bytes 3.namespace:bytes 4.name:bytes 5.action:Action",
    "FlowKey": "1.source_name:string 2.source_namespace:string 3.source_type:EndpointType 4.dest_name:string "
    "5.dest_namespace:string 6.dest_type:EndpointType 7.dest_port 8.dest_service_name:string "
    "9.dest_service_namespace:string 10.dest_service_port_name:string 11.dest_service_port 12.proto:string "
    "13.reporter:Reporter 14.action:Action 15.policies:PolicyTrace",
    "Flow": "1.Key:FlowKey 2.start_time 3.end_time 4.source_labels:string+ 5.dest_labels:string+ "
    "6.packets_in 7.packets_out 8.bytes_in 9.bytes_out 10.num_connections_started "
    "11.num_connections_completed 12.num_connections_live",
    "PolicyTrace": "1.enforced_policies:PolicyHit+ 2.pending_policies:PolicyHit+",
    "PolicyHit": "1.kind:PolicyKind 2.namespace:string 3.name:string 4.tier:string 5.action:Action "
    "6.policy_index 7.rule_index 8.trigger:PolicyHit",
    "StatisticsRequest": "1.start_time_gte 2.start_time_lt 3.type:StatisticType 4.group_by:StatisticsGroupBy "
    "5.policy_match:PolicyMatch 6.time_series:bool",
    "StatisticsResult": "1.policy:PolicyHit 2.direction:RuleDirection 3.group_by:StatisticsGroupBy "
    "4.type:StatisticType 5.allowed_in+ 6.allowed_out+ 7.denied_in+ 8.denied_out+ 9.passed_in+ "
    "10.passed_out+ 11.x+",
}
METHODS = {
    "/goldmane.Flows/List": ("FlowListRequest", "FlowListResult"),
    "/goldmane.Flows/Stream": ("FlowStreamRequest", "stream FlowResult"),
    "/goldmane.Flows/FilterHints": ("FilterHintsRequest", "FilterHintsResult"),
    "/goldmane.FlowCollector/Connect": ("stream FlowUpdate", "stream FlowReceipt"),
    "/goldmane.Statistics/List": ("StatisticsRequest", "stream StatisticsResult"),
}
FILTER_TYPES = (
    "Unspecified",
    "DestName",
    "SourceName",
    "DestNamespace",
    "SourceNamespace",
    "PolicyTier",
    "PolicyName",
    "PolicyKind",
    "PolicyNamespace",
)


def word(field: FieldDescriptor) -> str:
    """Return a field as the tables above write it."""
    named = field.message_type or field.enum_type
    kind = named.name if named else TYPES[field.type]
    shown = "" if kind == "int64" else f":{kind}"
    return f"{field.number}.{field.name}{shown}{'+' if field.is_repeated else ''}"


@pytest.mark.parametrize("name", CONTRACT)
def test_messages_have_the_fields_of_the_contract(name: str) -> None:
    fields = pb.DESCRIPTOR.message_types_by_name[name].fields
    assert [word(field) for field in fields if field.number < 100] == CONTRACT[name].split()


def test_methods_have_the_messages_of_the_contract() -> None:
    def said(stream: bool, name: str) -> str:
        return f"stream {name}" if stream else name

    found = {
        f"/{service.full_name}/{method.name}": (
            said(method.client_streaming, method.input_type.name),
            said(method.server_streaming, method.output_type.name),
        )
        for service in pb.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if service.name != "FlowBatches"
    }
    assert found == METHODS


def test_types_of_hints_have_the_numbers_of_the_contract() -> None:
    assert dict(pb.FilterType.items()) == {f"FilterType{name}": i for i, name in enumerate(FILTER_TYPES)}


def test_numbers_are_packed_as_proto3_packs_them() -> None:
    """§2: "all packed int64"."""
    result = pb.StatisticsResult(allowed_in=[1, 2], x=[15])
    assert result.SerializeToString() == b"\x2a\x02\x01\x02\x5a\x01\x0f"
