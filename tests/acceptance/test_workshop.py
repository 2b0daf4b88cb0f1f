"""The course, step by step, as spec/workshop numbers it: real kubectl, real packets, a real browser.

The tests of one cluster follow each other: each step stands on those before it.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.course import MANIFESTS, OWN, Course, course, eventually, plain
from support.kubectl import NEW, OLD
from support.terminal import Terminal
from support.user import ROOTLESS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.browser, pytest.mark.slow]

SHOTS = Path(__file__).parents[2] / ".screenshots"
"""What the browser saw at each step; git ignores it."""
FACTS_POLICY = "caliconetworkpolicy application-catfacts.facts -n catfacts"

DEFAULT_DENY = """
apiVersion: projectcalico.org/v3
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{tier: {tier}, order: {order}, selector: all(), types: [Ingress, Egress]}}
"""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((NEW, 1, False), id="kubectl-1.32"),
        pytest.param((OLD, 3, False), id="kubectl-1.20-three-nodes"),
        pytest.param((NEW, 1, True), id="a-user-without-rights", marks=ROOTLESS),
    ],
)
def lab(request: Any, tmp_path_factory: Any) -> Iterator[Course]:
    """A fresh cluster."""
    version, nodes, rootless = request.param
    folder = tmp_path_factory.mktemp("lab")
    command, home = OWN, folder / "home"
    if rootless:
        someone = request.getfixturevalue("user")
        command, home = someone.command("ocicat"), someone.home / "state"
    with course(folder, version, command, home, ["--nodes", str(nodes)]) as running:
        yield running


@pytest.fixture(scope="module")
def access(lab: Course) -> Iterator[Terminal]:
    """Module 1, step 4: the shell of the pod `access`, which stays open to the end of the course."""
    words = "run --namespace=quickstart access --rm -ti --image busybox /bin/sh"
    environment = {**lab.kubectl.environment, "TERM": "xterm"}
    terminal = Terminal([str(lab.kubectl.path), *words.split()], environment)
    try:
        terminal.until("/ # ")
        yield terminal
    finally:
        terminal.kill()


@pytest.fixture
def look(lab: Course, visit: Any, built_console: Path) -> Any:
    """Open a page of the console; it is photographed by the name of its test."""

    def page(path: str = "") -> Any:
        assert built_console.is_dir()
        opened = visit(f"{lab.console}/{path}")
        opened.wait_for_selector("main")
        return opened

    return page


def shot(page: Any, name: str) -> None:
    """Keep what the browser shows."""
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def rows(page: Any) -> list[str]:
    """The text of the rows that are shown, each on one line."""
    return [" ".join(text.split()) for text in page.locator("[data-row]").all_inner_texts()]


def wait_for_row(page: Any, *words: str) -> None:
    """Wait until a row has all of the words."""
    found = page.locator("[data-row]")
    for word in words:
        found = found.filter(has_text=word)
    found.first.wait_for(timeout=30_000)


# --- module 1: see the traffic ------------------------------------------------------------------------------


def test_1_1_the_cluster_has_a_version_and_a_console(lab: Course) -> None:
    assert re.search(r"calicoVersion: v3\.\d+", lab.kubectl("get clusterinfo -o yaml"))
    lab.running("calico-system", 2)
    assert re.search(r"^calico-system\s+whisker-\S+\s+1/1\s+Running", lab.kubectl("get pod -A"), re.M)
    services = lab.kubectl("get svc -A")
    assert re.search(r"^calico-system\s+whisker\s+ClusterIP\s+\S+\s+<none>\s+8081/TCP", services, re.M)


def test_1_2_a_forward_finds_the_console_beside_the_one_of_the_host(lab: Course) -> None:
    with lab.forward("-n", "calico-system", "service/whisker", f"{lab.port}:8081") as port:
        assert port == lab.port
        import httpx2 as httpx

        for host in ("[::1]", "127.0.0.1"):
            answer = httpx.get(f"http://{host}:{port}/", trust_env=False)
            assert answer.status_code == 200
            assert "<title>" in answer.text


def test_1_3_nginx_is_deployed_and_exposed(lab: Course) -> None:
    kubectl = lab.kubectl
    assert kubectl("create namespace quickstart") == "namespace/quickstart created\n"
    created = kubectl("create deployment --namespace=quickstart nginx --image=nginx")
    assert created == "deployment.apps/nginx created\n"
    exposed = kubectl("expose --namespace=quickstart deployment nginx --port=80")
    assert exposed == "service/nginx exposed\n"
    lab.running("quickstart", 1)


def test_1_4_a_shell_reaches_nginx_and_the_public_network(lab: Course, access: Terminal) -> None:
    page = access.says("wget -qO- http://nginx")
    assert "Welcome to nginx!" in page
    assert page.endswith("done=0")
    fact = access.says("wget -qO- https://catfact.ninja/fact")
    assert '"fact"' in fact
    assert fact.endswith("done=0")
    # The certificate is checked: by its address, the server's name is not what it says.
    assert not access.says("wget -qO- https://203.0.113.10/fact").endswith("done=0")


def test_1_5_the_console_shows_the_three_new_kinds_of_connection(lab: Course, look: Any) -> None:
    page = look()
    for words in (("access", "coredns"), ("access", "nginx"), ("access", "PUBLIC NETWORK")):
        wait_for_row(page, *words)
    shot(page, "1-5-connections")


# --- module 2: tiers ----------------------------------------------------------------------------------------


def test_2_1_the_tiers_that_are_built_in(lab: Course) -> None:
    names = [line.split()[0] for line in lab.kubectl("get tiers --no-headers").splitlines()]
    built_in = {"default", "adminnetworkpolicy", "baselineadminnetworkpolicy", "kube-admin", "kube-baseline"}
    assert set(names) == built_in
    described = lab.kubectl("describe tier default")
    assert re.search(r"Default Action:\s+Deny", described)
    assert re.search(r"Order:\s+(1000000|1e\+06)", described)


def test_2_2_the_tiers_of_the_course(lab: Course) -> None:
    assert lab.kubectl(f"apply -f {MANIFESTS / 'tiers.yaml'}").splitlines() == [
        f"tier.projectcalico.org/{name} created" for name in ("security", "platform", "application-catfacts")
    ]


def test_2_3_who_may_not_edit_a_tiers_policies_is_refused(lab: Course) -> None:
    lab.kubectl("create namespace team")
    lab.kubectl(
        "apply -f -",
        """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: application-tier}
