"""Rules in CEL of custom resources (`x-kubernetes-validations`)."""

import pytest

from ocicat.cluster.resources.bindings import bound, escaped
from ocicat.cluster.resources.expressions import ExpressionError, expression, matches
from ocicat.cluster.resources.rules import problems, tree_of, violations
from support.apiserver import serving

TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def schema_of(rules, **properties):
    """A kind whose spec has these properties, and rules about it."""
    spec = {"type": "object", "properties": properties}
    if rules:
        spec["x-kubernetes-validations"] = rules
    return {"type": "object", "properties": {"spec": spec, "metadata": {"type": "object"}}}


def judged(schema, spec, old=None):
    """Return field and message of each broken rule."""
    before = None if old is None else {"spec": old}
    found = violations({"spec": spec}, before, tree_of(schema))
    return [(cause.field, cause.message) for cause in found]


OBJECT = 'Invalid value: "object": '
BOTH = {"least": WHOLE, "most": WHOLE}
ORDERED = {"rule": "self.least <= self.most", "message": "least must not be above most"}


@pytest.mark.parametrize(
    ("rule", "spec", "told"),
    [
        (ORDERED, {"least": 1, "most": 2}, []),
        (ORDERED, {"least": 3, "most": 2}, [("spec", OBJECT + "least must not be above most")]),
        ({"rule": "self.least == 1"}, {"least": 2}, [("spec", OBJECT + "failed rule: self.least == 1")]),
        (
            ORDERED,
            {"least": 1},
            [("spec", OBJECT + "no such key: most evaluating rule: least must not be above most")],
        ),
        ({"rule": "!has(self.most) || self.most > 1"}, {"least": 1}, []),
        (
            {"rule": "self.least < 5", "messageExpression": "'%d is too much'.format([self.least])"},
            {"least": 7},
            [("spec", OBJECT + "7 is too much")],
        ),
        ({"rule": "false", "message": "m", "messageExpression": "self.absent"}, {}, [("spec", OBJECT + "m")]),
        (
            {"rule": "false", "message": "m", "reason": "FieldValueForbidden", "fieldPath": ".least"},
            {},
            [("spec.least", "Forbidden: m")],
        ),
        (
            {"rule": "false", "message": "m", "reason": "FieldValueRequired"},
            {},
            [("spec", "Required value: m")],
        ),
        (
            {"rule": "false", "message": "m", "reason": "FieldValueDuplicate"},
            {},
            [("spec", 'Duplicate value: "object": m')],
        ),
        ({"rule": "self.?least.orValue(1) == 1"}, {}, []),
    ],
)
def test_one_rule(rule, spec, told):
    assert judged(schema_of([rule], **BOTH), spec) == told


