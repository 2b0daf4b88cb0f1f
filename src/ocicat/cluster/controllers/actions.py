"""What a controller wants written, as values: they can be printed, compared, and performed by the runner."""

from typing import Any

import msgspec

Thing = dict[str, Any]
"""An object of the Kubernetes API as plain values."""


class Create(msgspec.Struct, frozen=True):
    """Create an object; that it exists already is fine."""

    body: Thing
    owner: Thing | None = None
    """About whom it is told that this was done, or refused."""


class Change(msgspec.Struct, frozen=True):
    """Merge `patch` into an object, if it is still at the revision that was looked at."""

    of: Thing
    patch: Thing
    part: str = ""
    """A subresource: `status`, `finalize`, `binding`; empty for the object itself."""


class Remove(msgspec.Struct, frozen=True):
    """Delete an object, if it is still the one that was looked at; that it is gone already is fine."""

    of: Thing
    propagation: str = "Background"


class Again(msgspec.Struct, frozen=True):
    """Look at the same object again after some time, though nothing may have changed by then."""

    after_s: float


class Say(msgspec.Struct, frozen=True):
    """Record an Event about an object."""

    about: Thing
    reason: str
    message: str
    warning: bool = False


Action = Create | Change | Remove | Again | Say
