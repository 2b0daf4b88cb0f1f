import textwrap

import pytest

from ocicat.base.problem import Severity
from ocicat.model import calico, kubernetes, networkpolicy
from ocicat.model.decode import MAX_PROBLEMS, decode
from ocicat.model.documents import read


def decoded(text, file="f.yaml"):
    """Return the resource of a text of one document, and (code, path, line, column) of each Problem."""
    documents, problems = read(textwrap.dedent(text).encode(), file)
    assert problems == []
    (document,) = documents
    resource, problems = decode(document)
    assert all(problem.where.file == file for problem in problems)
    return resource, [
        (problem.code, problem.where.path, problem.where.line, problem.where.column) for problem in problems
    ]


CALICO = "apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: a}}\n"


def test_a_policy_becomes_a_resource():
    resource, problems = decoded(
        """\
        apiVersion: projectcalico.org/v3
        kind: NetworkPolicy
        metadata:
          name: catfacts.facts
          namespace: cats
          labels: {a: b}
        spec:
          tier: catfacts
          order: 10
          selector: app == 'facts'
          types: [Ingress]
          ingress:
          - action: Allow
            protocol: TCP
            destination: {ports: [80, "8000:8100"]}
        """
    )
    assert problems == []
    assert isinstance(resource, calico.NetworkPolicy)
    assert str(resource.ref) == "NetworkPolicy cats/catfacts.facts"
    assert resource.spec.order == 10.0
    assert resource.spec.ingress[0].destination.ports == (80, "8000:8100")


def test_the_two_kinds_of_the_same_name_are_told_apart_by_their_group():
    resource, _ = decoded("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n")
    assert type(resource) is networkpolicy.KubernetesNetworkPolicy


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("metadata: {name: a}\n", [("OC0020", "", 1, 1), ("OC0020", "", 1, 1)]),
        ("kind: Pod\n", [("OC0020", "", 1, 1)]),
        ("apiVersion: ''\nkind:\n", [("OC0020", "", 1, 1), ("OC0020", "", 1, 1)]),
        ("apiVersion: 1\nkind: [Pod]\n", [("OC0025", "apiVersion", 1, 13), ("OC0025", "kind", 2, 1)]),
        ("apiVersion: v1\nkind: Pod\n", [("OC0021", "metadata", 1, 1)]),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  namespace: x\n", [("OC0021", "metadata", 3, 1)]),
        ("apiVersion: v1\nkind: Pod\nmetadata: null\n", [("OC0021", "metadata", 3, 11)]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: ''}\n", [("OC0021", "metadata", 3, 1)]),
        ("apiVersion: v1\nkind: Pod\nmetadata: a\n", [("OC0025", "metadata", 3, 11)]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 5}\n", [("OC0025", "metadata.name", 3, 18)]),
        ("apiVersion: crd.projectcalico.org/v1\nkind: Tier\n", [("OC0022", "apiVersion", 1, 13)]),
        ("apiVersion: projectcalico.org/v3\nkind: Teir\n", [("OC0023", "kind", 2, 7)]),
    ],
)
def test_an_object_with_an_error_is_absent(text, problems):
    assert decoded(text) == (None, problems)


@pytest.mark.parametrize(
    "text",
    ["apiVersion: v1\nkind: ConfigMap\n", "apiVersion: projectcalico.org/v3\nkind: IPPool\nspec: {a: 1}\n"],
)
def test_a_kind_of_no_use_is_passed_over(text):
    assert decoded(text) == (None, [])


def test_an_unknown_kind_of_calico_is_a_warning():
    assert decoded("apiVersion: projectcalico.org/v3\nkind: Foo\n") == (None, [("OC0024", "kind", 2, 7)])


# --- names and namespaces -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        # "Namespaced kind without namespace → namespace default"
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}}", "default"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: }}", "default"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: ''}}", "default"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}}", "x"),
        ("{apiVersion: v1, kind: Namespace, metadata: {name: a}}", ""),
        ("{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: a}}", ""),
    ],
)
def test_an_object_has_the_namespace_that_the_api_server_gives_it(text, namespace):
    resource, problems = decoded(text)
    assert (resource.metadata.name, resource.metadata.namespace) == ("a", namespace)
    assert problems == []


def test_a_namespace_on_a_cluster_wide_object_is_ignored_with_a_warning():
    resource, problems = decoded(
        "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: a, namespace: x}\n"
    )
    assert resource.metadata.namespace == ""
    assert problems == [("OC0027", "metadata.namespace", 3, 21)]