@pytest.mark.parametrize(
    ("schema", "value", "rule"),
    [
        (NUMBER, 3, "self / 2.0 == 1.5"),
        (WHOLE, 3, "self / 2 == 1"),
        (TEXT | {"format": "date-time"}, "2024-01-01T00:00:00Z", "self > timestamp('2023-01-01T00:00:00Z')"),
        (TEXT | {"format": "date"}, "2024-02-29", "self.getDayOfMonth() == 28"),
        (TEXT | {"format": "duration"}, "1h30m", "self == duration('90m')"),
        (TEXT | {"format": "duration"}, "never", "self == 'never'"),
        (TEXT | {"format": "byte"}, "YWI=", "self == b'ab'"),
        (TEXT | {"format": "byte"}, "%", "self == '%'"),
        ({"x-kubernetes-int-or-string": True}, "10%", "type(self) == string"),
        (TEXT, "web-1", "self.matches('^[a-z]+-[0-9]$') && self.split('-').size() == 2"),
        (
            {"type": "array", "items": WHOLE},
            [1, 2, 2],
            "self.isSorted() && self.sum() == 5 && self.max() == 2",
        ),
        ({"type": "array", "items": WHOLE}, [2, 1], "!self.isSorted() && self.min() == 1"),
        (
            {"type": "array", "items": TEXT},
            ["a"],
            "sets.contains(self, ['a']) && !sets.contains(self, ['b'])",
        ),
        (
            {"type": "array", "items": TEXT},
            ["a", "b"],
            "sets.equivalent(self, ['b', 'a']) && sets.intersects(self, ['b'])",
        ),
        (
            {"type": "object", "properties": {"in": TEXT, "a-b": TEXT}},
            {"in": "x", "a-b": "y"},
            "self.__in__ == 'x' && self.a__dash__b == 'y'",
        ),
        (
            {"type": "object", "additionalProperties": WHOLE},
            {"a-b": 1},
            "self.all(key, self[key] == 1) && self['a-b'] == 1",
        ),
    ],
)
def test_values_are_of_the_type_that_the_schema_says(schema, value, rule):
    whole = schema_of([], value={**schema, "x-kubernetes-validations": [{"rule": rule}]})
    assert judged(whole, {"value": value}) == []
    negated = schema_of([], value={**schema, "x-kubernetes-validations": [{"rule": f"!({rule})"}]})
    assert len(judged(negated, {"value": value})) == 1


def test_names_that_cannot_be_written_are_spelled_out():
    assert [escaped(name) for name in ("in", "a-b", "a.b/c", "a__b", "plain")] == [
        "__in__", "a__dash__b", "a__dot__b__slash__c", "a__underscores__b", "plain",
    ]  # fmt: skip


def test_at_the_root_metadata_is_its_name_alone():
    thing = {"metadata": {"name": "n", "labels": {"a": "b"}}, "spec": {}}
    assert bound(thing, schema_of([]), root=True)["metadata"] == {"name": "n"}


FIXED = {"rule": "self == oldSelf", "message": "may not change"}


def test_rules_of_transition():
    """They hold between two states: nothing is judged when there was none before."""
    schema = schema_of([], a=TEXT | {"x-kubernetes-validations": [FIXED]})
    assert judged(schema, {"a": "x"}) == []
    assert judged(schema, {"a": "x"}, old={}) == []
    assert judged(schema, {"a": "x"}, old={"a": "x"}) == []
    assert judged(schema, {"a": "y"}, old={"a": "x"}) == [
        ("spec.a", 'Invalid value: "string": may not change')
    ]
    text = "oldSelf.hasValue() ? oldSelf.value() <= self : self == 'oldSelf'"
    optional = schema_of([], a=TEXT | {"x-kubernetes-validations": [{"rule": text, "optionalOldSelf": True}]})
    assert judged(optional, {"a": "oldSelf"}) == []
    assert len(judged(optional, {"a": "a"})) == 1
    assert judged(optional, {"a": "b"}, old={"a": "a"}) == []
    assert len(judged(optional, {"a": "a"}, old={"a": "b"})) == 1


def test_items_are_found_again_by_their_keys():
    item = {
        "type": "object",
        "properties": {"name": TEXT, "port": WHOLE},
        "x-kubernetes-validations": [FIXED],
    }
    keyed = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    before = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    after = [{"name": "c", "port": 9}, {"name": "b", "port": 3}, {"name": "a", "port": 1}]
    assert [field for field, _ in judged(schema_of([], rows=keyed), {"rows": after}, {"rows": before})] == [
        "spec.rows[1]"
    ]
    atomic = {"type": "array", "items": item}
    assert judged(schema_of([], rows=atomic), {"rows": after}, {"rows": before}) == []


def test_maps_are_judged_by_key():
    row = TEXT | {"x-kubernetes-validations": [{"rule": "self != ''", "message": "no"}]}
    schema = schema_of([], labels={"type": "object", "additionalProperties": row})
    assert judged(schema, {"labels": {"a": "", "b": "x"}}) == [
        ("spec.labels[a]", 'Invalid value: "string": no')
    ]


