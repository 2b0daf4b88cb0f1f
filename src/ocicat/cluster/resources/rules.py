"""The rules in CEL of custom resources (`x-kubernetes-validations`): read once, judged at every write.

Rules stand at any level of a schema; `self` is the value there, `oldSelf` the one before, for those values
that can be found again: fields of maps by their name, items of a list by its keys. All evaluations of one
write together have a budget, as upstream's have.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.bindings import bound
from ocicat.cluster.resources.errors import Cause, invalid_value, required
from ocicat.cluster.resources.expressions import Expression, ExpressionError, expression

KEY: Final = "x-kubernetes-validations"
BUDGET: Final = 1_000_000
"""Steps of all rules of one write: at most about half a second."""
_EXHAUSTED: Final = (
    "validation failed due to running out of cost budget, no further validation rules will be run"
)
_DEPTH_LIMIT: Final = 64
_ABSENT: Final = object()
_REASONS: Final = ("FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate")


class Rule(msgspec.Struct, frozen=True):
    """One rule, compiled."""

    test: Expression
    message: str
    """Said when the rule is broken."""
    explain: Expression | None = None
    """Makes the message, where it can."""
    reason: str = _REASONS[0]
    field: str = ""
    """The field that the refusal names, below the rule's own."""
    optional_old: bool = False


class RuleTree(msgspec.Struct, frozen=True):
    """The rules of a schema, at their places; levels without any are left out."""

    schema: Mapping[str, Any]
    rules: tuple[Rule, ...] = ()
    fields: Mapping[str, "RuleTree"] = {}
    others: "RuleTree | None" = None
    items: "RuleTree | None" = None


def tree_of(schema: Mapping[str, Any], depth: int = 0) -> RuleTree | None:
    """Return the rules of a schema, None where it has none; the schema has no `problems`."""
    if depth > _DEPTH_LIMIT:
        return None
    rules = tuple(rule for row in schema.get(KEY) or () if isinstance(rule := _rule(row), Rule))
    found = {
        name: tree
        for name, inner in (schema.get("properties") or {}).items()
        if isinstance(inner, Mapping) and (tree := tree_of(inner, depth + 1)) is not None
    }
    more, items = schema.get("additionalProperties"), schema.get("items")
    others = tree_of(more, depth + 1) if isinstance(more, Mapping) else None
    each = tree_of(items, depth + 1) if isinstance(items, Mapping) else None
    if not (rules or found or others or each):
        return None
    return RuleTree(schema, rules, found, others, each)


def problems(schema: Mapping[str, Any], where: str) -> Iterator[Cause]:
    """Yield what is wrong with the rules of one level of a schema."""
    rows = schema.get(KEY)
    if rows is None:
        return
    for position, row in enumerate(rows if isinstance(rows, list) else ()):
        made = _rule(row)
        if isinstance(made, Cause):
            yield Cause(made.reason, made.message, f"{where}.{KEY}[{position}].{made.field}")


