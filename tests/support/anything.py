"""Any value that decodes: every field of every struct, mostly from words that mean something somewhere."""

import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

WORDS = (
    *("", " ", "a", "b", "default", "http", "80", "0", "1:2", "2:1", "-1:5", "None", "example.com", "\n"),
    *("Ingress", "Egress", "Allow", "Accept", "Deny", "Pass", "Log", "Set", "Delete", "Admin", "Baseline"),
    *("TCP", "UDP", "SCTP", "ICMP", "ICMPv6", "In", "NotIn", "Exists", "Running", "Succeeded", "InternalIP"),
    *("all()", "global()", "!all()", "has(a)", "a == 'b'", 'a == "all()"', "a in {'b', }", "=", "(("),
    *("10.0.0.0/8", "10.0.0.1", "10.0.0.1/8", "0.0.0.0/0", "fd00::/8", "::/0", "fd00::1", "fe80::1%eth0"),
    *("::ffff:10.0.0.1", "kubernetes.io/service-name", "cni.projectcalico.org/podIP", "pcns.a"),
    *("projectcalico.org/namespace", "\"'", "\udc80"),
)
INTEGERS = (-1, 0, 1, 4, 6, 58, 80, 255, 256, 1000, 65535, 65536, 2**40)
FLOATS = (float("nan"), float("inf"), float("-inf"), -1.5, 0.0, 1000.0)


@cache
def anything(wanted: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a type of the model."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return st.one_of([anything(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(anything(arguments[0]), max_size=3).map(tuple)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(anything(arguments[0]), anything(arguments[1]), max_size=3)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return _struct(wanted)
    return {
        str: st.sampled_from(WORDS) | st.text(max_size=4),
        int: st.sampled_from(INTEGERS),
        float: st.sampled_from(FLOATS),
        bool: st.booleans(),
        types.NoneType: st.none(),
    }[wanted]


def _struct(wanted: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Each field is left at its default as often as not, so that much of what is drawn is nearly valid."""
    fields = {field.name: field for field in msgspec.structs.fields(wanted)}
    return st.fixed_dictionaries(
        {},
        optional={
            name: st.deferred(lambda field=field: anything(field.type)) for name, field in fields.items()
        },
    ).map(lambda given: wanted(**given))