@pytest.mark.parametrize(("api_version", "kind"), [("v1", "Pod"), ("batch/v1", "Job")])
def test_a_generated_name_is_the_same_in_every_run_and_another_in_every_place(api_version, kind):
    text = f"{{apiVersion: {api_version}, kind: {kind}, metadata: {{generateName: web-}}}}"
    first, problems = decoded(text)
    again, _ = decoded(text)
    below, _ = decoded(f"\n{text}")
    elsewhere, _ = decoded(text, file="g.yaml")
    assert problems == []
    assert first.metadata.name.startswith("web-")
    assert len(first.metadata.name) == len("web-") + 5
    assert first == again
    assert len({first.metadata.name, below.metadata.name, elsewhere.metadata.name}) == 3


def test_a_policy_needs_a_name_of_its_own():
    resource, problems = decoded(
        "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {generateName: web-}\n"
    )
    assert resource is None
    assert problems == [("OC0021", "metadata.generateName", 3, 26)]


# --- types --------------------------------------------------------------------------------------------------


def test_all_deviations_are_told_errors_first_each_at_its_place():
    resource, problems = decoded(
        CALICO.format(kind="NetworkPolicy")
        + textwrap.dedent(
            """\
            spec:
              ordre: 5
              order: "5"
              ingress:
              - action: Allow
                destination:
                  ports: [80, 8080.0]
            """
        )
    )
    assert resource is None
    assert problems == [
        ("OC0025", "spec.order", 6, 10),
        ("OC0025", "spec.ingress[0].destination.ports[1]", 10, 19),
        ("OC0026", "spec.ordre", 5, 3),
    ]


def test_an_unknown_field_of_a_policy_is_a_warning_beside_the_resource():
    resource, problems = decoded(CALICO.format(kind="Tier") + "spec: {order: 1, defaultaction: Pass}\n")
    assert resource.spec.order == 1.0
    assert problems == [("OC0026", "spec.defaultaction", 4, 18)]


@pytest.mark.parametrize(
    "text",
    [
        # What kubectl and controllers leave behind
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: null}\nspec: {foo: 1}\n",
        CALICO.format(kind="Tier").replace("name: a", "name: a, managedFields: []") + "status: {x: 1}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: null}\nspec: {containers: null}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\nstatus: null\n",
    ],
)
def test_what_the_api_server_takes_is_taken(text):
    resource, problems = decoded(text)
    assert problems == []
    assert resource is not None


def test_a_null_label_is_empty_text():
    resource, _ = decoded("{apiVersion: v1, kind: Node, metadata: {name: a, labels: {worker: }}}")
    assert isinstance(resource, kubernetes.Node)
    assert resource.metadata.labels == {"worker": ""}


def test_a_wrong_type_in_a_pod_is_told():
    resource, problems = decoded(
        """\
        apiVersion: v1
        kind: Pod
        metadata:
          name: a
          labels:
            version: 1.5
        spec: {hostNetwork: 'true'}
        """
    )
    assert resource is None
    assert problems == [("OC0025", "metadata.labels.version", 6, 14), ("OC0025", "spec.hostNetwork", 7, 21)]


def test_if_the_walk_and_msgspec_ever_disagree_it_is_told_and_not_raised(monkeypatch):
    monkeypatch.setattr("ocicat.model.decode.conformed", lambda value, *_, **__: (value, []))
    resource, problems = decoded(CALICO.format(kind="Tier") + "spec: {order: x}\n")
    assert resource is None
    assert problems == [("OC0025", "", 1, 1)]


def test_of_very_many_deviations_a_bounded_number_is_told_and_no_error_is_lost():
    fields = "".join(f"  f{number}: 1\n" for number in range(MAX_PROBLEMS + 50))
    documents, _ = read(f"{CALICO.format(kind='Tier')}spec:\n{fields}  order: x\n".encode(), "f")
    resource, problems = decode(documents[0])
    assert resource is None
    assert len(problems) == MAX_PROBLEMS
    assert problems[0].where.path == "spec.order"
    assert problems[-1].what.endswith("(and 51 more mistakes in this object)")


def test_warnings_alone_never_cost_an_object_however_many():
    fields = "".join(f"  f{number}: 1\n" for number in range(MAX_PROBLEMS + 1))
    documents, _ = read(f"{CALICO.format(kind='Tier')}spec:\n{fields}".encode(), "f")
    resource, problems = decode(documents[0])
    assert resource is not None
    assert {problem.severity for problem in problems} == {Severity.WARNING}
