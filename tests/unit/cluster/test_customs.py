"""CustomResourceDefinitions with structural schemas."""

import copy

import pytest

from ocicat.cluster.resources import customs
from ocicat.cluster.resources.builtin import BUILTIN
from ocicat.cluster.resources.defaults import defaulted

SCHEMA = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["mood"],
            "properties": {
                "mood": {"type": "string", "enum": ["sleepy", "hungry"]},
                "paws": {"type": "integer", "minimum": 0, "maximum": 4, "default": 4},
                "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 5},
                "toys": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
                "box": {"type": "object", "properties": {"size": {"type": "integer", "default": 1}}},
                "port": {
                    "x-kubernetes-int-or-string": True,
                    "anyOf": [{"type": "integer"}, {"type": "string"}],
                },
                "even": {"type": "integer", "multipleOf": 2, "not": {"enum": [4]}},
                "map": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "properties": {"x": {"type": "integer", "default": 7}},
                    },
                },
            },
        }
    },
}


def definition(schema=None, **spec):
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or SCHEMA}}
    found = {
        "metadata": {"name": "cats.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "cats", "kind": "Cat"},
            "versions": [version],
            **spec,
        },
    }
    return defaulted(
        BUILTIN.at("apiextensions.k8s.io", "v1", "customresourcedefinitions"), copy.deepcopy(found)
    )


def test_a_definition_serves_a_kind():
    assert customs.problems(definition()) == []
    kind = customs.kinds_of(definition())[0]
    assert (kind.resource, kind.singular, kind.listed, kind.custom) == (
        "cats.example.com",
        "cat",
        "CatList",
        True,
    )
    assert [column.name for column in kind.columns] == ["Age"]
    assert not kind.strategic
    assert not kind.status_apart


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({"mood": "sleepy"}, []),
        ({}, ["spec.mood"]),
        ({"mood": "angry"}, ["spec.mood"]),
        ({"mood": "sleepy", "paws": 5}, ["spec.paws"]),
        ({"mood": "sleepy", "paws": -1}, ["spec.paws"]),
        ({"mood": "sleepy", "name": "A"}, ["spec.name", "spec.name"]),
        ({"mood": "sleepy", "name": "abcdef"}, ["spec.name"]),
        ({"mood": "sleepy", "toys": ["a", "b", "c"]}, ["spec.toys"]),
        ({"mood": "sleepy", "port": 80}, []),
        ({"mood": "sleepy", "even": 3}, ["spec.even"]),
        ({"mood": "sleepy", "even": 4}, ["spec.even"]),
        (None, ["spec"]),
    ],
)
def test_objects_are_judged_by_the_schema(spec, causes):
    assert [cause.field for cause in customs.violations({"metadata": {}, "spec": spec}, SCHEMA)] == causes


def test_defaults_at_every_level():
    found = customs.with_defaults({"spec": {"mood": "sleepy", "box": {}, "map": {"k": {}}}}, SCHEMA)
    assert found == {"spec": {"mood": "sleepy", "paws": 4, "box": {"size": 1}, "map": {"k": {"x": 7}}}}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (definition(scope="Sideways"), "spec.scope"),
        (definition(group=""), "spec.group"),
        (definition(names={"plural": "dogs", "kind": "Dog"}), "metadata.name"),
        (definition(names={"plural": "cats"}), "spec.names.kind"),
        (definition(versions=[{"name": "v1", "served": True, "storage": False}]), "spec.versions"),
        (
            definition(versions=[{"name": "v1", "served": True, "storage": True}]),
            "spec.versions[0].schema.openAPIV3Schema",
        ),
        (
            definition({"type": "object", "properties": {"spec": {}}}),
            "spec.versions[0].schema.openAPIV3Schema.properties[spec].type",
        ),
        (definition({"type": "string"}), "spec.versions[0].schema.openAPIV3Schema.type"),
        (
            definition({"type": "object", "properties": {"a": {"type": "array"}}}),
            "spec.versions[0].schema.openAPIV3Schema.properties[a].items",
        ),
        (
            definition({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}),
            "spec.versions[0].schema.openAPIV3Schema.properties[a].pattern",
        ),
        ({"metadata": {"name": "x"}}, "spec"),
    ],
)
def test_what_a_definition_must_be(changed, field):
    assert field in [cause.field for cause in customs.problems(changed)]


def test_patterns_are_of_linear_time():
    """What takes Python's engine for ever is nothing to RE2, and what RE2 does not know is refused."""
    hostile = {"type": "string", "pattern": "^(a+)+$"}
    [cause] = customs.violations("a" * 100_000 + "!", hostile, "spec.a")
    assert cause.field == "spec.a"
    behind = definition({"type": "object", "properties": {"a": {"type": "string", "pattern": "(?<=a)b"}}})
    assert "RE2" in customs.problems(behind)[0].message


def test_the_schema_knows_metadata_and_status():
    found = customs.schema_of(definition(), "v1")
    assert found["properties"]["metadata"]["$ref"].endswith("meta.v1.ObjectMeta")
    assert "status" not in found["properties"]


@pytest.mark.parametrize(
    ("group", "plural", "kind", "fields"),
    [
        ("example.com", "cats", "Cat", []),
        ("projectcalico.org", "tiers", "Tier", ["spec.names.plural", "spec.names.kind"]),
        ("projectcalico.org", "cats", "Tier", ["spec.names.kind"]),
        ("other.org", "tiers", "Tier", []),
    ],
)
def test_names_that_are_taken(group, plural, kind, fields):
    names = {"plural": plural, "kind": kind}
    assert [cause.field for cause in customs.taken(definition(group=group, names=names), BUILTIN)] == fields


def test_a_definition_does_not_stand_in_its_own_way():
    present = BUILTIN.extended(customs.kinds_of(definition()))
    assert customs.taken(definition(), present) == []


def test_conversion_by_webhook_is_refused():
    found = customs.problems(definition(conversion={"strategy": "Webhook"}))
    assert [cause.field for cause in found] == ["spec.conversion.strategy"]
