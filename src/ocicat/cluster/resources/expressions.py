"""Expressions of CEL, as schemas of custom resources use them, in the engine of CEL's authors.

The engine bounds itself: it refuses what nests too deep, and stops after ten thousand steps of loops. Its
regular expressions are RE2's, as upstream's, so that no pattern takes more than linear time.

Of the functions that Kubernetes adds, those on lists and sets are here; an expression with another one is
refused when the definition is written, never passed over.
"""

import functools
import itertools
import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

import msgspec
from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings

LONGEST: Final = 10_240
"""Characters of one expression."""
_STEPS: Final = 10_000
"""The engine's own bound on the steps of all loops of one evaluation."""
_DEEPEST: Final = 4
"""Loops in each other that are reckoned with: more of them are at the engine's bound anyway."""
_LOOPS: Final = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(")
_STATUS: Final = re.compile(r"^(?:[A-Z_]+: )+|( \[[A-Z_]+\])$")
_NO_KEY: Final = re.compile(r'Key not found in map : "(.*)"$', re.DOTALL)
_OLD: Final = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\boldSelf\b""")


class Expression(msgspec.Struct, frozen=True):
    """A compiled expression."""

    compiled: cel.Expression
    transition: bool
    """Whether it compares with the state before (`oldSelf`)."""
    loops: int
    """How many loops it has: each may go over everything that it is given."""

    @property
    def is_condition(self) -> bool:
        """Whether it gives yes or no, or a value whose type is known only later."""
        return self.compiled.return_type() in (cel.Type.BOOL, cel.Type.DYN)

    def cost(self, size: int) -> int:
        """Return an upper bound on the steps of one evaluation over `size` values."""
        return 1 + min(_STEPS, int(size ** min(self.loops, _DEEPEST))) if self.loops else 1

    def value(self, data: Mapping[str, Any]) -> Any:
        """Return what it gives for these variables. Raises ExpressionError."""
        try:
            result = self.compiled.eval(data=data)
        except RuntimeError as failed:
            raise ExpressionError(_plain(str(failed))) from failed
        if result.type() == cel.Type.ERROR:
            raise ExpressionError(_plain(str(result.value())))
        return result.value()


class ExpressionError(Exception):
    """An expression cannot be compiled, or gives no value; the text says why."""


def _list_of(numbers: list[Any]) -> list[Any]:
    if len({type(item) for item in numbers}) > 1 and not all(
        isinstance(item, int | float) for item in numbers
    ):
        raise ValueError("the items are not of one type")
    return numbers


def _is_sorted(items: list[Any]) -> bool:
    items = _list_of(items)
    return all(left <= right for left, right in itertools.pairwise(items))


def _marks(items: list[Any]) -> set[object]:
    """Return what tells the items of a list apart: 1 and 1.0 are the same, 1 and true are not."""
    return {(isinstance(item, bool), item if isinstance(item, Hashable) else repr(item)) for item in items}


def _function(
    name: str, result: cel.Type, count: int, implementation: Callable[..., Any], *, member: bool = False
) -> cel.FunctionDecl:
    """Declare a function of lists."""
    overload = cel.Overload(
        f"ocicat_{name.replace('.', '_')}",
        return_type=result,
        parameters=[cel.Type.LIST] * count,
        is_member=member,
        impl=implementation,
    )
    return cel.FunctionDecl(name, [overload])


_FUNCTIONS: Final = [
    _function("isSorted", cel.Type.BOOL, 1, _is_sorted, member=True),
    _function("sum", cel.Type.DYN, 1, lambda items: sum(_list_of(items)), member=True),
    _function("min", cel.Type.DYN, 1, lambda items: min(_list_of(items)), member=True),
    _function("max", cel.Type.DYN, 1, lambda items: max(_list_of(items)), member=True),
    _function("sets.contains", cel.Type.BOOL, 2, lambda a, b: _marks(a) >= _marks(b)),
    _function("sets.intersects", cel.Type.BOOL, 2, lambda a, b: bool(_marks(a) & _marks(b))),
    _function("sets.equivalent", cel.Type.BOOL, 2, lambda a, b: _marks(a) == _marks(b)),
]
_NOW: Final = {"self": cel.Type.DYN}
_BEFORE: Final = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN, "hasOldSelf__": cel.Type.BOOL}


def _environment(variables: Mapping[str, cel.Type]) -> cel.Env:
    extensions = [ext_strings.ExtStrings(), ext_optional.ExtOptional()]
    return cel.NewEnv(variables=variables, extensions=extensions, functions=_FUNCTIONS)


_ALONE: Final = _environment(_NOW)
_COMPARING: Final = _environment(_BEFORE)


@functools.lru_cache(maxsize=4096)
def expression(text: str, *, optional_old: bool = False) -> Expression:
    """Return `text` compiled; with `optional_old`, its `oldSelf` is an optional value.

    Raises:
        ExpressionError: it is too long, or no expression, or speaks of what is not there.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression is longer than {LONGEST} characters")
    transition = any(match[1] is None for match in _OLD.finditer(text))
    if transition and optional_old:
        wrapped = "(hasOldSelf__ ? optional.of(oldSelf) : optional.none())"
        text = _OLD.sub(lambda match: match[1] or wrapped, text)
    environment = _COMPARING if transition else _ALONE
    try:
        return Expression(environment.compile(text), transition, len(_LOOPS.findall(text)))
    except RuntimeError as failed:
        raise ExpressionError(_plain(str(failed))) from failed


def _plain(message: str) -> str:
    """Return the engine's message without its codes, in the words of upstream's engine where they differ."""
    text = _STATUS.sub("", message).strip()
    missing = _NO_KEY.search(text)
    return f"no such key: {missing[1]}" if missing else text


_PATTERN: Final = _environment({"text": cel.Type.STRING, "pattern": cel.Type.STRING}).compile(
    "text.matches(pattern)"
)


def matches(pattern: str, text: str) -> bool:
    """Tell whether the regular expression `pattern` (RE2) is found in `text`. Raises ExpressionError."""
    result = _PATTERN.eval(data={"text": text, "pattern": pattern})
    if result.type() == cel.Type.ERROR:
        raise ExpressionError(_plain(str(result.value())))
    return bool(result.value())
