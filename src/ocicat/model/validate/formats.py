"""The formats that Kubernetes has for names, labels and ports, in its own words.

Source: spec/policy-semantics §2.3 (labels, annotations), §3.4 (port names); wording and limits are those of
Kubernetes' apimachinery, util/validation. Lengths are in bytes there, and so here.
"""

import re
from functools import lru_cache
from typing import Final

LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
"""A DNS-1123 label."""
SUBDOMAIN: Final = rf"{LABEL}(\.{LABEL})*"
"""Labels joined by dots."""
LABEL_BYTES: Final = 63
SUBDOMAIN_BYTES: Final = 253
PORT_NAME_BYTES: Final = 15

_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = f"({_QUALIFIED})?"
_ENDS: Final = "and must start and end with an alphanumeric character"
_EMPTY: Final = "must be non-empty"

_is_label = re.compile(LABEL).fullmatch
_is_subdomain = re.compile(SUBDOMAIN).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_value = re.compile(_VALUE).fullmatch
_is_port_charset = re.compile("[-a-z0-9]+").fullmatch
_has_letter = re.compile("[a-z]").search


def size(text: str) -> int:
    """Return the bytes of `text`; a lone surrogate (JSON can spell one) counts as three."""
    return len(text.encode("utf-8", "surrogatepass"))


def label_name(text: str) -> list[str]:
    """Return what keeps `text` from being a DNS-1123 label."""
    wrong = _too_long(text, LABEL_BYTES)
    if not _is_label(text):
        what = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
        wrong.append(_mismatch(f"{what}, {_ENDS}", LABEL, "my-name", "123-abc"))
    return wrong


def subdomain(text: str) -> list[str]:
    """Return what keeps `text` from being a DNS-1123 subdomain."""
    wrong = _too_long(text, SUBDOMAIN_BYTES)
    if not _is_subdomain(text):
        what = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        wrong.append(_mismatch(f"{what}, {_ENDS}", SUBDOMAIN, "example.com"))
    return wrong


@lru_cache(maxsize=16384)
def qualified_name(text: str) -> tuple[str, ...]:
    """Return what keeps `text` from being the key of a label: `name`, or `prefix/name`.

    The answers of late are kept, here and for values: a cluster's objects share few labels.
    """
    what = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
    shape = _mismatch(what, _QUALIFIED, "MyName", "my.name", "123-abc")
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return (f"a qualified name {shape} {optional}",)
    wrong: list[str] = []
    if slash:
        wrong += [f"prefix part {each}" for each in (subdomain(prefix) if prefix else [_EMPTY])]
    if not name:
        wrong.append(f"name part {_EMPTY}")
    wrong += [f"name part {each}" for each in _too_long(name, LABEL_BYTES)]
    if not _is_qualified(name):
        wrong.append(f"name part {shape}")
    return tuple(wrong)


@lru_cache(maxsize=16384)
def label_value(text: str) -> tuple[str, ...]:
    """Return what keeps `text` from being the value of a label."""
    wrong = _too_long(text, LABEL_BYTES)
    if not _is_value(text):
        consist = "consist of alphanumeric characters, '-', '_' or '.'"
        what = f"a valid label must be an empty string or {consist}, {_ENDS}"
        wrong.append(_mismatch(what, _VALUE, "MyValue", "my_value", "12345"))
    return tuple(wrong)


def port_name(text: str) -> list[str]:
    """Return what keeps `text` from being the name of a port."""
    wrong = _too_long(text, PORT_NAME_BYTES)
    if not _is_port_charset(text):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _has_letter(text):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in text:
        wrong.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def is_subdomain(text: str) -> bool:
    """Tell whether `text` is labels joined by dots, however long: what Calico's tag `name` asks for."""
    return _is_subdomain(text) is not None


def _too_long(text: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} characters"] if size(text) > limit else []


def _mismatch(what: str, pattern: str, *examples: str) -> str:
    """Return `what` with examples and the pattern, spaced as Kubernetes spaces it."""
    shown = "".join(f"'{example}', " for example in examples[:1])
    shown += "".join(f" or '{example}', " for example in examples[1:])
    return f"{what} (e.g. {shown}regex used for validation is '{pattern}')"
