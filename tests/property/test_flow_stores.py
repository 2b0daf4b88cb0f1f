"""Whatever happens to it, the store on disk sums what the plain one in memory sums. Source: docs/adr/0013."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ocicat.flows.store.duck import DAY_NS, HOUR_NS, DuckStore
from ocicat.flows.store.memory import MemoryStore
from ocicat.model.record import FlowCounts
from ocicat.ports.flowstore import Row, Window

NS = 1_000_000_000
T0 = 1_700_000_000 * NS // DAY_NS * DAY_NS
WIDEST_NS = 300 * NS


class AnyAgeSameSums(RuleBasedStateMachine):
    """Rows come, some late; time passes, files are joined, the process starts again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ocicat-stores-"))
        self.duck, self.memory = DuckStore(self.folder), MemoryStore()
        self.now_ns, self.position = T0 + DAY_NS, 0

    @rule(
        kinds=st.lists(st.integers(1, 3), min_size=1, max_size=5),
        late_s=st.sampled_from([0, 1, 1_000, 5_000, 80_000]),
        size=st.integers(0, 1 << 40),
    )
    def append(self, kinds: list[int], late_s: int, size: int) -> None:
        rows = []
        for place, kind in enumerate(kinds):
            self.position += 1
            start = self.now_ns - (late_s + place) * NS
            counts = FlowCounts(bytes_in=size + place, connections_started=1, connections_live=place)
            rows.append(Row(kind, start, start + NS, counts, self.position))
        self.duck.append(rows)
        self.memory.append(rows)

    @rule(hours=st.sampled_from([1, 2, 30, 60]))
    def pass_time(self, hours: int) -> None:
        self.duck.roll(self.now_ns)
        self.now_ns += hours * HOUR_NS
        self.duck.roll(self.now_ns)

    @rule()
    def start_again(self) -> None:
        self.duck.close()
        self.duck = DuckStore(self.folder)

    @invariant()
    def both_sum_the_same(self) -> None:
        everything = Window(0, 1 << 62)
        assert self.counts(self.duck, everything) == self.counts(self.memory, everything)
        recent = Window((self.now_ns - DAY_NS) // WIDEST_NS * WIDEST_NS, self.now_ns + NS)
        assert self.counts(self.duck, recent) == self.counts(self.memory, recent)
        assert self.duck.last_position() == self.memory.last_position()

    def counts(self, store: DuckStore | MemoryStore, window: Window) -> list[tuple[int, FlowCounts]]:
        return [(row.variant, row.counts) for row in store.sums(window, None)]

    def teardown(self) -> None:
        self.duck.close()
        shutil.rmtree(self.folder)


TestAnyAgeSameSums = AnyAgeSameSums.TestCase
TestAnyAgeSameSums.settings = settings(max_examples=12, stateful_step_count=12)