def _rule(row: Any) -> Rule | Cause:
    """Return a rule as its definition has it, or what is wrong with it."""
    text = row.get("rule") if isinstance(row, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        return required("rule")
    optional = bool(row.get("optionalOldSelf"))
    reason = row.get("reason") or _REASONS[0]
    if reason not in _REASONS:
        return invalid_value("reason", reason, f"must be one of {', '.join(_REASONS)}")
    try:
        test = expression(text, optional_old=optional)
    except ExpressionError as failed:
        return invalid_value("rule", text, f"compilation failed: {failed}")
    if not test.is_condition:
        return invalid_value("rule", text, "cel expression must evaluate to a bool")
    said = row.get("messageExpression")
    try:
        explain = expression(said, optional_old=optional) if said else None
    except ExpressionError as failed:
        return invalid_value("messageExpression", said, f"messageExpression compilation failed: {failed}")
    message = str(row.get("message") or f"failed rule: {text.strip()}")
    return Rule(test, message, explain, reason, str(row.get("fieldPath") or ""), optional)


def violations(thing: Mapping[str, Any], old: Mapping[str, Any] | None, tree: RuleTree) -> list[Cause]:
    """Return which rules an object breaks that is to be stored in the place of `old`."""
    judge = _Judge()
    judge.level(_Level(thing, _ABSENT if old is None else old, tree, ""))
    return judge.causes


class _Level(msgspec.Struct, frozen=True):
    """A value at a place of the object, the one before, and the rules there."""

    value: Any
    old: Any
    tree: RuleTree
    path: str


class _Judge:
    """Goes through one object."""

    def __init__(self) -> None:
        self.causes: Final[list[Cause]] = []
        self._left = BUDGET

    def level(self, at: _Level) -> None:
        """Judge a value by the rules of its level, then those below."""
        if at.value is None or self._left < 0:
            return
        if at.tree.rules:
            self._judge(at)
        for below in _below(at):
            self.level(below)

    def _judge(self, at: _Level) -> None:
        data = {"self": bound(at.value, at.tree.schema, root=not at.path), "oldSelf": None}
        known = at.old is not _ABSENT and at.old is not None
        if known:
            data["oldSelf"] = bound(at.old, at.tree.schema, root=not at.path)
        data["hasOldSelf__"] = known
        size = _size(at.value)
        self._left -= size
        for rule in at.tree.rules:
            if rule.test.transition and not known and not rule.optional_old:
                continue
            self._left -= rule.test.cost(size)
            if self._left < 0:
                self.causes.append(Cause("FieldValueForbidden", f"Forbidden: {_EXHAUSTED}", at.path))
                return
            self._judge_one(at, rule, data)

    def _judge_one(self, at: _Level, rule: Rule, data: Mapping[str, Any]) -> None:
        given = data if rule.test.transition else {"self": data["self"]}
        try:
            held = rule.test.value(given)
        except ExpressionError as failed:
            held, message = False, f"{failed} evaluating rule: {rule.message}"
        else:
            message = rule.message if held is True else _explained(rule, data)
        if held is not True:
            kind = str(at.tree.schema.get("type") or "object")
            self.causes.append(_cause(rule.reason, f"{at.path}{rule.field}".lstrip("."), kind, message))


def _explained(rule: Rule, data: Mapping[str, Any]) -> str:
    """Return the message of a broken rule: the made one, or the fixed one where none could be made."""
    if rule.explain is None:
        return rule.message
    try:
        made = rule.explain.value(data if rule.explain.transition else {"self": data["self"]})
    except ExpressionError:
        return rule.message
    usable = isinstance(made, str) and made.strip() and "\n" not in made
    return made.strip()[:_MESSAGE_LIMIT] if usable and isinstance(made, str) else rule.message


_MESSAGE_LIMIT: Final = 5 * 1024
"""Characters of a message that an expression made, as upstream cuts it."""


def _cause(reason: str, field: str, kind: str, message: str) -> Cause:
    words = {
        "FieldValueForbidden": f"Forbidden: {message}",
        "FieldValueRequired": f"Required value: {message}",
        "FieldValueDuplicate": f'Duplicate value: "{kind}": {message}',
    }
    return Cause(reason, words.get(reason, f'Invalid value: "{kind}": {message}'), field)


def _below(at: _Level) -> Iterator[_Level]:
    tree = at.tree
    if isinstance(at.value, Mapping):
        before = at.old if isinstance(at.old, Mapping) else {}
        known = tree.schema.get("properties") or {}
        for name, value in at.value.items():
            below = tree.fields.get(name) or (tree.others if name not in known else None)
            if below is not None:
                path = f"{at.path}.{name}" if name in known else f"{at.path}[{name}]"
                yield _Level(value, before.get(name, _ABSENT), below, path.removeprefix("."))
    elif isinstance(at.value, list) and tree.items is not None:
        earlier = _keyed(at.old, tree.schema)
        for position, value in enumerate(at.value):
            old = earlier.get(_key(value, tree.schema), _ABSENT)
            yield _Level(value, old, tree.items, f"{at.path}[{position}]")


def _keyed(items: Any, schema: Mapping[str, Any]) -> dict[Any, Any]:
    """Return the items of a list by which they are found again: those of a list by keys alone are."""
    if not isinstance(items, list) or schema.get("x-kubernetes-list-type") != "map":
        return {}
    return {_key(item, schema): item for item in items}


def _key(item: Any, schema: Mapping[str, Any]) -> str:
    names = schema.get("x-kubernetes-list-map-keys") or ()
    return repr([item.get(name) for name in names]) if isinstance(item, Mapping) else repr(item)


def _size(value: Any) -> int:
    """Return how much there is to go through: values, and text by the line."""
    if isinstance(value, Mapping):
        return 1 + sum(map(_size, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    return 1 + len(value) // 80 if isinstance(value, str) else 1
