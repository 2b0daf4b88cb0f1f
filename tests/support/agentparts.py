"""Stand-ins for what surrounds the agent's enforcer: a kernel side that remembers, and routes by name."""

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.dataplane.routes import RouteTable
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction
from ocicat.engine.program import Outcome
from ocicat.model.net import Prefix
from ocicat.ports.kernel import Enforced, Shortfall


class KernelBroken(OcicatError):  # noqa: N818  # what the fake raises when it is told to
    """The fake kernel refuses."""


class Wanted(msgspec.Struct, frozen=True, eq=False):
    """What the fake was asked to enforce."""

    plan: Plan
    interfaces: dict
    services: tuple


class FakeKernel:
    """Fulfils `ports.kernel.Kernel`. It holds what was wanted last."""

    def __init__(self) -> None:
        self.wanted: list[Wanted] = []
        self.adopted = 0
        self.broken = ""
        self.crash: Exception | None = None
        self.shortfalls: tuple[Shortfall, ...] = ()
        self.edits: list[str] = []
        self.book = TraceBook()
        self.writes: list[Outcome] = []
        """The outcomes that its ruleset writes."""
        self.hold = None
        """A threading.Event that enforce waits for, to see what happens meanwhile."""

    def adopt(self) -> frozenset[str]:
        self.adopted += 1
        return frozenset()

    def enforce(self, plan, interfaces, services=()) -> Enforced:
        if self.hold is not None:
            self.hold.wait(20)
        if self.crash is not None:
            raise self.crash
        if self.broken:
            raise KernelBroken(self.broken)
        for direction in Direction:
            numbers = {self.book.id_of(direction, outcome) for outcome in self.writes}
            self.book.rendered(direction, numbers)
        self.wanted.append(Wanted(plan, dict(interfaces), tuple(services)))
        return Enforced(True, self.shortfalls)

    def verify(self, *, heal: bool) -> tuple[str, ...]:
        if self.broken:
            raise KernelBroken(self.broken)
        found = tuple(self.edits)
        if heal:
            self.edits.clear()
        return found

    @property
    def policies(self) -> set[str]:
        """The names of the policies that are enforced."""
        return {key.name for key in self.wanted[-1].plan.policies} if self.wanted else set()


def route_table(**routes: str) -> RouteTable:
    """Return routes, as `cali1="10.0.0.1/32 fd00::1/128"`."""
    return RouteTable({Prefix.parse(text): name for name, texts in routes.items() for text in texts.split()})
