"""How the selectors of one resource combine into the one selector that the engine asks.

Namespaces and service accounts are not entities: their labels reach an endpoint through its profiles,
prefixed (`pcns.`, `pcsa.`), so a selector over them is a selector over prefixed labels. Source:
spec/policy-semantics §5.2 (prefixing), §5.3 (which endpoints a policy selects), §5.4 (which entities a rule
selects), §10.2 (label selectors of Kubernetes).

Selectors are joined as trees, which is what joining their texts in parentheses would parse to. Only where the
specification replaces *text* (§16.9) is text replaced, on the same strings: what the user wrote for a
policy's own selector, the canonical form for a prefixed one.
"""

import re
from functools import lru_cache
from typing import Final

from ocicat.engine.convert.unconvertible import Unconvertible
from ocicat.model.meta import LabelSelector, LabelSelectorRequirement
from ocicat.model.selector import (
    MAX_LABEL_BYTES,
    All,
    And,
    Compare,
    Has,
    Member,
    Node,
    Not,
    Operator,
    Selector,
)

NAMESPACE: Final = "projectcalico.org/namespace"
SERVICE_ACCOUNT: Final = "projectcalico.org/serviceaccount"
ORCHESTRATOR: Final = "projectcalico.org/orchestrator"
KUBERNETES: Final = "k8s"
"""The value of the label ORCHESTRATOR of every pod; network sets and host endpoints do not have the label."""
NAMESPACE_PREFIX: Final = "pcns."
SERVICE_ACCOUNT_PREFIX: Final = "pcsa."

_LABEL: Final = re.compile(f"[a-zA-Z0-9_./-]{{1,{MAX_LABEL_BYTES}}}")
_ALL: Final = "all()"
_GLOBAL: Final = "global()"
EVERYTHING: Final = Selector.parse(_ALL)


def joined(*selectors: Selector) -> Selector:
    """Return the AND of selectors; an `all()` among others adds nothing and is left out."""
    parts = [selector for selector in selectors if not isinstance(selector.node, All)]
    if not parts:
        return EVERYTHING
    return parts[0] if len(parts) == 1 else Selector(And(tuple(part.node for part in parts)))


@lru_cache(maxsize=16384)
def in_namespace(namespace: str) -> Selector:
    """Return the selector of what is in a namespace. Raises Unconvertible."""
    return Selector(Compare(NAMESPACE, Operator.EQUAL, _value(namespace)))


# --- policies: which endpoints ------------------------------------------------------------------------------


@lru_cache(maxsize=16384)
def namespaced_policy(namespace: str, selector: str, service_accounts: str) -> Selector:
    """Return the selector of a NetworkPolicy in `namespace`. Raises SelectorError, Unconvertible.

    `service_accounts: all()` is a no-op here, unlike in a GlobalNetworkPolicy (§5.3).
    """
    parts = [in_namespace(namespace), Selector.parse(selector)]
    if service_accounts:
        parts.append(Selector.parse(service_accounts).prefixed(SERVICE_ACCOUNT_PREFIX))
    return joined(*parts)


@lru_cache(maxsize=16384)
def global_policy(selector: str, namespaces: str, service_accounts: str) -> Selector:
    """Return the selector of a GlobalNetworkPolicy. Raises SelectorError.

    Each criterion, when present, has every `all()` written so far replaced, the user's own in `selector`
    included (§5.3, §16.9): "any namespace" must not mean "host endpoints too".
    """
    texts = [selector]
    for written, prefix, label in (
        (namespaces, NAMESPACE_PREFIX, NAMESPACE),
        (service_accounts, SERVICE_ACCOUNT_PREFIX, SERVICE_ACCOUNT),
    ):
        if written:
            texts.append(Selector.parse(written).prefixed(prefix).canonical)
            texts = [text.replace(_ALL, f"has({label})") for text in texts]
    return joined(*(Selector.parse(text) for text in texts))


