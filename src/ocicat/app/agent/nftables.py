"""The kernel side by nftables: fulfils `Enforcement` with the renderer and the nft program."""

from ocicat.app.agent.enforcement import Applied, Wanted
from ocicat.dataplane.nft.difference import difference
from ocicat.dataplane.nft.driver import NftProgram
from ocicat.dataplane.nft.listing import as_rendered, deviations, restored_traces
from ocicat.dataplane.nft.render import render
from ocicat.dataplane.nft.ruleset import Ruleset
from ocicat.dataplane.nft.settings import RulesetSettings
from ocicat.dataplane.traces import TraceBook


class Nftables:
    """One node's table, and the numbers of its traces."""

    def __init__(self, program: NftProgram, settings: RulesetSettings) -> None:
        """Drive the table of `settings` with `program`."""
        self._program = program
        self._settings = settings
        self._held: Ruleset | None = None
        self._generation = 0
        self.book = TraceBook()

    def adopt(self) -> int:
        """Take over the table that is there; see `Enforcement`."""
        self._held = self._program.read(self._settings.table)
        if self._held is None:
            return 0
        self.book = restored_traces(self._held)
        return len({key.partition(" . ")[0] for key in self._elements("owners4") | self._elements("owners6")})

    def _elements(self, name: str) -> set[str]:
        container = self._held.containers.get(name) if self._held else None
        return set(container.elements) if container else set()

    def apply(self, wanted: Wanted) -> Applied:
        """Make the table what the Plan asks for; see `Enforcement`."""
        rendered = render(wanted.plan, wanted.interfaces, self.book, self._settings)
        change = difference(self._held, rendered)
        self._program.apply(change)
        self._held = rendered
        self._generation += 1
        return Applied(self._generation, bool(change))

    def verify(self, *, heal: bool) -> list[str]:
        """Compare the table with what was rendered last; see `Enforcement`."""
        if self._held is None:
            return []
        found = self._program.read(self._settings.table)
        listed = self._program.listed(self._held)
        known = as_rendered(found, self._held, listed) if found is not None else None
        differences = list(deviations(known, self._held))
        if heal and differences:
            self._program.apply(difference(known, self._held))
        return differences
