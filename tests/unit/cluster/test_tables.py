"""Columns and cells of `kubectl get` (spec/kubernetes-api §5)."""

import pytest

from ocicat.cluster.resources.builtin import BUILTIN
from ocicat.cluster.resources.cells import CELLS, label_selector_text
from ocicat.cluster.resources.tables import json_path, table, wants_table
from ocicat.cluster.resources.times import age, rfc3339, span

AS_TABLE = "application/json;as=Table;v={};g=meta.k8s.io"
NOW_NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (f"{AS_TABLE.format('v1')},{AS_TABLE.format('v1beta1')},application/json", "v1"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io, application/json", "v1beta1"),
        ("application/json", None),
        ("application/json, application/json;as=Table;v=v1;g=meta.k8s.io", None),
        ("application/vnd.kubernetes.protobuf,application/json;as=Table;g=meta.k8s.io;v=v1", "v1"),
        ("*/*", None),
        ("", None),
    ],
)
def test_the_first_offer_decides(accept, version):
    assert wants_table(accept) == version


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (45, "45s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (599, "9m59s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (12000, "3h20m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (183600, "2d3h"),
        (691200, "8d"),
        (63072000, "2y"),
        (63158400, "2y1d"),
        (252288000, "8y"),
        (-1, "0s"),
        (-5, "<invalid>"),
    ],
)
def test_spans(seconds, text):
    assert span(seconds) == text


def test_times():
    assert rfc3339(NOW_NS) == "2023-11-14T22:13:20Z"
    assert age("2023-11-14T22:12:20Z", NOW_NS) == "60s"
    assert age("2023-11-14T22:12:20.5+00:00", NOW_NS) == "59s"
    assert age(None, NOW_NS) == age("nonsense", NOW_NS) == "<unknown>"


def row(plural, thing, group=""):
    kind = next(kind for kind in BUILTIN.kinds if (kind.group, kind.plural) == (group, plural))
    found = table(kind, [{"metadata": {"name": "x"}, **thing}], now_ns=NOW_NS)
    heads = [head["name"] for head in found["columnDefinitions"]]
    return dict(zip(heads, found["rows"][0]["cells"], strict=True))


def status(**more):
    return {"status": {"phase": "Running", **more}}


def container(ready=True, restarts=0, **state):
    return {"name": "c", "ready": ready, "restartCount": restarts, "state": state or {"running": {}}}


@pytest.mark.parametrize(
    ("pod", "text"),
    [
        (status(phase="Pending"), "Pending"),
        (status(containerStatuses=[container()]), "Running"),
        (status(containerStatuses=[container(False, waiting={"reason": "ErrImagePull"})]), "ErrImagePull"),
        (status(containerStatuses=[container(False, terminated={"reason": "Error"})]), "Error"),
        (status(containerStatuses=[container(False, terminated={"exitCode": 3})]), "ExitCode:3"),
        (
            status(containerStatuses=[container(False, terminated={"reason": "Completed"}), container()]),
            "Running",
        ),
        (
            {
                "spec": {"initContainers": [{}, {}]},
                **status(
                    initContainerStatuses=[container(terminated={"exitCode": 0}), container(running={})]
                ),
            },
            "Init:1/2",
        ),
        (
            {
                "spec": {"initContainers": [{}]},
                **status(initContainerStatuses=[container(terminated={"exitCode": 1, "reason": "Error"})]),
            },
            "Init:Error",
        ),
        ({"metadata": {"name": "x", "deletionTimestamp": "t"}, **status()}, "Terminating"),
        (status(phase="Failed", reason="Evicted"), "Evicted"),
    ],
)
def test_the_status_of_a_pod(pod, text):
    assert row("pods", pod)["Status"] == text


def test_the_other_cells_of_a_pod():
    pod = {
        "spec": {"containers": [{}, {}], "nodeName": "one"},
        **status(containerStatuses=[container(restarts=2), container(False)], podIP="10.0.0.1"),
    }
    found = row("pods", pod)
    assert (found["Ready"], found["Restarts"], found["IP"], found["Node"]) == ("1/2", "2", "10.0.0.1", "one")