rules:
- {apiGroups: [projectcalico.org], resources: [tiers], resourceNames: [application-catfacts], verbs: [get]}
- {apiGroups: [projectcalico.org], resources: [tier.networkpolicies],
   resourceNames: [application-catfacts.*], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: application-tier}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: application-tier}
subjects: [{kind: User, name: developer, apiGroup: rbac.authorization.k8s.io}]
""",
    )
    policy = DEFAULT_DENY.format(
        kind="NetworkPolicy", name="platform.mine", namespace="team", tier="platform", order=1
    )
    assert "forbidden" in lab.kubectl.refused("apply --as developer -f -", policy)
    assert "created" in lab.kubectl(
        "apply --as developer -f -", policy.replace("platform", "application-catfacts")
    )
    lab.kubectl("delete namespace team")


# --- module 3: the seed -------------------------------------------------------------------------------------


def test_3_1_the_application_runs(lab: Course) -> None:
    lab.kubectl(f"apply -f {MANIFESTS / 'catfacts.yaml'}")
    lab.running("catfacts", 3)


def test_3_2_its_flows_appear_while_one_watches(lab: Course, look: Any) -> None:
    page = look("?source_namespace=catfacts")
    for words in (("worker", "PUBLIC NETWORK"), ("worker", "facts-"), ("worker", "db-"), ("facts-", "db-")):
        wait_for_row(page, *words)
    shot(page, "3-2-flows")


def test_3_3_an_opened_row_shows_all_that_the_policy_needs(lab: Course, look: Any) -> None:
    page = look("?source_namespace=catfacts")
    wait_for_row(page, "worker", "facts-")
    page.locator("[data-row]").filter(has_text="worker").filter(has_text="facts-").first.click()
    page.wait_for_selector("#opened-panel")
    page.get_by_role("tab", name="Table").click()
    shown = page.locator("#opened-panel").inner_text()
    for name in (
        *("start_time", "end_time", "source_name", "source_namespace", "source_labels", "dest_name"),
        *(
            "dest_namespace",
            "dest_labels",
            "protocol",
            "dest_port",
            "dest_service_name",
            "reporter",
            "action",
        ),
        *("bytes_in", "packets_in", "app=worker", "app=facts"),
    ):
        assert name in shown
    shot(page, "3-3-opened")


def test_3_4_db_star_leaves_the_flows_to_the_database(lab: Course, look: Any) -> None:
    page = look()
    wait_for_row(page, "worker", "db-")
    page.locator("button.filter[title=Destination]").click()
    page.keyboard.type("db-*")
    page.get_by_role("checkbox", name=re.compile("^db-.*")).first.check()
    page.keyboard.press("Escape")
    wait_for_row(page, "facts", "db-")
    eventually(lambda: all("3306" in row for row in rows(page)))
    sources = {word for row in rows(page) for word in ("worker", "facts-") if f"catfacts/{word}" in row}
    assert sources == {"worker", "facts-"}
    shot(page, "3-4-db")


def test_3_5_the_flows_match_the_diagram(lab: Course, look: Any) -> None:
    drawn = {row[:3] for row in lab.connections() if row[0] in ("worker", "facts", "db")}
    assert drawn == {
        ("worker", "facts", 80),
        ("worker", "db", 3306),
        ("facts", "db", 3306),
        ("worker", "PUBLIC NETWORK", 443),
    }
    page = look("map")
    for name in ("worker", "facts", "db"):
        page.get_by_text(name, exact=True).first.wait_for()
    shot(page, "3-5-map")


def test_3_6_the_page_shows_a_fact_and_the_policies_are_applied(lab: Course) -> None:
    eventually(lambda: lab.page()[0], 200)
    assert 'class="fact"' in lab.page()[1]
    assert lab.kubectl(f"apply -f {MANIFESTS / 'catfacts-nwp.yaml'}").splitlines() == [
        f"networkpolicy.projectcalico.org/application-catfacts.{name} created"
        for name in ("db", "facts", "worker")
    ]


def test_3_7_open_connections_go_on_until_the_pod_is_deleted(lab: Course) -> None:
    eventually(lambda: len(lab.flows()) > 0)
    before = lab.kubectl("get pods -n catfacts -l app=facts -o name").strip()
    log = lab.worker_says()
    time.sleep(4)  # two rounds of the worker; what it says is not about time
    assert "fails" not in lab.worker_says()[len(log) :]
    assert lab.kubectl(f"delete {before} -n catfacts") == f'pod "{before.removeprefix("pod/")}" deleted\n'
    lab.running("catfacts", 3)
    after = lab.kubectl("get pods -n catfacts -l app=facts -o name").strip()
    assert after != before


def test_3_8_the_page_is_broken(lab: Course) -> None:
    eventually(lambda: "facts.fails" in lab.worker_says())
    status, text = lab.page()
    assert status == 503
    assert "worker" in text


def test_3_9_the_denied_flows(lab: Course, look: Any) -> None:
    page = look()
    page.get_by_role("tab", name=re.compile("Denied Flows")).or_(
        page.get_by_role("link", name=re.compile("Denied Flows"))
    ).first.click()
    wait_for_row(page, "worker", "facts", "80")
    eventually(
        lambda: {row[:4] for row in lab.connections() if row[3] == "Deny"}, {("worker", "facts", 80, "Deny")}
    )
    shot(page, "3-9-denied")


def test_3_10_the_policies_of_an_opened_row(lab: Course, look: Any) -> None:
    page = look("flow-logs/denied-flows")
    wait_for_row(page, "worker", "facts-")
    page.locator("[data-row]").filter(has_text="facts").first.click()
    decided = page.locator(".walk .step.decided").filter(has_text="application-catfacts")
    decided.filter(has_text="facts").first.wait_for()
    page.get_by_role("tab", name="JSON").click()
    expected = {
        "kind": "CalicoNetworkPolicy",
        "name": "facts",
        "namespace": "catfacts",
        "tier": "application-catfacts",
        "action": "Deny",
        "policy_index": 0,
        "rule_index": 0,
        "trigger": None,
    }
    folded = page.locator(".json-folded").first.inner_text()
    assert json.loads(folded) == [expected]
    shot(page, "3-10-policies")
    (denied, *_) = [flow for flow in lab.flows() if flow["action"] == "Deny"]
    assert denied["policies"]["enforced"] == [expected]


def test_3_11_deny_becomes_allow_in_an_editor(lab: Course) -> None:
    editor = "sed -i s/Deny/Allow/"
    edited = lab.kubectl(f"edit {FACTS_POLICY}", KUBE_EDITOR=editor)
    assert "networkpolicy.projectcalico.org/application-catfacts.facts edited" in edited
    described = lab.kubectl(f"describe {FACTS_POLICY}")
    assert re.search(r"Ingress:\s+Action:\s+Allow", described)


def test_3_12_the_page_works_again_and_nothing_more_is_denied(lab: Course) -> None:
    eventually(lambda: lab.page()[0], 200)
    eventually(lambda: lab.worker_says().strip().splitlines()[-1].split()[1], "facts.works")
    now_ns = time.time_ns()
    eventually(lambda: any(row == ("worker", "facts", 80, "Allow") for row in lab.connections()))
    time.sleep(5)  # a few rounds more, in which something could be denied
    assert lab.denied_since(now_ns) == []


def test_3_13_dns_is_allowed_for_all_whatever_comes_later(lab: Course, access: Terminal) -> None:
    applied = lab.kubectl("apply -f -", (MANIFESTS / "allow-kube-dns.yaml").read_text())
    assert applied == "globalnetworkpolicy.projectcalico.org/platform.allow-kube-dns created\n"

    def dns_allowed_by() -> set[tuple[str, str]]:
        access.says("nslookup facts.catfacts.svc.cluster.local")
        return {
            (hit["tier"], hit["name"])
            for flow in lab.flows()
            if flow["source_name"] == "access" and flow["dest_port"] == 53 and flow["reporter"] == "Src"
            for hit in flow["policies"]["enforced"]
            if hit["action"] == "Allow"
        }

    eventually(lambda: ("platform", "allow-kube-dns") in dns_allowed_by())

    def passed_on() -> bool:
        access.says("wget -qO- http://nginx > /dev/null")
        return any(
            hit["name"] == "allow-kube-dns" and hit["action"] == "Pass"
            for flow in lab.flows()
            if plain(flow["dest_name"]) == "nginx"
            for hit in flow["policies"]["enforced"]
        )

    eventually(passed_on)


# --- module 4: best practices -------------------------------------------------------------------------------


def test_4_1_a_default_deny_breaks_nothing_of_the_application(lab: Course) -> None:
    lab.kubectl(
        "apply -f -",
        DEFAULT_DENY.format(
            kind="NetworkPolicy", name="application-catfacts.default-deny", namespace="catfacts",
            tier="application-catfacts", order=100000,
        ),
    )  # fmt: skip
    now_ns = time.time_ns()
    time.sleep(5)
    assert lab.page()[0] == 200
    assert [row for row in lab.denied_since(now_ns) if row["dest_port"] in (80, 3306)] == []


def test_4_2_a_staged_policy_shows_what_it_would_deny(lab: Course, access: Terminal, look: Any) -> None:
    lab.kubectl("delete caliconetworkpolicy application-catfacts.default-deny -n catfacts")
    lab.kubectl(
        "apply -f -",
        DEFAULT_DENY.format(
            kind="StagedNetworkPolicy", name="default.default-deny-quickstart", namespace="quickstart",
            tier="default", order=100000,
        ),
    )  # fmt: skip

    def pending() -> bool:
        for address in ("http://nginx", "facts.catfacts"):
            assert access.says(f"wget -qO- {address} > /dev/null").endswith("done=0")
        return any(
            (
                hit["kind"] == "StagedNetworkPolicy"
                and (hit["name"], hit["namespace"], hit["tier"])
                == ("default-deny-quickstart", "quickstart", "default")
            )
            or (hit["trigger"] or {}).get("name") == "default-deny-quickstart"
            for flow in lab.flows()
            if flow["source_name"] == "access" and flow["action"] == "Allow"
            for hit in flow["policies"]["pending"]
        )

    eventually(pending)
    page = look("?source_name=access")
    wait_for_row(page, "would deny")
    shot(page, "4-2-staged")


def test_4_3_enforced_it_denies_both(lab: Course, access: Terminal) -> None:
    policy = DEFAULT_DENY.format(
        kind="NetworkPolicy", name="default.default-deny-quickstart", namespace="quickstart",
        tier="default", order=100000,
    )  # fmt: skip
    lab.kubectl("apply -f -", policy)
    lab.kubectl("delete stagednetworkpolicy default.default-deny-quickstart -n quickstart")

    def denied_by() -> set[str]:
        for address in ("http://nginx", "facts.catfacts"):
            access.says(f"wget -T 2 -qO- {address} > /dev/null")
        return {
            f"{plain(flow['dest_name'])} {(hit['trigger'] or hit)['name']}"
            for flow in lab.flows()
            if flow["source_name"] == "access" and flow["action"] == "Deny"
            for hit in flow["policies"]["enforced"]
            if hit["action"] == "Deny"
        }

    wanted = {"nginx default-deny-quickstart", "facts default-deny-quickstart"}
    eventually(lambda: wanted <= denied_by())
    for address in ("http://nginx", "facts.catfacts"):
        assert not access.says(f"wget -T 2 -qO- {address} > /dev/null").endswith("done=0")


def test_4_4_a_ping_to_a_network_set_is_a_denied_flow(lab: Course, access: Terminal) -> None:
    address = lab.kubectl("get service facts -n catfacts -o jsonpath={.spec.clusterIP}")
    lab.kubectl(
        "apply -f -",
        f"""
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {{name: facts-service, namespace: catfacts, labels: {{app: facts-service}}}}
spec: {{nets: [{address}/32]}}
""",
    )

    def denied() -> bool:
        assert not access.says(f"ping -c 1 -W 1 {address}").endswith("done=0")
        return any(
            flow["dest_name"] == "facts-service" and flow["protocol"] == "icmp" and flow["action"] == "Deny"
            for flow in lab.flows()
        )

    eventually(denied)
