"""The nets of a rule: each by itself, and all of them together. Source: spec/policy-semantics §3.3, §3.4."""

import ipaddress
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from ocicat.model.calico import Rule
from ocicat.model.net import WIDTH, Address, NetError, Prefix
from ocicat.model.positions import Path
from ocicat.model.validate.finding import Finding, Findings, listed, repeated, too_many

MAX_NETS: Final = 256


def rule_nets(rule: Rule, path: Path) -> Findings:
    """Find what is wrong with the nets of a rule.

    The four lists are looked at in Calico's order; the first that brings in a second IP version is to blame.
    """
    families: set[int] = set()
    for side, name, nets in _lists(rule):
        if not nets:
            continue
        place = (*path, side, name)
        field = f"{side.capitalize()}.{name[0].upper()}{name[1:]}"
        yield from too_many("NP0114", place, len(nets), MAX_NETS)
        yield from repeated("NP0113", place, nets)
        for index, net in enumerate(nets):
            yield from _net(net, (*place, index), field, excluded=name == "notNets")
        yield from _version(rule.ip_version, nets, place, field)
        yield from _mixture(families, nets, place, field)
        families.update(_families(nets))


def _lists(rule: Rule) -> Iterator[tuple[str, str, Sequence[str]]]:
    for side, entity in (("source", rule.source), ("destination", rule.destination)):
        yield side, "nets", entity.nets
        yield side, "notNets", entity.not_nets


def _net(net: str, path: Path, field: str, *, excluded: bool) -> Findings:
    prefix = cidr(net)
    if prefix is None:
        yield Finding("NP0111", path, "invalid CIDR", cidr_fix(net), field, net)
    elif has_host_bits(net):
        what = f"the net is {prefix}; its address must have no bits behind the length"
        yield Finding("NP0112", path, what, f"write {prefix}", f"{field.partition('.')[2]}[{path[-1]}]", net)
    elif excluded and prefix.length == 0:
        what = "catch-all CIDR in negation creates logical contradiction (matches no traffic)"
        yield Finding("NP0117", path, what, "", field, net)


def _version(version: int | None, nets: Sequence[str], path: Path, field: str) -> Findings:
    if version not in WIDTH:
        return  # absent, or found to be none already
    for index, net in enumerate(nets):
        prefix = cidr(net)
        if prefix is not None and prefix.family != version:
            what = "rule IP version doesn't match CIDR version"
            fix = f"write ipVersion: {prefix.family}, or remove {net}"
            yield Finding("NP0115", (*path, index), what, fix, field, listed(nets))
            return


def _mixture(seen: set[int], nets: Sequence[str], path: Path, field: str) -> Findings:
    for index, family in _families_by_index(nets):
        if seen - {family}:
            what = "rule contains both IPv4 and IPv6 CIDRs"
            fix = f"move the nets of IPv{family} into a rule of their own"
            yield Finding("NP0116", (*path, index), what, fix, field, listed(nets))
            return
        seen = seen | {family}


def _families_by_index(nets: Sequence[str]) -> Iterator[tuple[int, int]]:
    for index, net in enumerate(nets):
        prefix = cidr(net)
        if prefix is not None:
            yield index, prefix.family


def _families(nets: Sequence[str]) -> set[int]:
    return {family for _, family in _families_by_index(nets)}


@lru_cache(maxsize=65536)
def cidr(text: str) -> Prefix | None:
    """Return the prefix that `address/length` spells, host bits masked off; None for anything else.

    The prefixes of texts seen lately are kept: one net stands in thousands of rules.
    """
    if "/" not in text:
        return None
    try:
        return Prefix.parse(text, strict=False)
    except NetError:
        return None


@lru_cache(maxsize=65536)
def has_host_bits(text: str) -> bool:
    """Tell whether a CIDR's address is not the first of its net."""
    prefix = cidr(text)
    return prefix is not None and Address.parse(text.partition("/")[0]).bits != prefix.bits


def cidr_fix(text: str) -> str:
    """Return the edit that makes a CIDR of `text`, where there is an obvious one."""
    stripped = text.strip()
    base, slash, _ = stripped.partition("/")
    try:
        address = Address.parse(base)
    except NetError:
        return ""
    if not slash:
        return f"write {address.prefix()}"
    if prefix := cidr(stripped):
        return f"write {prefix}"
    try:
        return f"write {ipaddress.ip_network(stripped, strict=False)}"  # a mask instead of a length
    except ValueError:
        return f"write a length of 0 to {WIDTH[address.family]} after the slash"
