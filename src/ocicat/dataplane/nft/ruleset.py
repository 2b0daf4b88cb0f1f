"""A ruleset of one nftables table as a value: it can be printed, compared and stored.

Rules are text in nft's own language; whoever renders them names each construct once. Containers (sets and
maps) hold their elements as a mapping from key to verdict, so that two rulesets are compared element by
element.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

FAMILY: Final = "inet"
"""The family of every table of ours: one for IPv4 and IPv6."""


class Chain(msgspec.Struct, frozen=True):
    """A chain and its rules, in order."""

    name: str
    rules: tuple[str, ...]
    hook: str = ""
    """Of a base chain: `type filter hook forward priority filter; policy accept;`."""

    def lines(self) -> Iterator[str]:
        """Yield the chain as nft reads it inside a table."""
        yield f"chain {self.name} {{"
        if self.hook:
            yield self.hook
        yield from self.rules
        yield "}"


class Container(msgspec.Struct, frozen=True):
    """A named set, or with verdicts a map."""

    name: str
    type: str
    """Of the key, `ifname . ipv4_addr`; of a map with ` : verdict` behind it."""
    options: tuple[str, ...] = ()
    """What else declares it: `flags interval`, `size 65535`, `timeout 1m`."""
    elements: Mapping[str, str] = {}
    """Key → verdict, empty text for a set."""
    dynamic: bool = False
    """Whether packets add the elements: then they are no part of what was rendered."""

    @property
    def kind(self) -> str:
        """`map` or `set`."""
        return "map" if self.type.endswith("verdict") else "set"

    @property
    def declaration(self) -> tuple[str, ...]:
        """All but the elements, as lines inside the braces."""
        return (f"type {self.type}", *self.options)

    def lines(self) -> Iterator[str]:
        """Yield the container as nft reads it inside a table."""
        yield f"{self.kind} {self.name} {{"
        yield from self.declaration
        if self.elements:
            yield f"elements = {{ {', '.join(element_texts(self.elements))} }}"
        yield "}"


def element_texts(elements: Mapping[str, str]) -> Iterator[str]:
    """Yield elements as nft reads them, in order of their keys."""
    for key in sorted(elements):
        yield f"{key} : {elements[key]}" if elements[key] else key


def digest(lines: Iterable[str]) -> str:
    """Return a name for content: equal lines have equal digests, in every process. 16 characters."""
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


class Ruleset(msgspec.Struct, frozen=True):
    """Everything in one table."""

    table: str
    containers: Mapping[str, Container] = {}
    """By name."""
    chains: Mapping[str, Chain] = {}
    """By name."""

    @classmethod
    def of(cls, table: str, *parts: Chain | Container) -> "Ruleset":
        """Return the ruleset of these parts. Raises ValueError where two of a kind share a name and
        differ."""
        containers: dict[str, Container] = {}
        chains: dict[str, Chain] = {}
        for part in parts:
            known = (chains if isinstance(part, Chain) else containers).get(part.name, part)
            if known != part:
                raise ValueError(f"two parts of table {table} are named {part.name}")
            if isinstance(part, Chain):
                chains[part.name] = part
            else:
                containers[part.name] = part
        return cls(table, containers, chains)

    def lines(self) -> Iterator[str]:
        """Yield the ruleset as a file for `nft -f`, in order of names: equal rulesets give equal lines."""
        yield f"table {FAMILY} {self.table} {{"
        for name in sorted(self.containers):
            yield from self.containers[name].lines()
        for name in sorted(self.chains):
            yield from self.chains[name].lines()
        yield "}"

    def __str__(self) -> str:
        return "\n".join(self.lines()) + "\n"
