"""Policy as it is in force in the cluster that a hub follows, for those who explain flows."""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, PolicyKey


class Written(msgspec.Struct, frozen=True):
    """A policy as somebody wrote it."""

    yaml: str = ""
    selector: str = ""
    """Whom it is for, in its own words."""
    changed: str = ""
    """When it was last changed, RFC 3339; empty where the cluster does not say."""
    lines: Mapping[tuple[Direction, int], tuple[int, int]] = {}
    """Where each rule is in `yaml`: first and last line, from 1. Only of rules converted one to one."""


UNKNOWN: Final = Written()


class PolicyView(Protocol):
    """What is known of the cluster's policy now."""

    def plan(self) -> Plan | None:
        """Return the Plan in force; None until everything has been read, or where no cluster is followed."""

    def written(self, key: PolicyKey) -> Written:
        """Return a policy as it was written; `UNKNOWN` where it is not known."""


class NoPolicy:
    """The view of a hub that follows no cluster."""

    def plan(self) -> Plan | None:
        """Return None."""
        return None

    def written(self, key: PolicyKey) -> Written:
        """Return nothing."""
        return UNKNOWN
