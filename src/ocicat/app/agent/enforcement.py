"""What the agent asks of the kernel side, and what it is told. Tests have a kernel side of their own."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from ocicat.engine.plan import Plan
from ocicat.engine.policy import EntityKey
from ocicat.model.kubernetes import EndpointSlice, Service
from ocicat.model.meta import Ref


class Wanted(msgspec.Struct, frozen=True, eq=False):
    """What a node's kernel shall do."""

    plan: Plan
    interfaces: Mapping[EntityKey, str]
    """The pods of this node with their interfaces; all other interfaces of pods stay closed."""
    services: tuple[tuple[Service, tuple[EndpointSlice, ...]], ...] = ()
    """The Services of the cluster with their slices."""
    services_changed: bool = True
    """Whether `services` differs from what was wanted before."""


class Unenforced(msgspec.Struct, frozen=True, order=True):
    """Something that was written and is not enforced on this node."""

    ref: Ref
    reason: str
    """In words."""


class Applied(msgspec.Struct, frozen=True):
    """What the kernel does now."""

    generation: int
    """Counts what was programmed since the agent's start."""
    changed: bool
    """Whether anything had to change."""
    unenforced: tuple[Unenforced, ...] = ()
    """What could not be enforced, or only in part."""


class Enforcement(Protocol):
    """The kernel side of one node. To be used by one thread at a time; calls block."""

    def adopt(self) -> int:
        """Take over what an earlier process left in the kernel; return how many pods it serves.

        Enforcement goes on while and after this. Raises OcicatError where the kernel cannot be read.
        """

    def apply(self, wanted: Wanted) -> Applied:
        """Make the kernel do what is wanted, all at once. Raises OcicatError; then nothing has changed."""

    def verify(self, *, heal: bool) -> list[str]:
        """Compare the kernel with what was applied; return the differences, in words.

        With `heal` it is then put right. Raises OcicatError where the kernel cannot be read.
        """
