"""Resources together: what a cluster would add to files, how ends are named, how answers read in words."""

import pytest

import ocicat
from ocicat.engine.explain import rule_text, sentence, tier_steps
from ocicat.engine.packet import PacketError
from ocicat.engine.policy import Direction
from ocicat.engine.refs import ReferenceNotFoundError
from ocicat.engine.supply import made_by
from ocicat.model.flow import Action

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
"""
DB = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {template: {metadata: {labels: {app: db}}, spec: {serviceAccountName: keeper, containers: []}}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: w, port: 80, targetPort: http}]}
"""


def pod(name, *, owner="", ip="", node="", phase="", host=False, namespace="shop", app="web"):
    kind, _, owning = owner.partition("/")
    references = f"ownerReferences: [{{kind: {kind}, name: {owning}, controller: true}}]" if owner else ""
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {app}}}, {references}}}
spec: {{nodeName: "{node}", hostNetwork: {str(host).lower()}, containers: []}}
status: {{phase: "{phase}", podIP: "{ip}"}}
"""


def policy(rules, *, selector="app == 'web'", kind="NetworkPolicy", name="p", order=1):
    return f"""
apiVersion: projectcalico.org/v3
kind: {kind}
metadata: {{name: {name}, namespace: shop}}
spec: {{order: {order}, selector: "{selector}", {rules}}}
"""


@pytest.fixture
def load(tmp_path):
    def loaded(*documents, strict=True):
        (tmp_path / "a.yaml").write_text("\n---\n".join(documents))
        return ocicat.load(tmp_path, strict=strict)

    return loaded


# --- what a cluster would add -------------------------------------------------------------------------------


def test_a_workload_stands_for_its_pods(load):
    world = load(DEPLOYMENT, DB)
    assert [entity.key.name for entity in world.endpoints] == ["deploy/web", "sts/db"]
    assert all(entity.addresses for entity in world.endpoints)


def test_a_workload_whose_pods_are_there_is_represented_by_them(load):
    made = pod("web-6d9f7-x2x2x", owner="ReplicaSet/web-6d9f7", ip="10.0.0.1", node="n", phase="Running")
    world = load(DEPLOYMENT, made)
    assert [entity.key.name for entity in world.endpoints] == ["web-6d9f7-x2x2x"]
    assert world.resolve("shop/deploy/web").addresses == world.resolve("shop/web-6d9f7-x2x2x").addresses


def test_what_another_workload_made_is_not_counted_twice(load):
    made = DEPLOYMENT.replace("Deployment", "ReplicaSet").replace(
        "name: web, namespace", "name: web-one, ownerReferences: [{kind: Deployment, name: web}], namespace"
    )
    assert [entity.key.name for entity in load(DEPLOYMENT, made).endpoints] == ["deploy/web"]
    running = pod("web-one-x", owner="ReplicaSet/web-one", ip="10.0.0.1", node="n", phase="Running")
    assert [entity.key.name for entity in load(DEPLOYMENT, made, running).endpoints] == ["web-one-x"]


@pytest.mark.parametrize(
    ("kind", "name", "maker"),
    [
        ("ReplicaSet", "web-6d9f7c8b5", ("Deployment", "web")),
        ("ReplicaSet", "web", None),
        ("Job", "backup-28930400", ("CronJob", "backup")),
        ("Job", "migrate-2", None),
        ("StatefulSet", "db-0", None),
    ],
)
def test_who_made_a_workload(kind, name, maker):
    assert made_by(kind, name) == maker


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param(pod("a"), 1, id="written by hand"),
        pytest.param(pod("a", ip="10.0.0.1"), 1, id="with an address but no node"),
        pytest.param(pod("a", phase="Pending"), 0, id="waits for its address"),
        pytest.param(pod("a", phase="Succeeded", ip="10.0.0.1", node="n"), 0, id="has finished"),
        pytest.param(pod("a", host=True), 0, id="is on its host's network"),
    ],
)
def test_which_pods_are_endpoints(load, text, count):
    assert len(load(text).endpoints) == count


def test_namespaces_and_accounts_that_nobody_wrote_are_supplied(load):
    world = load(DEPLOYMENT, DB)
    labels = world.plan.profiles["kns.shop"].labels
    assert labels["pcns.kubernetes.io/metadata.name"] == "shop"
    assert {"ksa.shop.default", "ksa.shop.keeper"} <= world.plan.profiles.keys()
    assert world.evaluate("shop/deploy/web", "shop/sts/db", "TCP", 5432).allowed


def test_addresses_of_stand_ins_do_not_depend_on_the_order_of_files(load):
    forward, backward = load(DEPLOYMENT, DB), load(DB, DEPLOYMENT)
    assert [e.addresses for e in forward.endpoints] == [e.addresses for e in backward.endpoints]


def test_a_service_without_slices_has_the_pods_that_its_selector_chooses(load):
    rules = "types: [Egress], egress: [{action: Allow, destination: {services: {name: web}}}]"
    world = load(DEPLOYMENT, DB, SERVICE, policy(rules, selector="app == 'db'"))
    assert world.evaluate("shop/sts/db", "shop/deploy/web", "TCP", 8080).allowed
    assert not world.evaluate("shop/sts/db", "shop/deploy/web", "TCP", 80).allowed


def test_an_invalid_policy_counts_as_absent(load):
    world = load(DEPLOYMENT, DB, policy("ingress: [{action: deny}]"), strict=False)
    assert not world.ok
    assert world.evaluate("shop/sts/db", "shop/deploy/web", "TCP", 80).allowed
    with pytest.raises(ocicat.InvalidError, match="supported values"):
        load(DEPLOYMENT, policy("ingress: [{action: deny}]"))


def test_of_two_objects_with_one_name_the_first_counts(load):
    world = load(
        DEPLOYMENT,
        DB,
        policy("ingress: [{action: Deny}]"),
        policy("ingress: [{action: Allow}]"),
        strict=False,
    )
    assert not world.ok
    assert not world.evaluate("shop/sts/db", "shop/deploy/web", "TCP", 80).allowed


# --- how ends are named -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["shop/deploy/web", "shop/deployment/web", "shop/Deployments/web"])
def test_spellings_of_a_workload(load, reference):
    assert load(DEPLOYMENT).resolve(reference).entity.owner == "Deployment/web"


def test_other_references(load):
    world = load(pod("a", namespace="default"), pod("b", ip="10.0.0.9", node="n", phase="Running"))
    assert world.resolve("a").entity.key.name == "a"
    assert world.resolve("shop/pod/b").entity.key.name == "b"
    assert world.resolve("10.0.0.9").entity.key.name == "b"
    assert world.resolve("192.0.2.1").entity is None
    assert world.resolve("192.0.2.1").name == "192.0.2.1 (public network)"
    assert world.resolve("10.9.9.9").name == "10.9.9.9 (private network)"


def test_a_pod_on_its_host_has_the_address_of_its_node(load):
    addresses = "status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}"
    node = f"apiVersion: v1\nkind: Node\nmetadata: {{name: n}}\n{addresses}"
    world = load(pod("agent", host=True, node="n"), node)
    assert str(world.resolve("shop/agent").addresses[0]) == "172.18.0.2"
    with pytest.raises(ReferenceNotFoundError, match="add the Node"):
        load(pod("agent", host=True, node="n")).resolve("shop/agent")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("shop/webb", "there is no pod shop/webb; there are"),
        ("shop/deploy/webb", "there is no Deployment shop/webb; there are shop/deployment/web"),
        ("shop//x", "names no endpoint"),
        ("a/b/c/d", "names no endpoint"),
        ("shop/svc/web", "no kind of workload"),
    ],
)
def test_who_is_nobody(load, reference, said):
    with pytest.raises(ReferenceNotFoundError, match=said):
        load(DEPLOYMENT).resolve(reference)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("TCP", 0), "need a port"),
        (("TCP", 70000), "not 0 to 65535"),
        (("TCP", "htp"), "declares no port 'htp'.*http"),
        (("XYZ", 1), "is no protocol"),
        ((256, 1), "is no protocol"),
    ],
)
def test_questions_that_cannot_be_asked(load, arguments, said):
    with pytest.raises(PacketError, match=said):
        load(DEPLOYMENT, DB).evaluate("shop/sts/db", "shop/deploy/web", *arguments)


def test_a_port_may_be_named(load):
    packet = load(DEPLOYMENT, DB).evaluate("shop/sts/db", "shop/deploy/web", "tcp", "http").packet
    assert packet.destination_port == 8080


@pytest.mark.parametrize(
    ("protocol", "number"), [("icmp", 1), ("ICMP", 1), ("icmp6", 58), ("47", 47), (47, 47)]
)
def test_protocols_without_ports(load, protocol, number):
    assert load(DEPLOYMENT, DB).evaluate("shop/sts/db", "shop/deploy/web", protocol).packet.protocol == number


def test_ends_without_a_common_family(load):
    with pytest.raises(PacketError, match="no address family in common"):
        load(DEPLOYMENT).evaluate("shop/deploy/web", "2001:db8::1", "TCP", 80)


# --- in words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        pytest.param(
            [],
            "Allowed: at the egress of shop/sts/db no tier decides, and namespace shop allows it by default; "
            "at the ingress of shop/deploy/web no tier decides, and namespace shop allows it by default.",
            id="nobody objects",
        ),
        pytest.param(
            [policy("ingress: [{action: Log}, {action: Deny, protocol: TCP}]")],
            "Denied at the ingress of shop/deploy/web: rule 2 (index 1) of CalicoNetworkPolicy shop/p in "
            "tier default denies it.",
            id="a rule",
        ),
        pytest.param(
            [policy("ingress: []")],
            "Denied at the ingress of shop/deploy/web: tier default applies to it, as CalicoNetworkPolicy "
            "shop/p does, no rule there matches, and the end of the tier denies it.",
            id="the end of a tier",
        ),
        pytest.param(
            [policy("types: [Egress], egress: [{action: Deny}]", selector="app == 'db'")],
            "Denied at the egress of shop/sts/db: rule 1 (index 0) of CalicoNetworkPolicy shop/p in tier "
            "default denies it.",
            id="the source",
        ),
    ],
)
def test_the_sentence(load, documents, said):
    decision = load(DEPLOYMENT, DB, *documents).evaluate("shop/sts/db", "shop/deploy/web", "TCP", 80)
    assert sentence(decision) == said


def test_between_strangers(load):
    decision = load(DEPLOYMENT).evaluate("192.0.2.1", "192.0.2.2", "TCP", 80)
    assert sentence(decision) == "Allowed: neither end is a pod that policy applies to."


def test_the_steps_end_with_the_policy_that_decides(load):
    world = load(
        DEPLOYMENT,
        DB,
        policy("ingress: [{action: Deny, protocol: UDP}]", name="first"),
        policy("ingress: [{action: Deny}]", kind="StagedNetworkPolicy", name="staged", order=2),
        policy("ingress: [{action: Allow, protocol: TCP}]", name="second", order=3),
        policy("ingress: [{action: Deny}]", name="never", order=4),
    )
    decision = world.evaluate("shop/sts/db", "shop/deploy/web", "TCP", 80)
    [tier] = tier_steps(world.plan, decision.packet, decision.dst)
    assert [(step.name, step.rule, step.action) for step in tier.policies] == [
        ("first", None, None),
        ("staged", 0, Action.DENY),
        ("second", 0, Action.ALLOW),
    ]
    assert tier.policies[-1].says == "Allow TCP"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{action: Allow}", "Allow everything"),
        ("{action: Deny, ipVersion: 6, protocol: 47}", "Deny IPv6 protocol 47"),
        ("{action: Deny, protocol: ICMP, icmp: {type: 8, code: 0}}", "Deny IPv4 ICMP ICMP type 8 code 0"),
        ("{action: Allow, notProtocol: UDP}", "Allow not UDP"),
        (
            (
                "{action: Allow, protocol: TCP, source: {nets: [10.0.0.0/8], notNets: [10.1.0.0/16]}, "
                "destination: {notPorts: [1, x]}}"
            ),
            "Allow IPv4 TCP from 10.0.0.0/8 and not 10.1.0.0/16 to not port 1, x",
        ),
    ],
)
def test_rules_in_words(load, rule, said):
    world = load(DEPLOYMENT, policy(f"ingress: [{rule}]"))
    [compiled] = world.plan.policies.values()
    assert rule_text(compiled.ingress[0]) == said


def test_where_a_rule_is_written(load):
    world = load(DEPLOYMENT, policy("ingress: [{action: Allow}]"))
    [key] = world.plan.policies
    where = world.where(key, Direction.INGRESS, 0)
    assert where.file.endswith("a.yaml")
    assert where.line == 17
    assert world.where(key, Direction.INGRESS).line < where.line