# --- rules: which entities ----------------------------------------------------------------------------------


@lru_cache(maxsize=16384)
def of_namespaces(selector: Selector) -> Selector:
    """Return a rule's namespaceSelector as it is asked of entities. Raises SelectorError.

    `all()` becomes "has a namespace", `global()` "has none" (§5.4, step 1).
    """
    text = selector.prefixed(NAMESPACE_PREFIX).canonical
    text = text.replace(_ALL, f"has({NAMESPACE})").replace(_GLOBAL, f"!has({NAMESPACE})")
    return Selector.parse(text)


@lru_cache(maxsize=16384)
def of_service_accounts(selector: str, names: tuple[str, ...]) -> Selector | None:
    """Return a rule's serviceAccounts as asked of entities, or None where they ask nothing.

    Raises SelectorError, Unconvertible.
    """
    parts: list[Selector] = []
    if selector:
        parts.append(Selector.parse(selector).prefixed(SERVICE_ACCOUNT_PREFIX))
    if names:
        parts.append(Selector(Member(SERVICE_ACCOUNT, Operator.IN, _values(names))))
    return joined(*parts) if parts else None


def peers(
    policy_namespace: str, own: Selector | None, namespaces: Selector | None, *, excluding: bool = False
) -> Selector | None:
    """Return the positive selector of one side of a rule, or None where the side asks for no identity (§5.4).

    `policy_namespace` is empty for what has no namespace; `own` is the criterion on the entity's own labels
    and service account; `namespaces` the namespaceSelector; `excluding` tells that the side has a
    notSelector, which alone is enough to confine a namespaced policy's peer to its namespace. Raises
    SelectorError.
    """
    if namespaces is not None:
        scope = of_namespaces(namespaces)
    elif policy_namespace and (own is not None or excluding):
        scope = in_namespace(policy_namespace)
    else:
        return own
    return scope if own is None else joined(scope, own)


# --- label selectors of Kubernetes --------------------------------------------------------------------------


def labelled(written: LabelSelector) -> Selector:
    """Return a label selector of Kubernetes; `{}` is everything. Raises Unconvertible."""
    return joined(*(Selector(node) for node in _conjuncts(written)))


def pods(written: LabelSelector | None) -> Selector:
    """Return a label selector over pods, which neither network sets nor host endpoints meet.

    Raises Unconvertible.
    """
    kubernetes = Compare(ORCHESTRATOR, Operator.EQUAL, KUBERNETES)
    conjuncts = () if written is None else _conjuncts(written)
    return Selector(And((kubernetes, *conjuncts)) if conjuncts else kubernetes)


def _conjuncts(written: LabelSelector) -> tuple[Node, ...]:
    equal = [
        Compare(_key(key), Operator.EQUAL, _value(written.match_labels[key]))
        for key in sorted(written.match_labels, key=_utf8)
    ]
    return (*equal, *(_requirement(item) for item in written.match_expressions))


def _requirement(item: LabelSelectorRequirement) -> Node:
    key = _key(item.key)
    match item.operator:
        case "In" | "NotIn" if not item.values:
            # The API server refuses it: "in none" would let a Deny rule match nobody.
            raise Unconvertible(f"operator {item.operator} on {item.key!r} has no values")
        case "In":
            return Member(key, Operator.IN, _values(item.values))
        case "NotIn":
            return Member(key, Operator.NOT_IN, _values(item.values))
        case "Exists":
            return Has(key)
        case "DoesNotExist":
            return Not(Has(key))
        case _:
            raise Unconvertible(f"{item.operator!r} is not an operator of a label selector")


# A tree can hold what no text can. As selectors are known by their text, such a one could pass for another.


def _key(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise Unconvertible(f"{text!r} is not a label's name")
    return text


def _value(text: str) -> str:
    if '"' in text and "'" in text:
        raise Unconvertible(f"{text!r} is not a label's value")
    return text


def _values(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({_value(text) for text in texts}, key=_utf8))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
