"""`NftKernel`: keeps a node's tables at what policy and Services ask for.

What the kernel holds is known, because one process alone changes it; after a start, and whenever something
went wrong half-way, it is read. A transaction that the kernel refuses has changed nothing; then the
policies that it refuses are found by halving, closed (`shortfall`), named, and the rest is enforced.

Source: design/dataplane §4.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ocicat.base.problem import Where
from ocicat.dataplane.nft.difference import Transaction, difference
from ocicat.dataplane.nft.driver import KernelRefusedError
from ocicat.dataplane.nft.listing import as_rendered, deviations, restored_traces
from ocicat.dataplane.nft.render import Interfaces, Renderer
from ocicat.dataplane.nft.ruleset import Ruleset
from ocicat.dataplane.nft.services import (
    DEFAULT_SERVICE_SETTINGS,
    ServiceSettings,
    ServiceWithSlices,
    render_services,
)
from ocicat.dataplane.nft.settings import DEFAULT_SETTINGS, RulesetSettings
from ocicat.dataplane.nft.shortfall import closed, shortfalls, subject_of, unexplained
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.plan import Plan
from ocicat.engine.policy import PolicyKey
from ocicat.model.codes import problem
from ocicat.ports.kernel import Enforced, Shortfall


class Nft(Protocol):
    """What of the nft program is used; see `driver.NftProgram`."""

    def apply(self, transaction: Transaction) -> None:
        """Commit a transaction. Raises KernelRefusedError."""

    def accepts(self, transaction: Transaction) -> bool:
        """Tell whether the kernel would take a transaction."""

    def read(self, table: str) -> Ruleset | None:
        """Return a table as listed, or None."""

    def listed(self, ruleset: Ruleset) -> Ruleset:
        """Return how chains would be listed."""

    def delete(self, table: str) -> None:
        """Take a table away, if there is one."""


class _Table:
    """One table: what it holds, as far as is known."""

    def __init__(self, nft: Nft, name: str) -> None:
        self._nft = nft
        self.name = name
        self.held: Ruleset | None = None
        self.known = False
        """Whether `held` is what the kernel holds. If not, it is read first."""

    def change_to(self, wanted: Ruleset) -> Transaction:
        """Return the transaction that makes the table hold `wanted`."""
        if not self.known:
            self.held = self.found(wanted)
            self.known = True
        return difference(self.held, wanted)

    def make(self, wanted: Ruleset) -> bool:
        """Make the table hold `wanted`; return whether anything had to change. Raises KernelRefusedError."""
        change = self.change_to(wanted)
        self.known = False  # until the kernel has said yes: somebody may have taken the table away
        self._nft.apply(change)
        self.held, self.known = wanted, True
        return bool(change)

    def found(self, wanted: Ruleset) -> Ruleset | None:
        """Return what the kernel holds, in the words of `wanted` where it is the same."""
        found = self._nft.read(self.name)
        return None if found is None else as_rendered(found, wanted, self._nft.listed(wanted))

    def remove(self) -> bool:
        """Take the table away; return whether there was one."""
        if not self.known:
            self.held, self.known = self._nft.read(self.name), True
        if self.held is None:
            return False
        self._nft.delete(self.name)
        self.held = None
        return True

    def verify(self, *, heal: bool) -> tuple[str, ...]:
        """Return how the kernel differs from what was made last, and with `heal` make it so again."""
        if self.held is None or not self.known:
            return ()
        found = self.found(self.held)
        differences = tuple(f"{self.name}: {text}" for text in deviations(found, self.held))
        if heal and differences:
            self._nft.apply(difference(found, self.held))
        return differences


class NftKernel:
    """Fulfils `ports.kernel.Kernel` by nftables."""

    def __init__(
        self,
        nft: Nft,
        settings: RulesetSettings = DEFAULT_SETTINGS,
        services: ServiceSettings | None = DEFAULT_SERVICE_SETTINGS,
        node: str = "",
    ) -> None:
        """Drive the tables of `settings` and `services`; None leaves Services to a kube-proxy."""
        self._nft = nft
        self._settings = settings
        self._renderer = Renderer(settings)
        self._service_settings = services
        self._node = node
        self._policy = _Table(nft, settings.table)
        self._services = _Table(nft, (services or DEFAULT_SERVICE_SETTINGS).table)
        self._enforced: Plan | None = None
        self._refused: frozenset[PolicyKey] = frozenset()
        self.book = TraceBook()
        """The numbers of traces: what the halves of connection marks mean."""

    def translate(self, services: ServiceSettings | None) -> None:
        """Translate Services so from the next `enforce` on; None leaves them to a kube-proxy."""
        self._service_settings = services

    def adopt(self) -> frozenset[str]:
        """Take over what an earlier process left; see `Kernel`."""
        found = self._nft.read(self._settings.table)
        if found is None:
            return frozenset()
        self.book = restored_traces(found)
        owners = (found.containers[name] for name in ("owners4", "owners6") if name in found.containers)
        return frozenset(
            key.partition(" . ")[0].strip('"') for container in owners for key in container.elements
        )

    def enforce(
        self, plan: Plan, interfaces: Interfaces, services: Sequence[ServiceWithSlices] = ()
    ) -> Enforced:
        """Make the kernel do what the Plan says; see `Kernel`.

        Policies that were refused before are tried again whenever one of them has changed.
        """
        retried = any(self._is_new(plan, key) for key in self._refused)
        refused = frozenset() if retried else self._refused & plan.policies.keys()
        complaint = ""
        try:
            changed = self._make_policy(self._rendered(plan, interfaces, refused))
        except KernelRefusedError as error:
            refused |= self._guilty(plan, interfaces, refused)
            if not refused:
                raise
            complaint = error.complaint
            changed = self._policy.make(self._rendered(plan, interfaces, refused))
        self._enforced, self._refused = plan, frozenset(refused)
        changed |= self._make_services(services)
        found = shortfalls(plan, interfaces, self._node)
        refusals = (_refusal(key, complaint) for key in sorted(refused))
        return Enforced(changed, (*found, *refusals, *unexplained(self.book, self._node)))

    def verify(self, *, heal: bool) -> tuple[str, ...]:
        """Compare the kernel with what was enforced last; see `Kernel`."""
        return (*self._policy.verify(heal=heal), *self._services.verify(heal=heal))

    def remove(self) -> None:
        """Take both tables away: nothing is enforced any more."""
        self._services.remove()
        self._policy.remove()

    def _make_policy(self, wanted: Ruleset) -> bool:
        """Make the policy table; if that is refused, once more after reading what the kernel holds."""
        try:
            return self._policy.make(wanted)
        except KernelRefusedError:
            return self._policy.make(wanted)

    def _make_services(self, services: Sequence[ServiceWithSlices]) -> bool:
        if self._service_settings is None:
            return self._services.remove()
        return self._services.make(render_services(services, self._service_settings))

    def _rendered(self, plan: Plan, interfaces: Interfaces, refused: Collection[PolicyKey]) -> Ruleset:
        chosen = closed(plan, refused) if refused else plan
        return self._renderer.render(chosen, interfaces, self.book)

    # --- who is to blame ------------------------------------------------------------------------------------

    def _is_new(self, plan: Plan, key: PolicyKey) -> bool:
        """Tell whether a policy has changed since the kernel took it last."""
        before: Mapping[PolicyKey, object] = self._enforced.policies if self._enforced else {}
        return plan.policies.get(key) is not before.get(key)

    def _guilty(
        self, plan: Plan, interfaces: Interfaces, refused: frozenset[PolicyKey]
    ) -> frozenset[PolicyKey]:
        """Return policies without which the kernel takes the rest: of those that changed, if that will do."""
        innocent = [key for key in sorted(plan.policies) if key not in refused and not key.kind.staged]
        changed = [key for key in innocent if self._is_new(plan, key)]

        def accepted(keys: frozenset[PolicyKey]) -> bool:
            return self._nft.accepts(self._policy.change_to(self._rendered(plan, interfaces, keys | refused)))

        for suspects in (changed, innocent):
            if suspects and accepted(frozenset(suspects)):
                return _smallest(suspects, frozenset(), accepted)
        return frozenset()


class _Accepted(Protocol):
    def __call__(self, keys: frozenset[PolicyKey], /) -> bool:
        """Tell whether the kernel takes the rest."""


def _smallest(
    suspects: Sequence[PolicyKey], others: frozenset[PolicyKey], accepted: _Accepted
) -> frozenset[PolicyKey]:
    """Return which of `suspects` must be closed, if `others` are and all suspects together would do."""
    if accepted(others):
        return frozenset()
    if len(suspects) == 1:
        return frozenset(suspects)
    middle = len(suspects) // 2
    first, second = suspects[:middle], suspects[middle:]
    found = _smallest(first, others | frozenset(second), accepted)
    return found | _smallest(second, others | found, accepted)


def _refusal(key: PolicyKey, complaint: str) -> Shortfall:
    first, *_ = complaint.splitlines() or ["as before"]
    what = f"the kernel refused this policy ({first}); it denies everything in its directions instead"
    return Shortfall(key, problem("EN0003", Where(subject_of(key), "spec"), what))
