import math

import pytest

from ocicat.model.scalars import MAX_DIGITS, NumberError, as_json, as_key, plain

# What sigs.k8s.io/yaml (and so kubectl) reads, but for the rows of TEXT that say otherwise.
VALUES = [
    ("", None),
    ("~", None),
    ("null", None),
    ("NULL", None),
    ("true", True),
    ("True", True),
    ("FALSE", False),
    ("0", 0),
    ("-0", 0),
    ("8080", 8080),
    ("+7", 7),
    ("-7", -7),
    # "integers in base 2, 8, 10 and 16"
    ("0x1F", 31),
    ("0b101", 5),
    ("0o17", 15),
    ("0644", 420),
    ("-010", -8),
    # "`1_000` is 1000"
    ("1_000", 1000),
    ("1.5", 1.5),
    (".5", 0.5),
    ("-.5e3", -500.0),
    ("8080.0", 8080.0),
    ("1e3", 1000.0),
    # Eight and nine are no octal digits, so this is a fraction-less float.
    ("0808", 808.0),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("1e999", math.inf),
    ("9223372036854775808", 2**63),
]

TEXT = [
    # "`yes`, `no`, `on`, `off`, `y` and `n` stay text, as YAML 1.2 has it"
    *("yes", "Yes", "no", "on", "On", "off", "y", "n", "N"),
    # "dates and `1:30` are text"
    *("2001-01-01", "2001-12-14t21:59:43.10-05:00", "1:30", "22:22:22"),
    *("10.0.0.0/8", "1.2.3", "::1", "-", "+", ".", "--1", "1e", "0x", "0xg", "0b2", "1-2", "nUll", "tRUE"),
    *("_1", ".1_0", "e3", ".e3", "-.inf.", "nil", "None", "TCP", "a", "é", "٣", "1 2", " 1"),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_a_plain_scalar_is_what_kubectl_reads(text, value):
    found = plain(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_a_float():
    assert math.isnan(plain(".nan"))


@pytest.mark.parametrize("text", TEXT)
def test_everything_else_is_text(text):
    assert plain(text) == text


@pytest.mark.parametrize("text", ["1" * (MAX_DIGITS + 1), "0x" + "f" * MAX_DIGITS])
def test_a_number_without_end_is_refused_before_it_is_converted(text):
    with pytest.raises(NumberError):
        plain(text)


def test_the_longest_number_is_read():
    assert plain("9" * MAX_DIGITS) == 10**MAX_DIGITS - 1


@pytest.mark.parametrize(
    ("value", "key"), [(80, "80"), (True, "true"), (1.0, "1"), (1.5, "1.5"), (None, None), ("x", "x")]
)
def test_a_key_is_the_text_that_kubectl_makes_of_it(value, key):
    assert as_key(value) == key


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (False, "false"), (5, "5"), (8080.0, "8080.0"), ("x", "x")],
)
def test_a_value_is_shown_as_json_spells_it(value, text):
    assert as_json(value) == text
