"""Discovery and OpenAPI in every form (spec/kubernetes-api §2, §3)."""

import pytest

from ocicat.cluster.resources import discovery, openapi, openapi_protobuf
from ocicat.cluster.resources.builtin import BUILTIN
from ocicat.cluster.resources.schema import PREFIX
from support.apiserver import schemas

NEWEST = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
BETA = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (f"{NEWEST},{BETA},application/json", "v2"),
        (f"{BETA},application/json", "v2beta1"),
        ("application/json", None),
        ("application/json, */*", None),
        ("", None),
    ],
)
def test_the_form_that_is_offered_first(accept, version):
    assert discovery.aggregated_version(accept) == version


def test_aggregated_and_legacy_say_the_same():
    found = discovery.aggregated(BUILTIN, "v2", core=False)["items"]
    apps = next(item for item in found if item["metadata"].get("name") == "apps")["versions"][0]
    rows = discovery.resource_list(BUILTIN, "apps", "v1")["resources"]
    plain = {row["name"]: row for row in rows if "/" not in row["name"]}
    assert {row["resource"] for row in apps["resources"]} == plain.keys()
    deployment = next(row for row in apps["resources"] if row["resource"] == "deployments")
    assert deployment["verbs"] == plain["deployments"]["verbs"]
    assert deployment["shortNames"] == ["deploy"]
    assert [sub["subresource"] for sub in deployment["subresources"]] == ["scale", "status"]
    assert deployment["subresources"][0]["responseKind"] == {
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
    }
    assert discovery.aggregated(BUILTIN, "v2", core=True)["items"][0]["versions"][0]["version"] == "v1"


def test_groups():
    names = [group["name"] for group in discovery.group_list(BUILTIN)["groups"]]
    assert names.index("networking.k8s.io") < names.index("projectcalico.org"), (
        "plain networkpolicy is Kubernetes'"
    )
    assert discovery.one_group(BUILTIN, "policy.networking.k8s.io")["versions"] == [
        {"groupVersion": f"policy.networking.k8s.io/{version}", "version": version}
        for version in ("v1alpha2", "v1alpha1")
    ]
    assert discovery.one_group(BUILTIN, "nowhere") is None
    assert discovery.resource_list(BUILTIN, "apps", "v9") is None


def test_short_names_are_unique():
    owners = {(name, kind.resource) for kind in BUILTIN.kinds for name in kind.short_names}
    assert len(owners) == len({name for name, _ in owners})
    cnp = next(kind for kind in BUILTIN.kinds if "cnp" in kind.short_names)
    assert cnp.group == "projectcalico.org"


def test_every_reference_has_its_definition():
    found = schemas()

    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                assert node["$ref"].removeprefix(PREFIX) in found.definitions
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(found.definitions)
    for kind in BUILTIN.kinds:
        assert kind.gvk() in found.root(kind.schema)["x-kubernetes-group-version-kind"], kind


def test_every_kind_has_documentation_of_every_field():
    for kind in BUILTIN.kinds:
        node = schemas().root(kind.schema)
        assert node["description"], kind
        bare = [name for name, field in node["properties"].items() if not field.get("description")]
        assert bare in ([], ["status"]), (kind.kind, bare)


def test_patches_say_what_kubectl_decides_by():
    document = openapi.document_v3(BUILTIN, schemas(), "apps", "v1", "Kubernetes", "v1")
    operation = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert [each["name"] for each in operation["parameters"]] == [
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
    ]
    assert operation["x-kubernetes-action"] == "patch"
    assert operation["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert "application/strategic-merge-patch+json" in operation["requestBody"]["content"]
    calico = openapi.document_v3(BUILTIN, schemas(), "projectcalico.org", "v3", "Kubernetes", "v1")
    content = calico["paths"]["/apis/projectcalico.org/v3/tiers/{name}"]["patch"]["requestBody"]["content"]
    assert list(content) == [
        "application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml",
    ]  # fmt: skip


def test_v3_has_only_what_is_reachable_and_wraps_described_references():
    document = openapi.document_v3(BUILTIN, schemas(), "coordination.k8s.io", "v1", "Kubernetes", "v1")
    names = document["components"]["schemas"]
    assert "io.k8s.api.coordination.v1.Lease" in names
    assert "io.k8s.api.core.v1.Pod" not in names
    spec = names["io.k8s.api.coordination.v1.Lease"]["properties"]["spec"]
    assert spec["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.coordination.v1.LeaseSpec"}]
    assert spec["description"]
    assert openapi.document_v3(BUILTIN, schemas(), "no", "v1", "Kubernetes", "v1") is None


