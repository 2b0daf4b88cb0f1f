"""`World`: resources taken together as a cluster, to be asked who may reach whom.

A World of files behaves like the cluster that the files would make: namespaces and service accounts that pods
name but no file holds are supplied, workloads stand for the pods they would make, Services without
EndpointSlices get the endpoints that their selectors choose, and endpoints that nobody has given an address
get one from 240.0.0.0/4, which is reserved and so in no network that a policy names but `0.0.0.0/0`.

Source: spec/policy-semantics §2.1, §5.1, §6.6, §10.1.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, TypeVar

import msgspec

from ocicat.base.problem import Problem, Where, has_errors, in_reading_order
from ocicat.engine import convert, supply
from ocicat.engine.decision import Decision
from ocicat.engine.evaluate import evaluate
from ocicat.engine.index import PolicyIndex
from ocicat.engine.packet import Packet
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, Entity, EntityKind, PolicyKey
from ocicat.engine.refs import End, Resolver, common_addresses, port_number, protocol_number
from ocicat.model.calico import Profile as ProfileResource
from ocicat.model.calico import Tier as TierResource
from ocicat.model.documents import Document
from ocicat.model.kubernetes import (
    EndpointSlice,
    Pod,
    Service,
)
from ocicat.model.meta import Ref, Resource
from ocicat.model.net import Address

FIRST_STAND_IN: Final = 240 << 24
"""240.0.0.0, the first address of the reserved block that stand-ins get theirs from."""

Kind = TypeVar("Kind", bound=Resource)


class World:
    """Resources, compiled. Made by `ocicat.load` from files, or of resources by `World(resources)`."""

    def __init__(
        self,
        resources: Iterable[Resource],
        problems: Iterable[Problem] = (),
        origins: Mapping[Ref, Document] | None = None,
    ) -> None:
        """Compile resources that are valid and have their defaults.

        Args:
            resources: Each object once; what is invalid is left out by who calls.
            problems: What was found wrong so far; conversion adds its own.
            origins: The document of each resource that was read from a text, for file and line.
        """
        self.resources: tuple[Resource, ...] = tuple(map(supply.admitted, resources))
        """The objects that count, as read."""
        self._origins = origins or {}
        self._index = PolicyIndex()
        self._written: dict[PolicyKey, Resource] = {}
        found = list(problems)
        self._told: dict[str, list[str]] = {}
        for problem in found:
            self._told.setdefault(problem.where.subject, []).append(problem.where.path)
        for resource in self.resources:
            policy, unconvertible = convert.policy_of(resource)
            found += self._placed(resource, unconvertible)
            if policy is not None:
                self._written[policy.key] = resource
                self._index.put_policy(policy)
        found += self._put_profiles()
        for tier in self._of(TierResource):
            self._index.put_tier(convert.tier_of(tier))
        for entity in self._entities:
            self._index.put_entity(entity)
        self._put_services()
        self.problems: tuple[Problem, ...] = tuple(in_reading_order(found))
        """Everything that was found wrong, in reading order: errors, warnings and hints."""

    @property
    def ok(self) -> bool:
        """Whether no problem is an error."""
        return not has_errors(self.problems)

    @cached_property
    def plan(self) -> Plan:
        """The compiled policy."""
        return self._index.plan()

    @property
    def endpoints(self) -> tuple[Entity, ...]:
        """The pods, and the stand-ins of workloads without pods, in order of namespace and name."""
        pods = (entity for entity in self._entities if entity.key.kind is EntityKind.WORKLOAD)
        return tuple(sorted(pods, key=lambda entity: entity.key))

    def resolve(self, reference: str) -> End:
        """Return what a reference means. Raises ReferenceNotFoundError, which names what comes near.

        A reference is `namespace/pod`, `namespace/kind/name` with a workload's kind (`deploy`, `statefulset`,
        …) or `pod`, a bare `pod` of namespace `default`, or an IP address.
        """
        return self._resolver.resolve(reference)

    def evaluate(
        self,
        src: str,
        dst: str,
        protocol: str | int = "TCP",
        port: int | str = 0,
        *,
        source_port: int = 0,
        icmp_type: int | None = None,
        icmp_code: int | None = None,
    ) -> Decision:
        """Return whether `src` may open a connection to `dst`, and what decided it.

        Args:
            src: Who connects; see `resolve` for how ends are written.
            dst: To whom: a pod, workload or address, never a Service's address (policy sees backends).
            protocol: A name in any case (`TCP`, `udp`, `icmp6`), or a number 1 to 255.
            port: The destination's port, or the name of a port that the destination declares.
            source_port: The source's port; 0 is one that no rule names.
            icmp_type: For ICMP, the type; None is none that a rule names.
            icmp_code: For ICMP, the code.

        Raises:
            ReferenceNotFoundError: An end is unknown.
            PacketError: The two ends have no address family in common, or a number is out of range.
        """
        source, destination = self.resolve(src), self.resolve(dst)
        source_address, destination_address = common_addresses(source, destination)
        number = protocol_number(protocol, source_address.family)
        packet = Packet(
            source_address,
            destination_address,
            number,
            port_number(port, number, destination),
            source_port,
            icmp_type,
            icmp_code,
        )
        return evaluate(self.plan, packet)

    def where(self, key: PolicyKey, direction: Direction, rule: int | None = None) -> Where | None:
        """Return where a policy is written, or one of its rules; None where it was not read from a text.

        The rules of Kubernetes' own policies are not the rules that they are converted to; for them it is the
        place of the policy.
        """
        resource = self._written.get(key)
        document = self._origins.get(resource.ref) if resource is not None else None
        if document is None:
            return None
        one_to_one = document.api_version.startswith("projectcalico.org/") and rule is not None and rule >= 0
        return document.where(("spec", direction.value, rule) if one_to_one and rule is not None else ())

    # --- compiling ------------------------------------------------------------------------------------------

    def _placed(self, resource: Resource, found: Iterable[Problem]) -> list[Problem]:
        """Return what conversion found, with its place, but for what validation has told of the same part."""
        document = self._origins.get(resource.ref)
        told = self._told.get(document.subject if document else str(resource.ref), ())
        return [
            document.placed(problem) if document else problem
            for problem in found
            if not any(path.startswith(problem.where.path) for path in told)
        ]

    def _of(self, kind: type[Kind]) -> Iterator[Kind]:
        return (resource for resource in self.resources if type(resource) is kind)

    def _put_profiles(self) -> list[Problem]:
        self._index.put_profile(convert.DEFAULT_ALLOW)
        problems: list[Problem] = []
        for resource in self._of(ProfileResource):
            profile, unconvertible = convert.profile_of(resource)
            problems += self._placed(resource, unconvertible)
            if profile is not None:
                self._index.put_profile(profile)
        namespaces = supply.namespaces(self.resources)
        for namespace in namespaces:
            self._index.put_profile(convert.namespace_profile(namespace))
        for account in supply.service_accounts(self.resources, namespaces):
            self._index.put_profile(convert.service_account_profile(account))
        return problems

    @cached_property
    def _entities(self) -> tuple[Entity, ...]:
        entities = [entity for entity in map(convert.entity_of, self.resources) if entity is not None]
        known = {entity.key for entity in entities}
        written = (convert.workload_entity(resource) for resource in supply.makers(self.resources))
        stand_ins = sorted(
            (entity for entity in written if entity is not None and entity.key not in known),
            key=lambda entity: entity.key,
        )
        return (*entities, *_addressed(stand_ins))

    def _put_services(self) -> None:
        endpoints = dict(convert.service_endpoints(self._of(EndpointSlice)))
        for service in self._of(Service):
            name = (service.metadata.namespace, service.metadata.name)
            if name not in endpoints and service.spec.selector:
                endpoints[name] = supply.chosen_endpoints(service, self._entities)
        for key, found in endpoints.items():
            self._index.put_service(*key, found)

    @cached_property
    def _resolver(self) -> Resolver:
        return Resolver(self.plan, self._entities, tuple(self._of(Pod)))


def _addressed(stand_ins: Sequence[Entity]) -> Iterator[Entity]:
    """Yield endpoints with addresses; who has none gets one by its place in the order of names."""
    for number, entity in enumerate(stand_ins, start=1):
        if entity.addresses:
            yield entity
        else:
            yield msgspec.structs.replace(entity, addresses=(Address(4, FIRST_STAND_IN + number),))
