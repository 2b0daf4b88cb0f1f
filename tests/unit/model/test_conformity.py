import msgspec
import pytest
from msgspec import inspect

from ocicat.model.calico import GlobalNetworkPolicy, NetworkPolicy, Tier
from ocicat.model.conformity import conformed
from ocicat.model.kinds import KINDS
from ocicat.model.kubernetes import Pod, Service
from ocicat.model.positions import path_text


def told(struct, value, *, unknown_fields=True):
    """Return (code, path, found value) of each deviation."""
    _, deviations = conformed(value, struct, unknown_fields=unknown_fields)
    return [(each.code, path_text(each.path), each.value) for each in deviations]


def rule(**fields):
    return {"spec": {"ingress": [{"action": "Allow", **fields}]}}


def port(value):
    return rule(destination={"ports": [value]})


PORT = "spec.ingress[0].destination.ports[0]"


@pytest.mark.parametrize(
    ("struct", "value", "deviations"),
    [
        # "a number is not text and text is not a number"
        (Tier, {"spec": {"order": 100}}, []),
        (Tier, {"spec": {"order": 1.5}}, []),
        (Tier, {"spec": {"order": "5"}}, [("OC0025", "spec.order", '"5"')]),
        (Tier, {"spec": {"order": True}}, [("OC0025", "spec.order", "true")]),
        (Tier, {"metadata": {"name": 5}}, [("OC0025", "metadata.name", "5")]),
        (Tier, {"metadata": {"labels": {"a.b/c": True}}}, [("OC0025", 'metadata.labels["a.b/c"]', "true")]),
        (NetworkPolicy, port(80), []),
        (NetworkPolicy, port("80:90"), []),
        (NetworkPolicy, port(8080.0), [("OC0025", PORT, "8080.0")]),
        (NetworkPolicy, port(True), [("OC0025", PORT, "true")]),
        (NetworkPolicy, port({"minPort": 1}), [("OC0025", PORT, "")]),
        (NetworkPolicy, rule(ipVersion="4"), [("OC0025", "spec.ingress[0].ipVersion", '"4"')]),
        (NetworkPolicy, rule(icmp=8), [("OC0025", "spec.ingress[0].icmp", "8")]),
        (NetworkPolicy, {"spec": {"types": "Ingress"}}, [("OC0025", "spec.types", '"Ingress"')]),
        (NetworkPolicy, {"spec": {"ingress": {"action": "Allow"}}}, [("OC0025", "spec.ingress", "")]),
        (NetworkPolicy, {"spec": []}, [("OC0025", "spec", "")]),
        (NetworkPolicy, {"spec": {"ingress": ["x"]}}, [("OC0025", "spec.ingress[0]", '"x"')]),
        (GlobalNetworkPolicy, {"spec": {"doNotTrack": "yes"}}, [("OC0025", "spec.doNotTrack", '"yes"')]),
        (GlobalNetworkPolicy, {"spec": {"preDNAT": 1}}, [("OC0025", "spec.preDNAT", "1")]),
        (Pod, {"metadata": {"labels": ["a"]}}, [("OC0025", "metadata.labels", "")]),
        # 64 bits
        (NetworkPolicy, port(2**63 - 1), []),
        (NetworkPolicy, port(2**63), [("OC0014", PORT, str(2**63))]),
        (NetworkPolicy, port(-(2**63) - 1), [("OC0014", PORT, str(-(2**63) - 1))]),
        (Tier, {"spec": {"order": 2**80}}, []),
        (Tier, {"spec": {"order": 10**400}}, [("OC0014", "spec.order", "1" + "0" * 58 + "…")]),
        # "a null field is an absent field; a null among labels is the empty text"
        (Tier, {"spec": None, "metadata": {"labels": {"a": None}, "namespace": None}}, []),
        (NetworkPolicy, rule(source=None, protocol=None, icmp={"type": None}), []),
        # In a list a null is nothing that the API would take for an item.
        (NetworkPolicy, port(None), [("OC0025", PORT, "")]),
        (NetworkPolicy, {"spec": {"ingress": [None]}}, [("OC0025", "spec.ingress[0]", "")]),
    ],
)
def test_a_deviation_has_its_path_and_what_was_found(struct, value, deviations):
    assert told(struct, value) == deviations


def test_every_deviation_is_told_at_once():
    value = {
        "metadata": {"name": 5},
        "spec": {
            "order": "x",
            "selectr": "a",
            "ingress": [{"action": 1}, {"source": {"nets": "10.0.0.0/8"}}],
        },
    }
    assert [path for _, path, _ in told(NetworkPolicy, value)] == [
        "metadata.name",
        "spec.order",
        "spec.selectr",
        "spec.ingress[0].action",
        "spec.ingress[1].source.nets",
    ]


