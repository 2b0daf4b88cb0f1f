"""Networks and domain names as peers of cluster-wide policies.

Source: spec/policy-semantics §3.13, §16.19.
"""

import re
from collections.abc import Sequence
from typing import Final

from ocicat.model.clusterpolicy import ClusterPeer
from ocicat.model.net import Address
from ocicat.model.positions import Path
from ocicat.model.validate.finding import Finding, Findings, repeated, schema_field, too_many
from ocicat.model.validate.nets import cidr, cidr_fix

MAX_ITEMS: Final = 25
MAX_CIDR: Final = 43
"""Characters of a network: eight groups of four hexadecimal digits, and /128."""

_LABEL: Final = "[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?"
_DOMAIN: Final = re.compile(rf"(\*\.)?({_LABEL}\.)+{_LABEL}\.?")


def networks(peer: ClusterPeer, path: Path) -> Findings:
    """Find what is wrong with the networks and the domain names of a peer."""
    if peer.networks is not None:
        place = (*path, "networks")
        yield from _set(peer.networks, place)
        for index, text in enumerate(peer.networks):
            yield from _network(text, (*place, index))
    if peer.domain_names is not None:
        place = (*path, "domainNames")
        yield from _set(peer.domain_names, place)
        for index, name in enumerate(peer.domain_names):
            if not _DOMAIN.fullmatch(name):
                field = schema_field((*place, index))
                yield Finding(
                    "NP0918", (*place, index), f"should match '^{_DOMAIN.pattern}$'", "", field, name
                )


def _set(items: Sequence[str], path: Path) -> Findings:
    yield from too_many("NP0916", path, len(items), MAX_ITEMS)
    if not items:
        yield Finding("NP0916", path, "must have at least 1 item", "", schema_field(path))
    yield from repeated("NP0916", path, items)


def _network(text: str, path: Path) -> Findings:
    if len(text) > MAX_CIDR:
        what = f"may not be longer than {MAX_CIDR} characters"
        yield Finding("NP0917", path, what, cidr_fix(text), schema_field(path), text)
    elif cidr(text) is None or _is_mapped(text):
        yield Finding(
            "NP0917", path, "Invalid CIDR format provided", cidr_fix(text), schema_field(path), text
        )


def _is_mapped(text: str) -> bool:
    """Tell whether an IPv4 address hides in an IPv6 one (`::ffff:10.0.0.0`); CEL's isCIDR refuses those."""
    address = Address.parse(text.partition("/")[0])
    return address.family == 6 and address.bits >> 32 == 0xFFFF


def domain_names(action: str, path: Path, *, accepts: bool) -> Findings:
    """Tell that a rule with domain names fails closed, and what that means for its action."""
    if accepts:
        what = f"domainNames are not supported, so the rule is dropped: it does not {action} anything"
    else:
        what = "domainNames are not supported, so the rule denies all egress"
    yield Finding("NP0919", path, what, "", schema_field(path))
