"""The selector language: one row per rule of spec/policy-semantics §4 and §5.2."""

import pytest

from ocicat.model.selector import Selector, SelectorError, normalised


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", "all()"),
        (" \t ", "all()"),
        ("all( )", "all()"),
        ("global(\t)", "global()"),
        ("has( a )", "has(a)"),
        ("a=='b'", 'a == "b"'),
        ("a == '\"'", "a == '\"'"),
        ("a != ''", 'a != ""'),
        ("a startswith 'x'", 'a starts with "x"'),
        ("a starts \t with 'x'", 'a starts with "x"'),
        ("a endswith'x'", 'a ends with "x"'),
        ('a contains"x"', 'a contains "x"'),
        ("a notin {'x'}", 'a not in {"x"}'),
        ("a in {}", "a in {}"),
        ("a in {'b','a','b',}", 'a in {"a", "b"}'),
        ('contains contains "contains"', 'contains contains "contains"'),
        ("in in {'in'}", 'in in {"in"}'),
        ("!a == 'b'", '!a == "b"'),
        ("!!a == 'b'", 'a == "b"'),
        ("!(!a == 'b')", 'a == "b"'),
        ("!!!has(a)", "!has(a)"),
        ("((has(a)))", "has(a)"),
        ("has(a)&&has(b)||has(c)", "((has(a) && has(b)) || has(c))"),
        ("(has(a) && has(b)) && has(c)", "((has(a) && has(b)) && has(c))"),
        ("has(a) && has(b) && has(c)", "(has(a) && has(b) && has(c))"),
        ("a.b/c-d_e == 'x'", 'a.b/c-d_e == "x"'),
        ("a == 'two\nlines'", 'a == "two\nlines"'),
    ],
)
def test_canonical_form(text, canonical):
    assert Selector.parse(text).canonical == canonical
    assert Selector.parse(canonical).canonical == canonical


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("a = 'b'", "expected ==", 3),
        ("has(a) & has(b)", "expected &&", 8),
        ("has(a) | has(b)", "expected ||", 8),
        ("a == 'b", "unterminated string", 6),
        ("a inf {'b'}", 'expected operator after label "a"', 3),
        ("a b", 'expected operator after label "a"', 3),
        ("has(a", "no closing ')' after has(", 6),
        ("all(x)", "no closing ')' after all(", 5),
        ("global(", "no closing ')' after global(", 8),
        ("has()", "expected identifier", 5),
        ("has (a)", "expected == or != not: (", 5),
        ("\n", "expected identifier", 1),
        ("a ==", "expected string", 5),
        ("a == b", "expected string", 6),
        ("a", "unexpected end of string looking for op", 2),
        ("has(a) &&", "unexpected end of string looking for op", 10),
        ("(has(a)", "expected )", 8),
        ("a in 'b'", "expected set literal", 6),
        ("a in {'b'", "expected }", 10),
        ("a in {,}", "expected }", 7),
        ("a in {'b',,}", "expected }", 11),
        ("()", "unexpected token: )", 2),
        ("has(a) has(b)", "unexpected content at end of selector has(b)", 8),
        (f"{'x' * 513} == 'a'", "label too long: ", 1),
        (f"{'(' * 121}has(a){')' * 121}", "parentheses are nested more than 120 deep", 121),
    ],
)
def test_errors_name_the_column(text, message, column):
    with pytest.raises(SelectorError) as caught:
        Selector.parse(text)
    assert caught.value.message.startswith(message)
    assert caught.value.column == column


def test_the_pointer_marks_the_column_on_its_line():
    with pytest.raises(SelectorError) as caught:
        Selector.parse("a == 'x\ny' && b")
    assert caught.value.pointer() == "y' && b\n       ^"


def test_what_is_nested_too_deep_is_refused():
    text = "a == 'b'"
    for _ in range(101):
        text = f"!({text} && has(c))"
    with pytest.raises(SelectorError, match="nested more than"):
        Selector.parse(text)


PRESENT, ABSENT = {"a": "value"}, {"b": "value"}


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("a == 'value'", True, False),
        ("a == 'other'", False, False),
        ("a != 'value'", False, True),
        ("a != 'other'", True, True),
        ("a in {'value', 'x'}", True, False),
        ("a in {}", False, False),
        ("a not in {'value'}", False, True),
        ("a not in {}", True, True),
        ("a contains 'alu'", True, False),
        ("a contains ''", True, False),
        ("a contains 'VAL'", False, False),
        ("a starts with 'val'", True, False),
        ("a starts with ''", True, False),
        ("a ends with 'lue'", True, False),
        ("has(a)", True, False),
        ("!has(a)", False, True),
        ("all()", True, True),
        ("global()", True, True),
        ("has(a) || has(b)", True, True),
        ("has(a) && has(b)", False, False),
    ],
)
def test_evaluation(text, present, absent):
    selector = Selector.parse(text)
    assert selector.matches(PRESENT) is present
    assert selector.matches(ABSENT) is absent


def test_has_is_true_of_an_empty_value():
    assert Selector.parse("has(a)").matches({"a": ""})


def test_unique_id():
    """§4.4's check value."""
    assert Selector.parse("").uid == "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("has(a)", "has(pcns.a)"),
        ("a == 'x' || !b in {'y'}", '(pcns.a == "x" || !pcns.b in {"y"})'),
        ("all()", "all()"),
        ("global() && a contains 'x'", '(global() && pcns.a contains "x")'),
    ],
)
def test_prefixing_puts_the_prefix_before_every_label(text, expected):
    assert Selector.parse(text).prefixed("pcns.").canonical == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("  a=='b'\n", 'a == "b"'), (" a = b ", "a = b"), ("", "all()")]
)
def test_normalised(text, expected):
    assert normalised(text) == expected


def test_the_labels_that_an_answer_can_depend_on():
    assert Selector.parse("a == 'x' && (!has(b) || c in {'y'}) && all()").labels() == {"a", "b", "c"}


def test_selectors_are_equal_by_their_canonical_form():
    one, other = Selector.parse("a=='b'"), Selector.parse('a == "b"')
    assert one == other
    assert len({one, other}) == 1
    assert one != Selector.parse("a == 'c'")
    assert str(one) == 'a == "b"'
