"""Published probe cases: a cluster state, and which connections it allows (tests/cases/README.md).

The cases come from Calico's functional tests, Kubernetes' end-to-end tests and the conformance tests of the
network policy API, as they are. Where we differ on purpose the case stands in
`support.cases.DIFFERENT` with the reason.
"""

import msgspec
import pytest

import ocicat
from ocicat.model.flow import Hit, HitKind
from support.cases import CORPORA, DIFFERENT, parametrised, probe_cases, world_of


def test_there_are_cases():
    """The numbers of tests/cases/README.md: a lost file must not pass as success."""
    assert {corpus: len(probe_cases(corpus)) for corpus in CORPORA} == {
        "calico": 63,
        "k8s-e2e": 53,
        "npapi": 78,
    }


@pytest.mark.parametrize(("corpus", "case"), parametrised())
def test_probes(corpus, case):
    world = world_of(corpus, tuple(case.manifests))
    wrong = [
        f"{probe['src']} → {probe['dst']} {probe['protocol']} {probe['port']}: expected {probe['allow']}"
        for probe in case.expected["probes"]
        if _allowed(world, probe) is not probe["allow"]
    ]
    assert case.expected["probes"]
    assert bool(wrong) is (case.id in DIFFERENT), "\n".join(wrong)


def _allowed(world: ocicat.World, probe: dict) -> bool:
    return world.evaluate(probe["src"], probe["dst"], probe["protocol"], probe["port"]).allowed


@pytest.mark.parametrize(("corpus", "case"), parametrised(["calico"]))
def test_trails(corpus, case):
    """The trails are in Calico's spelling of today; ours leaves out a name's tier (policy-semantics §1)."""
    world = world_of(corpus, tuple(case.manifests))
    for trail in case.expected.get("trails", []):
        decision = world.evaluate(trail["src"], trail["dst"], "TCP", 8055)
        report = decision.src if trail["side"] == "egress" else decision.dst
        assert report is not None
        assert report.action.lower() == trail["action"]
        assert [hit.text() for hit in report.enforced] == [_shown(text) for text in trail["enforced"]]
        assert [hit.text() for hit in report.pending] == [_shown(text) for text in trail["pending"]]


def _shown(text: str) -> str:
    hit = Hit.parse(text)
    prefix = f"{hit.tier}."
    if hit.kind is HitKind.END_OF_TIER and hit.trigger is not None:
        trigger = msgspec.structs.replace(hit.trigger, name=hit.trigger.name.removeprefix(prefix))
        return msgspec.structs.replace(hit, trigger=trigger).text()
    return msgspec.structs.replace(hit, name=hit.name.removeprefix(prefix)).text()


def test_the_trails_are_not_empty():
    trails = [trail for case in probe_cases("calico") for trail in case.expected.get("trails", [])]
    assert len(trails) == 14