@pytest.mark.parametrize(
    ("plural", "group", "thing", "wanted"),
    [
        (
            "services",
            "",
            {
                "spec": {
                    "type": "ClusterIP",
                    "clusterIP": "10.96.0.9",
                    "ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
                }
            },
            {
                "Type": "ClusterIP",
                "Cluster-IP": "10.96.0.9",
                "External-IP": "<none>",
                "Port(s)": "80/TCP,53/UDP",
            },
        ),
        (
            "services",
            "",
            {"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}},
            {"Port(s)": "80:30080/TCP"},
        ),
        ("services", "", {"spec": {"type": "LoadBalancer"}}, {"External-IP": "<pending>"}),
        ("services", "", {"spec": {"type": "ExternalName", "externalName": "a.b"}}, {"External-IP": "a.b"}),
        (
            "nodes",
            "",
            {
                "metadata": {"name": "x", "labels": {"node-role.kubernetes.io/control-plane": ""}},
                "spec": {"unschedulable": True},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}],
                },
            },
            {"Status": "Ready,SchedulingDisabled", "Roles": "control-plane", "Internal-IP": "10.1.1.1"},
        ),
        (
            "deployments",
            "apps",
            {
                "spec": {
                    "replicas": 3,
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
                },
                "status": {"readyReplicas": 2, "updatedReplicas": 1},
            },
            {
                "Ready": "2/3",
                "Up-to-date": 1,
                "Available": 0,
                "Containers": "c",
                "Images": "i",
                "Selector": "a=b",
            },
        ),
        (
            "jobs",
            "batch",
            {"spec": {"completions": 2}, "status": {"succeeded": 1, "startTime": "2023-11-14T22:12:20Z"}},
            {"Status": "Running", "Completions": "1/2", "Duration": "60s"},
        ),
        (
            "events",
            "",
            {
                "type": "Normal",
                "reason": "Started",
                "involvedObject": {"kind": "Pod", "name": "p"},
                "lastTimestamp": "2023-11-14T22:12:20Z",
                "message": "hello",
            },
            {"Last Seen": "60s", "Object": "pod/p", "Message": "hello", "Count": 1},
        ),
        (
            "endpoints",
            "",
            {"subsets": [{"addresses": [{"ip": "1.1.1.1"}], "ports": [{"port": 80}]}]},
            {"Endpoints": "1.1.1.1:80"},
        ),
        (
            "endpointslices",
            "discovery.k8s.io",
            {
                "addressType": "IPv4",
                "ports": [{"port": 80}],
                "endpoints": [{"addresses": [f"1.1.1.{n}"]} for n in range(5)],
            },
            {"Ports": "80", "Endpoints": "1.1.1.0,1.1.1.1,1.1.1.2 + 2 more..."},
        ),
        (
            "rolebindings",
            "rbac.authorization.k8s.io",
            {
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [
                    {"kind": "User", "name": "u"},
                    {"kind": "ServiceAccount", "namespace": "n", "name": "s"},
                ],
            },
            {"Role": "Role/r", "Users": "u", "ServiceAccounts": "n/s"},
        ),
    ],
)
def test_cells(plural, group, thing, wanted):
    found = row(plural, thing, group)
    assert {name: found[name] for name in wanted} == wanted


def test_every_kind_has_a_row_for_an_empty_object():
    for kind in BUILTIN.kinds:
        if kind.stored:
            found = table(kind, [{"metadata": {"name": "x"}}], now_ns=NOW_NS)
            assert len(found["rows"][0]["cells"]) == len(kind.columns) + kind.name_first
            assert len(found["columnDefinitions"]) == len(kind.columns) + kind.name_first


@pytest.mark.parametrize(
    "thing", [{}, {"spec": 1, "status": [], "metadata": {}}, {"spec": {"template": []}, "subjects": "x"}]
)
def test_no_cell_fails_whatever_is_stored(thing):
    for cell in CELLS.values():
        cell(thing, NOW_NS)


def test_label_selectors_as_text():
    rows = [{"key": "a", "operator": "In", "values": ["x", "y"]}, {"key": "b", "operator": "DoesNotExist"}]
    assert label_selector_text({"matchLabels": {"k": "v"}, "matchExpressions": rows}) == "k=v,a in (x,y),!b"
    assert label_selector_text({}) == label_selector_text(None) == "<none>"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.a", [1]),
        (".spec['b.c']", [2]),
        (".spec.list[0].x", [3]),
        (".spec.list[*].x", [3, 4]),
        ('.spec.list[?(@.n=="two")].x', [4]),
        (".spec.nothing", []),
        (".spec.list[9]", []),
    ],
)
def test_json_paths(path, found):
    thing = {"spec": {"a": 1, "b.c": 2, "list": [{"n": "one", "x": 3}, {"n": "two", "x": 4}]}}
    assert json_path(thing, path) == found