@pytest.mark.parametrize(
    ("struct", "value", "fix"),
    [
        (Tier, {"metadata": {"name": 5}}, "put the value into quotes"),
        (Tier, {"spec": {"order": "5"}}, "write 5, without quotes"),
        (NetworkPolicy, rule(ipVersion="4"), "write 4, without quotes"),
        (NetworkPolicy, port(8080.0), "write 8080"),
        (NetworkPolicy, port(80.5), "put the value into quotes"),
        (GlobalNetworkPolicy, {"spec": {"doNotTrack": "yes"}}, "write true"),
        (GlobalNetworkPolicy, {"spec": {"doNotTrack": "Off"}}, "write false"),
        (GlobalNetworkPolicy, {"spec": {"doNotTrack": "maybe"}}, "write true or false"),
        (NetworkPolicy, {"spec": {"types": "Ingress"}}, 'write a list: begin each item with "- "'),
        (NetworkPolicy, rule(source=[{}]), 'write "key: value" pairs, without "- " before them'),
        (NetworkPolicy, rule(source="x"), 'write "key: value" pairs, indented below it'),
        (NetworkPolicy, port(2**70), "write a smaller number"),
    ],
)
def test_a_deviation_has_a_fix(struct, value, fix):
    _, deviations = conformed(value, struct, unknown_fields=True)
    assert [each.fix for each in deviations] == [fix]


@pytest.mark.parametrize(
    ("struct", "value", "path", "fix"),
    [
        (NetworkPolicy, {"spec": {"igress": []}}, "spec.igress", 'write "ingress"'),
        (NetworkPolicy, {"spec": {"Ingress": []}}, "spec.Ingress", 'write "ingress"'),
        (NetworkPolicy, {"spec": {"foo": None}}, "spec.foo", "remove it; the fields here are tier, order"),
        (NetworkPolicy, rule(Source={}), "spec.ingress[0].Source", 'write "source"'),
        (NetworkPolicy, rule(notIcmp={}), "spec.ingress[0].notIcmp", 'write "notICMP"'),
        (NetworkPolicy, {"sepc": {}}, "sepc", 'write "spec"'),
        (GlobalNetworkPolicy, {"spec": {"preDnat": True}}, "spec.preDnat", 'write "preDNAT"'),
    ],
)
def test_a_field_that_does_not_exist_is_told_at_its_key(struct, value, path, fix):
    _, deviations = conformed(value, struct, unknown_fields=True)
    assert [(each.code, path_text(each.path), each.at_key) for each in deviations] == [("OC0026", path, True)]
    assert deviations[0].what == f'unknown field "{path}"'
    assert deviations[0].fix.startswith(fix)


@pytest.mark.parametrize(
    ("struct", "value", "asked"),
    [
        # "except under `metadata` and `status`, where everybody writes"
        (Tier, {"metadata": {"managedFields": [1], "creationTimestamp": None}, "status": {"x": 1}}, True),
        (Tier, {"spec": {"foo": 1}}, False),
        (Service, {"spec": {"ipFamilies": ["IPv4"]}}, False),
    ],
)
def test_unknown_fields_that_do_not_matter_are_not_told(struct, value, asked):
    assert told(struct, value, unknown_fields=asked) == []


def test_what_is_left_is_what_msgspec_takes():
    value = {
        "apiVersion": "projectcalico.org/v3",
        "metadata": {"name": "a", "labels": {"x": None}, "namespace": None},
        "spec": {"order": None, "foo": 1, "ingress": [{"action": "Allow", "source": None}]},
    }
    kept, _ = conformed(value, NetworkPolicy, unknown_fields=True)
    policy = msgspec.convert(kept, NetworkPolicy)
    assert policy.metadata.labels == {"x": ""}
    assert policy.spec.order is None
    assert value["spec"]["foo"] == 1, "the input is left as it was"


def types_in(kind, seen):
    """Yield every type that a value of `kind` can hold."""
    match kind:
        case inspect.StructType():
            if kind.cls not in seen:
                seen.add(kind.cls)
                for field in kind.fields:
                    yield from types_in(field.type, seen)
        case inspect.VarTupleType():
            yield from types_in(kind.item_type, seen)
        case inspect.DictType():
            assert isinstance(kind.key_type, inspect.StrType)
            yield from types_in(kind.value_type, seen)
        case inspect.UnionType():
            yield kind
            for alternative in kind.types:
                yield from types_in(alternative, seen)
        case _:
            yield kind


def test_the_types_of_all_kinds_are_those_that_the_walk_knows():
    seen = set()
    kinds = [kind for each in KINDS for kind in types_in(inspect.type_info(each.struct), seen)]
    unions = [kind for kind in kinds if isinstance(kind, inspect.UnionType)]
    scalars = (inspect.StrType, inspect.BoolType, inspect.IntType, inspect.FloatType)
    assert {type(kind) for kind in kinds} <= {*scalars, inspect.NoneType, inspect.UnionType}
    # A union is a scalar or another, or one thing or nothing: else the walk could not tell which was meant.
    for union in unions:
        kinds = [kind for kind in union.types if not isinstance(kind, inspect.NoneType)]
        assert len(kinds) == 1 or all(isinstance(kind, scalars) for kind in kinds)


def test_a_map_holds_text_only():
    seen = set()
    maps = [
        field.type
        for each in KINDS
        for struct in [inspect.type_info(each.struct)]
        for field in struct.fields
        if isinstance(field.type, inspect.DictType)
    ]
    list(types_in(inspect.type_info(Pod), seen))
    maps += [
        field.type
        for cls in seen
        for field in inspect.type_info(cls).fields
        if isinstance(field.type, inspect.DictType)
    ]
    assert maps
    assert all(isinstance(kind.value_type, inspect.StrType) for kind in maps), (
        "a null there becomes empty text"
    )
