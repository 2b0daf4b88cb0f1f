"""A Plan as bytes, and back: to keep one, to send one, to compare two of different processes.

What a Plan was made of is written, not what was derived from it: sets, classes and numbers are compiled anew
when it is read, and come out the same.
"""

from typing import Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.engine.index import PolicyIndex
from ocicat.engine.plan import Plan, ServiceEndpoints
from ocicat.engine.policy import Entity, Policy, Profile, Tier
from ocicat.model.net import Address
from ocicat.model.selector import Selector, SelectorError

FORMAT: Final = 1
"""Raised when the fields change so that older bytes would be misread."""


class PlanFormatError(OcicatError, ValueError):
    """Bytes are no Plan, or one of another format."""


class _Service(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    ports: list[tuple[Address, int, int]]
    addresses: list[Address]


class _Written(msgspec.Struct, frozen=True):
    format: int
    tiers: list[Tier]
    policies: list[Policy]
    profiles: list[Profile]
    entities: list[Entity]
    services: list[_Service]


def encoded(plan: Plan) -> bytes:
    """Return a Plan as JSON; equal Plans give equal bytes."""
    written = _Written(
        FORMAT,
        [tier for tier in plan.tiers if tier.known],
        [plan.policies[key] for key in sorted(plan.policies)],
        [plan.profiles[name] for name in sorted(plan.profiles)],
        [plan.entities[plan.numbers[key]] for key in sorted(plan.numbers)],
        [
            _Service(namespace, name, sorted(service.ports), sorted(service.addresses))
            for (namespace, name), service in sorted(plan.services.items())
        ],
    )
    return msgspec.json.encode(written, enc_hook=_plain, order="deterministic")


def decoded(data: bytes) -> Plan:
    """Return the Plan that bytes spell. Raises PlanFormatError."""
    try:
        written = msgspec.json.decode(data, type=_Written, dec_hook=_selector)
    except (msgspec.MsgspecError, SelectorError) as error:
        raise PlanFormatError(f"this is no Plan: {error}") from error
    if written.format != FORMAT:
        raise PlanFormatError(f"format {written.format} is not {FORMAT}, which this version reads")
    return _compiled(written)


def _compiled(written: _Written) -> Plan:
    index = PolicyIndex()
    for tier in written.tiers:
        index.put_tier(tier)
    for profile in written.profiles:
        index.put_profile(profile)
    for entity in written.entities:
        index.put_entity(entity)
    for policy in written.policies:
        index.put_policy(policy)
    for service in written.services:
        endpoints = ServiceEndpoints(frozenset(service.ports), frozenset(service.addresses))
        index.put_service(service.namespace, service.name, endpoints)
    return index.plan()


def _plain(value: object) -> object:
    if isinstance(value, Selector):
        return value.canonical
    raise NotImplementedError(f"a Plan holds no {type(value).__name__}")


def _selector(kind: type, value: object) -> object:
    if kind is Selector and isinstance(value, str):
        return Selector.parse(value)
    raise NotImplementedError(f"a Plan holds no {kind.__name__}")
