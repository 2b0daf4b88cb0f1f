"""apiVersion and kind → one of our kinds, or the reason why not.

Manifests are full of kinds that policy does not look at (ConfigMap, Route, IPPool); they are passed over in
silence. But a policy that is passed over because of a wrong letter in its kind, or a version that nobody
serves any more, would leave a hole that nobody sees: that is told.
"""

from difflib import get_close_matches
from typing import Final

import msgspec

from ocicat.model import calico, clusterpolicy, kubernetes, networkpolicy
from ocicat.model.kinds import KINDS, Kind, kind_of

CALICO_STORAGE_GROUP: Final = "crd.projectcalico.org"
"""The group in which Calico stores its resources; writing there goes round validation and defaults."""

_OTHER_CALICO_KINDS: Final = frozenset(
    {
        "BGPConfiguration",
        "BGPFilter",
        "BGPPeer",
        "BlockAffinity",
        "CalicoNodeStatus",
        "ClusterInformation",
        "FelixConfiguration",
        "IPAMBlock",
        "IPAMConfig",
        "IPAMConfiguration",
        "IPAMHandle",
        "IPPool",
        "IPReservation",
        "KubeControllersConfiguration",
        "LiveMigration",
        "Node",
        "WorkloadEndpoint",
    }
)
"""Kinds of Calico that say nothing about policy."""
_OTHER_NETWORKING_KINDS: Final = frozenset(
    {"ClusterCIDR", "IPAddress", "Ingress", "IngressClass", "ServiceCIDR"}
)
_POLICY_GROUPS: Final = {
    calico.GROUP: _OTHER_CALICO_KINDS,
    networkpolicy.GROUP: _OTHER_NETWORKING_KINDS,
    clusterpolicy.GROUP: frozenset[str](),
}
"""Groups of which every kind is known, with their kinds that are not read."""
_FORMER_GROUPS: Final = {"extensions": (networkpolicy.GROUP, kubernetes.APPS)}
"""Groups whose kinds have moved, and where to."""
_CLOSE: Final = 0.75
"""How alike (0 to 1, by difflib's measure) a slip is to its word: two letters swapped in `Tier` are 0.75."""


class Unread(msgspec.Struct, frozen=True):
    """An object that ought to be read and cannot be."""

    code: str
    field: str
    """`apiVersion` or `kind`: the one to change."""
    what: str
    fix: str = ""


def recognised(api_version: str, kind: str) -> Kind | Unread | None:
    """Return the kind that is meant, why it cannot be read, or None where it need not be."""
    group, _, version = api_version.rpartition("/")
    known = kind_of(group, kind)
    if known is not None:
        return known if version in known.versions else _other_version(api_version, known)
    if group == CALICO_STORAGE_GROUP:
        return _stored(api_version, kind)
    for former in _FORMER_GROUPS.get(group, ()):
        moved = kind_of(former, kind)
        if moved is not None:
            return _other_version(api_version, moved)
    return _misspelled_kind(group, kind) or _misspelled_group(api_version, group, kind)


def _other_version(api_version: str, known: Kind) -> Unread:
    what = f"{known.kind} is not read as {api_version}"
    return Unread("OC0022", "apiVersion", what, f"write apiVersion: {known.api_version}")


def _stored(api_version: str, kind: str) -> Unread | None:
    known = kind_of(calico.GROUP, kind)
    if known is None:
        return None
    what = f"{api_version} is how Calico stores a {kind}, not how one is written"
    fix = f"write apiVersion: {known.api_version}, and remove the annotation projectcalico.org/metadata"
    return Unread("OC0022", "apiVersion", what, fix)


def _misspelled_kind(group: str, kind: str) -> Unread | None:
    """Tell of a kind that a group of ours does not have, or only with other letters."""
    ours = [known for known in KINDS if known.group == group]
    for known in ours:
        if kind.lower() in (known.kind.lower(), known.plural):
            return Unread("OC0023", "kind", f'there is no kind "{kind}"', f"write kind: {known.kind}")
    others = _POLICY_GROUPS.get(group)
    if others is None or kind in others:
        return None
    close = get_close_matches(kind, [known.kind for known in ours], 1, _CLOSE)
    if close:
        return Unread("OC0023", "kind", f'{group} has no kind "{kind}"', f"write kind: {close[0]}")
    return Unread("OC0024", "kind", f'"{kind}" of {group} is not known, so it is skipped')


def _misspelled_group(api_version: str, group: str, kind: str) -> Unread | None:
    """Tell of a policy whose group is almost ours, or is missing.

    Kinds of the same name in other groups are common (Antrea's NetworkPolicy, Knative's Service), so only a
    group that looks like a slip counts, and the core group, which has no policies.
    """
    homes = {known.group: known for known in KINDS if known.kind == kind}
    if not homes or group in homes:
        return None
    if group:
        close = get_close_matches(group, [home for home in homes if home], 1, _CLOSE)
        homes = {home: homes[home] for home in close}
    if not homes:
        return None
    choices = " or ".join(known.api_version for known in homes.values())
    return Unread("OC0022", "apiVersion", f"{api_version} has no kind {kind}", f"write apiVersion: {choices}")
