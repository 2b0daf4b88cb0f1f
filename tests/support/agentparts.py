"""Stand-ins for what surrounds the agent's enforcer: a kernel side that remembers, and routes by name."""

from ocicat.app.agent.enforcement import Applied, Unenforced, Wanted
from ocicat.base.errors import OcicatError
from ocicat.dataplane.routes import RouteTable
from ocicat.model.net import Prefix


class KernelBroken(OcicatError):  # noqa: N818  # what the fake raises when it is told to
    """The fake kernel refuses."""


class FakeKernel:
    """Fulfils `Enforcement`. It holds what was wanted last."""

    def __init__(self) -> None:
        self.wanted: list[Wanted] = []
        self.adopted = 0
        self.broken = ""
        self.crash: Exception | None = None
        self.unenforced: tuple[Unenforced, ...] = ()
        self.edits: list[str] = []
        self.hold = None
        """A threading.Event that apply waits for, to see what happens meanwhile."""

    def adopt(self) -> int:
        self.adopted += 1
        return 0

    def apply(self, wanted: Wanted) -> Applied:
        if self.hold is not None:
            self.hold.wait(20)
        if self.crash is not None:
            raise self.crash
        if self.broken:
            raise KernelBroken(self.broken)
        self.wanted.append(wanted)
        return Applied(len(self.wanted), True, self.unenforced)

    def verify(self, *, heal: bool) -> list[str]:
        if self.broken:
            raise KernelBroken(self.broken)
        found = list(self.edits)
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
