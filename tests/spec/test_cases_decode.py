"""Every manifest of the published cases reads and decodes without a Problem, but for those in a table.

What the manifests say is judged elsewhere (test_cases_validate.py, test_cases_probe.py); here only that
nothing real is lost on the way from bytes to resources, in thousands of objects that nobody here wrote.
"""

from pathlib import Path

import msgspec
import pytest

from ocicat.model.decode import decode
from ocicat.model.documents import read

CASES = Path(__file__).parents[1] / "cases"

SAME_PORT = (
    "the same spelling in a case that expects to be accepted: DIFFERENT of test_cases_validate.py says why"
)
PORT_AS_STRUCT = (
    "a port written as the fields of Calico's Go type, {minPort, maxPort, portName}: no API reads that "
    "(policy-semantics §3.4), so the types already refuse what the case expects to be refused"
)
REFUSED: dict[str, tuple[str, str]] = {
    **{
        f"calico/validate/{number}.json": ("OC0025", PORT_AS_STRUCT)
        for number in ("0056", "0071", "0072", "0073", "0074", "0207", "0208")
    },
    "calico/validate/0209.json": ("OC0025", SAME_PORT),
    "npguard/src/tests/acs-security-demos/connlist_output.json": (
        "OC0015",
        "the answer of a case beside its manifests: a list of connections, no object of Kubernetes",
    ),
}
"""File → the one error code that it gives, and why that is right."""

PASSED_OVER = {
    ("v1", "ConfigMap"): 9,
    ("route.openshift.io/v1", "Route"): 6,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): 2,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): 2,
}
"""The objects of kinds that policy does not look at, and how many of each."""

FILES = sorted(
    str(path.relative_to(CASES)) for path in CASES.rglob("*") if path.suffix in (".yaml", ".yml", ".json")
)


def test_there_are_manifests():
    """A lost folder must not pass as success."""
    assert len(FILES) == 466
    assert set(FILES) >= REFUSED.keys()


@pytest.mark.parametrize("file", FILES)
def test_a_published_manifest_decodes(file):
    documents, problems = read((CASES / file).read_bytes(), file)
    for document in documents:
        resource, more = decode(document)
        problems += more
        assert resource is not None or more or (document.api_version, document.kind) in PASSED_OVER
    expected = [REFUSED[file][0]] if file in REFUSED else []
    assert [problem.code for problem in problems] == expected, [problem.lines() for problem in problems]


def test_nothing_but_other_peoples_kinds_is_passed_over():
    counted: dict[tuple[str, str], int] = {}
    total = 0
    for file in FILES:
        documents, _ = read((CASES / file).read_bytes(), file)
        for document in documents:
            total += 1
            if decode(document) == (None, []):
                key = (document.api_version, document.kind)
                counted[key] = counted.get(key, 0) + 1
    assert counted == PASSED_OVER
    assert total == 3042


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith(".json") and file not in REFUSED])
def test_a_manifest_in_json_is_the_same_as_yaml(file):
    """JSON is YAML: the two readers must agree on every value and every place."""
    data = (CASES / file).read_bytes()
    as_json, _ = read(data, file)
    as_yaml, problems = read(b"---\n" + data, file)
    assert problems == []
    assert [document.raw for document in as_yaml] == [document.raw for document in as_json]
    for one, other in zip(as_json, as_yaml, strict=True):
        assert (one.line + 1, one.column) == (other.line, other.column)
        for path in (("kind",), ("metadata", "name"), ("spec",), ("spec", "ingress", 0)):
            assert one.position(path).column == other.position(path).column
            assert one.position(path).line + 1 == other.position(path).line


def test_a_resource_can_be_written_out_again():
    """What was read must never make a later stage fail: no lone surrogate, no number that is none."""
    for file in FILES:
        for document in read((CASES / file).read_bytes(), file)[0]:
            resource, _ = decode(document)
            if resource is not None:
                again = msgspec.json.decode(msgspec.json.encode(resource), type=type(resource))
                assert again == resource