def test_a_property_called_ref_is_no_reference():
    node = {"properties": {"$ref": {"type": "string"}, "x": {"$ref": PREFIX + "a.B"}}}
    reached = []
    found = openapi.as_v3(node, reached.append)
    assert found["properties"]["$ref"] == {"type": "string"}
    assert found["properties"]["x"] == {"$ref": "#/components/schemas/a.B"}
    assert reached == ["a.B"]


@pytest.mark.parametrize(
    ("definition", "field", "marks"),
    [
        ("io.k8s.api.core.v1.PodSpec", "containers", ("merge", "name", "map", ["name"])),
        ("io.k8s.api.core.v1.PodSpec", "volumes", ("merge,retainKeys", "name", "map", ["name"])),
        ("io.k8s.api.core.v1.Container", "env", ("merge", "name", "map", ["name"])),
        (
            "io.k8s.api.core.v1.Container",
            "ports",
            ("merge", "containerPort", "map", ["containerPort", "protocol"]),
        ),
        ("io.k8s.api.core.v1.ServiceSpec", "ports", ("merge", "port", "map", ["port", "protocol"])),
        ("io.k8s.api.core.v1.Container", "volumeMounts", ("merge", "mountPath", "map", ["mountPath"])),
        ("io.k8s.api.core.v1.PodSpec", "hostAliases", ("merge", "ip", "map", ["ip"])),
        ("io.k8s.api.apps.v1.DeploymentStatus", "conditions", ("merge", "type", "map", ["type"])),
        ("io.k8s.api.core.v1.PodSpec", "tolerations", (None, None, "atomic", None)),
        ("io.k8s.api.core.v1.Container", "args", (None, None, "atomic", None)),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "finalizers", ("merge", None, "set", None)),
        (
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
            "ownerReferences",
            ("merge", "uid", "map", ["uid"]),
        ),
    ],
)
def test_merge_keys(definition, field, marks):
    node = schemas().root(definition)["properties"][field]
    names = ("patch-strategy", "patch-merge-key", "list-type", "list-map-keys")
    assert tuple(node.get(f"x-kubernetes-{name}") for name in names) == marks


def test_the_protobuf_form_holds_what_the_json_form_says():
    document = openapi.document_v2(BUILTIN, schemas(), "Kubernetes", "v1")
    data = openapi_protobuf.document(document)

    def fields(chunk):
        position = 0
        while position < len(chunk):
            key, position = number(chunk, position)
            if key & 7 == 0:
                value, position = number(chunk, position)
            else:
                length, position = number(chunk, position)
                value, position = chunk[position : position + length], position + length
            yield key >> 3, value

    def number(chunk, position):
        value = shift = 0
        while True:
            byte = chunk[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value, position

    top = list(fields(data))
    assert [key for key, _ in top] == [1, 2, 8, 9]
    assert top[0][1] == b"2.0"
    definitions = {dict(fields(entry))[1].decode(): dict(fields(entry))[2] for _, entry in fields(top[3][1])}
    assert definitions.keys() == document["definitions"].keys()
    tier = definitions["org.projectcalico.v3.Tier"]
    properties = [dict(fields(entry))[1] for _, entry in fields(dict(fields(tier))[25])]
    assert properties == [
        name.encode() for name in document["definitions"]["org.projectcalico.v3.Tier"]["properties"]
    ]
