"""Laws of the selector language: round trip, fixed point, guards that never exclude a match."""

from hypothesis import given
from hypothesis import strategies as st

from ocicat.engine.labels import Guard, SelectorIndex, guards_of
from ocicat.model.selector import (
    All,
    And,
    Compare,
    Global,
    Has,
    Member,
    Node,
    Not,
    Operator,
    Or,
    Selector,
    SelectorError,
)

LABELS = ("a", "b", "c.d/e", "in", "has", "projectcalico.org/namespace")
VALUES = ("", "x", "y", "xy", "it's")

_CHARACTERS = st.characters(exclude_characters="'\"", exclude_categories=["Cs"])
"""Every character that can stand in a quoted string; a lone surrogate is no character of any text."""
labels = st.sampled_from(LABELS)
values = st.sampled_from(VALUES) | st.text(_CHARACTERS, max_size=4)
singles = [operator for operator in Operator if operator not in (Operator.IN, Operator.NOT_IN)]
leaves = (
    st.just(All())
    | st.just(Global())
    | st.builds(Has, labels)
    | st.builds(Compare, labels, st.sampled_from(singles), values)
    | st.builds(
        Member,
        labels,
        st.sampled_from((Operator.IN, Operator.NOT_IN)),
        st.lists(values, max_size=3).map(lambda items: tuple(sorted(set(items), key=str.encode))),
    )
)


def _inner(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(nodes, min_size=2, max_size=3).map(tuple)
    negated = nodes.filter(lambda node: not isinstance(node, Not)).map(Not)
    return several.map(And) | several.map(Or) | negated


trees = st.recursive(leaves, _inner, max_leaves=8)
entities = st.dictionaries(labels, st.sampled_from(VALUES), max_size=4)


@given(trees)
def test_the_canonical_form_parses_to_the_same_tree(tree):
    assert Selector.parse(Selector(tree).canonical).node == tree


@given(st.text(alphabet="ab(){}!&|='\", \tinhascontainswith", max_size=40))
def test_a_text_is_a_selector_with_a_fixed_canonical_form_or_an_error_with_a_column(text):
    parsed = _parsed(text)
    if isinstance(parsed, SelectorError):
        assert 1 <= parsed.column <= len(text) + 1
        return
    selector = parsed
    again = Selector.parse(selector.canonical)
    assert again.canonical == selector.canonical
    assert again.node == selector.node


def _parsed(text: str) -> Selector | SelectorError:
    try:
        return Selector.parse(text)
    except SelectorError as error:
        return error


@given(trees, entities)
def test_the_canonical_form_means_the_same(tree, entity):
    assert Selector.parse(Selector(tree).canonical).matches(entity) == Selector(tree).matches(entity)


@given(trees, entities)
def test_prefixing_a_selector_is_prefixing_the_labels(tree, entity):
    prefixed = {f"p.{label}": value for label, value in entity.items()}
    assert Selector(tree).prefixed("p.").matches(prefixed) == Selector(tree).matches(entity)


@given(trees, entities)
def test_a_match_satisfies_a_guard(tree, entity):
    guards = guards_of(tree)
    if guards is None or not Selector(tree).matches(entity):
        return
    assert any(_satisfied(guard, entity) for guard in guards)


def _satisfied(guard: Guard, entity: dict[str, str]) -> bool:
    within = guard.namespace in (None, entity.get("projectcalico.org/namespace"))
    return within and guard.label in entity and guard.value in (None, entity[guard.label])


@given(st.lists(trees, max_size=6), st.lists(st.tuples(st.integers(0, 3), entities | st.none()), max_size=12))
def test_the_index_of_selectors_knows_the_members(selectors, changes):
    """Half of the selectors are held before the entities change, half after."""
    told: dict[tuple[str, int], bool] = {}
    index = SelectorIndex(lambda name, number, joined: told.__setitem__((name, number), joined))
    early, late = selectors[::2], selectors[1::2]
    for tree in early:
        index.hold(Selector(tree))
    now: dict[int, dict[str, str]] = {}
    for number, entity in changes:
        if entity is None:
            index.remove(number)
            now.pop(number, None)
        else:
            index.put(number, entity)
            now[number] = entity
    for tree in late:
        index.hold(Selector(tree))
    for tree in selectors:
        selector = Selector(tree)
        expected = {number for number, entity in now.items() if selector.matches(entity)}
        members = index.members[selector.canonical]
        assert {number for number in range(4) if members >> number & 1} == expected
    for (name, number), joined in told.items():
        assert bool(index.members[name] >> number & 1) is joined
