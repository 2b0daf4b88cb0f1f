"""The kernel and the evaluator say the same of the same packet, with the same reasons.

Random worlds are enforced in a private namespace, one after the other as changes of one table, and real
packets are sent. For each packet the kernel's verdict, and the traces that the halves of its mark stand
for, must be the evaluator's; and after each change the kernel must hold just what rendering afresh gives.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from ocicat.dataplane.nft.kernel import NftKernel
from ocicat.engine.packet import Packet
from ocicat.engine.policy import Direction
from support import scenes, worlds
from support.enforced import KernelView, described, expected
from support.kernel import made_pods_net, nft_program
from support.pods_net import PodsNet
from support.soak import bounded

pytestmark = pytest.mark.kernel

WORLDS = bounded(25, 3000)


@pytest.fixture(scope="module")
def bed() -> Iterator[PodsNet]:
    with made_pods_net() as net:
        scenes.add_pods(net)
        yield net


def disagreements(view: KernelView, facts: worlds.Facts, packets: list[Packet]) -> list[str]:
    """Return, a text each, the packets of which kernel and evaluator do not say the same."""
    plan = facts.index().plan()
    local = scenes.interfaces(view.net, facts)
    sent = scenes.shots(view.net, facts, packets)
    view.forget()
    found = []
    for (shot, packet), (verdict, seen) in zip(sent.items(), view.verdicts(list(sent)), strict=True):
        wanted = expected(plan, packet, local)
        if verdict != wanted:
            found.append(f"{described(shot)} {seen}\n  evaluator: {wanted}\n  kernel:    {verdict}")
    return found


@settings(
    max_examples=WORLDS,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    st.lists(scenes.node_facts(), min_size=1, max_size=3),
    st.lists(scenes.node_packets(), min_size=20, max_size=80),
)
def test_verdict_and_trace_are_the_evaluators(
    bed: PodsNet, history: list[worlds.Facts], packets: list[Packet]
) -> None:
    nft = nft_program(bed.namespaces)
    kernel = NftKernel(nft, services=None)
    view = KernelView(bed, kernel.book)
    for facts in history:
        plan = facts.index().plan()
        kernel.enforce(plan, scenes.interfaces(bed, facts))
        wrong = disagreements(view, facts, packets)
        note(bed.namespaces.run("nft", "-nn", "list", "table", "inet", "ocicat") if wrong else "")
        assert not wrong, "\n".join(wrong)
        assert kernel.verify(heal=False) == ()
        assert _adopts(bed, kernel, facts)


def _adopts(bed: PodsNet, kernel: NftKernel, facts: worlds.Facts) -> bool:
    """Tell whether a process that starts now finds all as it should be, and knows the numbers of traces."""
    after = NftKernel(nft_program(bed.namespaces), services=None)
    after.adopt()
    same = all(after.book.known(direction) == kernel.book.known(direction) for direction in Direction)
    done = after.enforce(facts.index().plan(), scenes.interfaces(bed, facts))
    return same and not done.changed
