"""Whenever one looks at the kernel, and whatever happens between looks: every packet is reported once."""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ocicat.flows.collect import Collector
from ocicat.flows.tuples import FlowTuple
from ocicat.model.flow import Action, Reporter
from ocicat.model.net import Address
from ocicat.model.record import FlowRecord
from support.accounted import SALT, HandClock
from support.fakekernel import ALLOWED_OUT, REFUSED_IN, REFUSED_OUT, FakeKernel, FakeTraces, flow

VIP = Address.parse("10.96.0.10")
ALLOWED = (
    flow(),
    flow(port=81),
    flow(dialled=VIP, dialled_port=8080),
    flow(ingress=0),
    flow(egress=0),
    flow(protocol=17),
)
REFUSED = (
    flow(ALLOWED_OUT, REFUSED_IN),
    flow(REFUSED_OUT, 0),
    flow(0, REFUSED_IN),
    flow(ALLOWED_OUT, REFUSED_IN, dialled=VIP, dialled_port=0),
)
small = st.integers(0, 50)

Sums = dict[tuple[Reporter, int, str, Action], list[int]]


class FlowsOfANode(RuleBasedStateMachine):
    """Truth on one side, the sums of records on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.kernel = FakeKernel(lambda: self.clock.monotonic // 1_000_000)
        self.truth: Sums = defaultdict(lambda: [0] * 6)
        self.told: Sums = defaultdict(lambda: [0] * 6)
        self.of: dict[int, FlowTuple] = {}
        self.over: set[int] = set()
        self.restart()

    def restart(self) -> None:
        self.collector = Collector(self.kernel, FakeTraces(), self.clock, salt=SALT, node="n1")
        self.look(0.0)

    def note(self, of: FlowTuple, *counts: int) -> None:
        """Add packets, bytes, packets and bytes of replies, started, completed to both ends' truth."""
        for reporter, judged in ((Reporter.SRC, of.egress), (Reporter.DST, of.ingress)):
            if judged:
                action = Action.DENY if judged == 2 else Action.ALLOW
                held = self.truth[reporter, of.port, str(of.protocol), action]
                held[:] = [before + more for before, more in zip(held, counts, strict=True)]

    def take(self, records: list[FlowRecord]) -> None:
        numbers = {"tcp": "6", "udp": "17"}
        for record in records:
            counts, key = record.counts, record.key
            held = self.told[key.reporter, key.dest_port, numbers[key.proto], key.action]
            forward = (counts.packets_in, counts.bytes_in)
            back = (counts.packets_out, counts.bytes_out)
            if key.reporter is Reporter.SRC:
                forward, back = back, forward
            found = (*forward, *back, counts.connections_started, counts.connections_completed)
            held[:] = [before + more for before, more in zip(held, found, strict=True)]
            assert min(found) >= 0
            assert counts.connections_live >= 0
            assert record.start_ns <= record.end_ns

    @rule(seconds=st.sampled_from((0.25, 0.3, 1.0, 1.1)))
    def look(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.take(self.collector.look())

    @rule()
    def wait_until_elements_are_gone(self) -> None:
        self.look(0.25)
        self.look(61.0)

    @rule(of=st.sampled_from(ALLOWED), octets=small)
    def connect(self, of: FlowTuple, octets: int) -> None:
        self.of[self.kernel.connect(of, octets)] = of
        self.note(of, 1, octets, 0, 0, 1, 0)

    @precondition(lambda self: self.kernel.open)
    @rule(data=st.data(), counts=st.tuples(small, small, small, small))
    def exchange(self, data: st.DataObject, counts: tuple[int, ...]) -> None:
        number = data.draw(st.sampled_from(self.kernel.open))
        self.kernel.exchange(number, *counts)
        self.note(self.of[number], *counts, 0, 0)

    @precondition(lambda self: self.kernel.open)
    @rule(data=st.data(), goodbye=st.booleans())
    def end(self, data: st.DataObject, goodbye: bool) -> None:
        number = data.draw(st.sampled_from(self.kernel.open))
        if goodbye:
            self.kernel.say_goodbye(number)
        else:
            self.kernel.end(number)
        if number not in self.over:
            self.over.add(number)
            self.note(self.of[number], 0, 0, 0, 0, 0, 1)

    @rule(of=st.sampled_from(REFUSED), octets=small)
    def refuse(self, of: FlowTuple, octets: int) -> None:
        self.kernel.refuse(of, octets)
        self.note(of, 1, octets, 0, 0, 1, 1)

    @rule()
    def start_anew(self) -> None:
        """An agent that stops looks a last time; the next one adopts what is there."""
        self.take(self.collector.last())
        self.restart()

    @rule(jump=st.integers(-100_000, 100_000))
    def set_the_clock(self, jump: int) -> None:
        self.clock.now += jump * 1_000_000_000

    @invariant()
    def nothing_is_told_that_was_not(self) -> None:
        for key, counts in self.told.items():
            truth = self.truth[key]
            assert all(told <= true for told, true in zip(counts, truth, strict=True)), (key, counts, truth)

    def teardown(self) -> None:
        if self.collector.status().losses.uncertain_packets:
            return
        for _ in range(3):
            self.look(1.0)
        told = {key: counts for key, counts in self.told.items() if any(counts)}
        assert told == {key: counts for key, counts in self.truth.items() if any(counts)}


FlowsOfANode.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_flows_of_a_node = FlowsOfANode.TestCase