def test_the_budget_of_one_write():
    """What takes too long is refused, in upstream's words: all evaluations of one write share a bound."""
    loops = "self.all(x, self.all(y, self.exists(z, x + y + z < 0)) || true)"
    schema = schema_of([], rows={"type": "array", "items": {"type": "array", "items": WHOLE,
                                 "x-kubernetes-validations": [{"rule": loops}]}})  # fmt: skip
    assert judged(schema, {"rows": [[1, 2]] * 10}) == []
    told = judged(schema, {"rows": [list(range(15))] * 3000})
    assert told[-1][1].startswith("Forbidden: validation failed due to running out of cost budget")
    assert len(told) == 1
    endless = schema_of([{"rule": "self.rows.all(x, self.rows.all(y, x == y || true))"}],
                        rows={"type": "array", "items": WHOLE})  # fmt: skip
    [(_, message)] = judged(endless, {"rows": list(range(1000))})
    assert "Iteration budget exceeded" in message


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({"rule": "self.a +"}, "rule", "Syntax error"),
        ({"rule": "other.a"}, "rule", "undeclared reference to 'other"),
        ({"rule": "quantity(self.a) == 1"}, "rule", "undeclared reference to 'quantity'"),
        ({"rule": "'a'"}, "rule", "must evaluate to a bool"),
        ({"rule": "(" * 500 + "true" + ")" * 500}, "rule", "recursion"),
        ({"rule": "true || " * 2000 + "true"}, "rule", "longer than"),
        ({"rule": ""}, "rule", "Required value"),
        ({}, "rule", "Required value"),
        ({"rule": "true", "reason": "Whim"}, "reason", "must be one of"),
        ({"rule": "true", "messageExpression": "self."}, "messageExpression", "compilation failed"),
    ],
)
def test_what_a_rule_must_be(row, field, words):
    [cause] = problems({"x-kubernetes-validations": [row]}, "spec")
    assert cause.field == f"spec.x-kubernetes-validations[0].{field}"
    assert words in cause.message
    assert "INVALID_ARGUMENT" not in cause.message


def test_patterns():
    assert matches("^a+$", "aa")
    assert not matches("^a+$", "ab")
    with pytest.raises(ExpressionError, match="invalid regular expression"):
        matches("(", "")


def test_an_expression_in_a_text_is_none():
    assert not expression("self == 'oldSelf'").transition
    assert expression("self == 'x' || self == oldSelf").transition


async def test_a_definition_with_rules(tmp_path):
    schema = schema_of([ORDERED], **BOTH)
    row = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "cats", "kind": "Cat"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [row]}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    here = "/apis/example.com/v1/namespaces/default/cats"
    async with serving(tmp_path) as client:
        body = {"metadata": {"name": "cats.example.com"}, "spec": spec}
        status, _, headers = await client.ask("POST", definitions, body)
        assert (status, "Warning" in headers) == (201, False)
        cat = {"apiVersion": "example.com/v1", "kind": "Cat", "metadata": {"name": "tom"}}
        await client("POST", here, {**cat, "spec": {"least": 1, "most": 2}})
        merge = {"Content_Type": "application/merge-patch+json"}
        found = await client.refused("PATCH", f"{here}/tom", {"spec": {"least": 3}}, **merge)
        assert found["message"] == (
            'Cat.example.com "tom" is invalid: spec: Invalid value: "object": least must not be above most'
        )
        schema["properties"]["spec"]["x-kubernetes-validations"] = [{"rule": "self.least +"}]
        found = await client.refused("PUT", f"{definitions}/cats.example.com", body)
        assert "Syntax error" in found["message"]
        schema["properties"]["spec"]["x-kubernetes-validations"] = [{"rule": "self.least > 2"}]
        await client("PUT", f"{definitions}/cats.example.com", body)
        await client("PATCH", f"{here}/tom", {"spec": {"least": 3, "most": 1}}, **merge)
