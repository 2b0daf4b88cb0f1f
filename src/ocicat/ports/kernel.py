"""Enforcement in the kernel of one node, as the agent asks for it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from ocicat.base.problem import Problem
from ocicat.engine.plan import Plan
from ocicat.engine.policy import EntityKey, PolicyKey
from ocicat.model.kubernetes import EndpointSlice, Service


class Shortfall(msgspec.Struct, frozen=True):
    """Something that a node enforces less or otherwise than it is written, or cannot tell of."""

    subject: PolicyKey | EntityKey
    problem: Problem
    enforced: bool = False
    """Whether policy is enforced as it is written all the same."""


class Enforced(msgspec.Struct, frozen=True):
    """What a node's kernel does now."""

    changed: bool
    """Whether anything had to change."""
    shortfalls: tuple[Shortfall, ...] = ()


class Kernel(Protocol):
    """Keeps a node's kernel at what policy says. For one thread at a time; every call may block."""

    def adopt(self) -> frozenset[str]:
        """Take over what an earlier process left, which stays in force; return the interfaces it serves.

        Raises OcicatError where the kernel cannot be read.
        """

    def enforce(
        self,
        plan: Plan,
        interfaces: Mapping[EntityKey, str],
        services: Sequence[tuple[Service, tuple[EndpointSlice, ...]]] = (),
    ) -> Enforced:
        """Make the kernel do what the Plan says for these pods, and Services reach their backends.

        Raises OcicatError where the kernel cannot be changed; what was in force before then stays.
        """

    def verify(self, *, heal: bool) -> tuple[str, ...]:
        """Compare the kernel with what was enforced last; return the differences, in words.

        With `heal` they are then put right. Raises OcicatError where the kernel cannot be read.
        """
