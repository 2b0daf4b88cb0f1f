"""What a hit of a policy trace must be, for filters on policies. Pure.

Source: spec/flows-and-console §4.2.
"""

import msgspec

from ocicat.model.flow import Hit, Trigger
from ocicat.model.textmatch import is_pattern_of, spellings, text_test


class PolicyMatch(msgspec.Struct, frozen=True):
    """What one hit must be, as the flow API says it: a part that is empty matches anything (§4.2)."""

    kind: str = ""
    tier: tuple[str, str] = ("", "=")
    """Text and operator, as those below."""
    namespace: tuple[str, str] = ("", "=")
    name: tuple[str, str] = ("", "=")
    action: str = ""

    def matches(self, hit: Hit) -> bool:
        """Tell whether a hit, or the policy that an end of tier holds responsible, has all given parts."""
        named: Hit | Trigger = hit.trigger or hit
        return (
            (not self.kind or self.kind in (hit.kind.value, named.kind.value))
            and _is_meant(self.tier, hit.tier)
            and any(_is_meant(self.namespace, spelling) for spelling in spellings(named.namespace))
            and _is_meant(self.name, named.name)
            and self.action in ("", hit.action.value)
        )


def policy_parts(value: str) -> tuple[str, str, str, str, str]:
    """Return kind, tier, namespace, name and action of `kind/tier/namespace/name@action`."""
    value, _, action = value.partition("@")
    parts = value.split("/")
    if len(parts) < 4:
        # Fewer parts are the last ones: a name, a namespace and name, …
        parts = [""] * (4 - len(parts)) + parts
    kind, tier, namespace, *name = parts
    return kind, tier, namespace, "/".join(name), action


def hit_matches(hit: Hit, kind: str, tier: str, namespace: str, name: str, action: str = "") -> bool:
    """Tell whether a hit, or the policy that an end of tier holds responsible, has all given parts."""
    if action and hit.action.value != action:
        return False
    if kind and kind not in (hit.kind.value, hit.trigger.kind.value if hit.trigger else ""):
        return False
    named: Hit | Trigger = hit.trigger or hit
    return (
        _part(tier, hit.tier)
        and (not namespace or any(_part(namespace, spelling) for spelling in spellings(named.namespace)))
        and (_part(name, named.name) or _part(name, f"{named.tier}.{named.name}"))
    )


def _part(wanted: str, found: str) -> bool:
    if not wanted or wanted == found:
        return True
    return is_pattern_of(wanted, found)


def _is_meant(wanted: tuple[str, str], found: str) -> bool:
    """Tell whether a text of the flow API, with its operator, means what was found; empty means all."""
    value, operator = wanted
    return not value or text_test(value, operator, lambda _: False)(found)
