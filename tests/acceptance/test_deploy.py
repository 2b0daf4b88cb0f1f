"""deploy/: what kubectl makes of it, whether an API server takes it, and whether rights and keys suffice."""

import asyncio
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import click
import grpc
import grpc.aio
import httpx2 as httpx
import msgspec
import pytest
import yaml

from ocicat.api.channel import FlowServer, TlsFiles
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from ocicat.app.agent.hub import SERVER_NAME
from ocicat.app.mirror import AGENT_KINDS
from ocicat.cli.main import cli
from ocicat.cluster.sources import sources_of
from support.hub import RealHub, denied_record, flow_record
from support.kubectl import NEW, Kubectl, required

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())
WORKLOADS = ("DaemonSet", "StatefulSet")


@pytest.fixture
def kubectl(apiserver: Any, tmp_path: Path) -> Kubectl:
    """A kubectl that knows today's kustomize; that of 1.20 does not."""
    return Kubectl(required(NEW), NEW, apiserver.kubeconfig, tmp_path)


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Path:
    """One way to deploy after the other."""
    return DEPLOY / "overlays" / request.param


def rendered(kubectl: Kubectl, overlay: Path) -> list[dict[str, Any]]:
    return [thing for thing in yaml.safe_load_all(kubectl(f"kustomize {overlay}")) if thing]


def containers(things: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for thing in things:
        if thing["kind"] in WORKLOADS:
            spec = thing["spec"]["template"]["spec"]
            yield from spec["containers"] + spec.get("initContainers", [])


def test_the_api_server_takes_it_and_finds_nothing_to_change_afterwards(kubectl, overlay):
    wanted = len(rendered(kubectl, overlay))
    applied = kubectl(f"apply -k {overlay}").splitlines()
    assert len(applied) == wanted
    again = kubectl(f"apply --dry-run=server -k {overlay}").splitlines()
    assert len(again) == wanted
    assert [line for line in again if not line.endswith("unchanged (server dry run)")] == []
    assert kubectl(f"diff -k {overlay}") == ""


def test_what_is_named_exists(kubectl, overlay):
    """Services find pods, accounts and volumes are there, and all lies in one namespace."""
    things = rendered(kubectl, overlay)
    spaces = {thing["metadata"].get("namespace") for thing in things} - {None}
    assert spaces == {thing["metadata"]["name"] for thing in things if thing["kind"] == "Namespace"}
    accounts = {thing["metadata"]["name"] for thing in things if thing["kind"] == "ServiceAccount"}
    workloads = [thing["spec"] for thing in things if thing["kind"] in WORKLOADS]
    templates = [spec["template"] for spec in workloads]
    assert {template["spec"]["serviceAccountName"] for template in templates} == accounts
    for spec in workloads:
        claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        volumes = claims | {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
        for container in spec["template"]["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    for service in (thing["spec"] for thing in things if thing["kind"] == "Service"):
        (pod,) = [t for t in templates if service["selector"].items() <= t["metadata"]["labels"].items()]
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["ports"]} <= ports


def test_every_command_line_is_understood(kubectl, overlay):
    for container in containers(rendered(kubectl, overlay)):
        probe = container.get("readinessProbe", {}).get("exec", {}).get("command", ["ocicat"])
        for name, *rest in filter(None, (container.get("args"), probe[1:])):
            command = cli.get_command(click.Context(cli), name)
            assert command is not None, name
            command.make_context(name, rest, resilient_parsing=False)


def test_only_what_must_has_rights(kubectl, overlay):
    for container in containers(rendered(kubectl, overlay)):
        security = container["securityContext"]
        if container["name"] == "count-traffic":
            continue
        assert security["capabilities"]["drop"] == ["ALL"]
        assert security["capabilities"].get("add", []) == (
            ["NET_ADMIN"] if container["name"] == "agent" else []
        )
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]


def test_the_image_is_of_this_version(kubectl, overlay):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    images = {container["image"] for container in containers(rendered(kubectl, overlay))}
    assert images == {f"ocicat:{version}"}


def test_accounts_may_read_what_they_follow_and_little_else(kubectl, overlay):
    kubectl(f"apply -k {overlay}")
    kubectl(f"apply -f {ROOT}/manifests/tiers.yaml -f {ROOT}/manifests/allow-kube-dns.yaml")
    accounts = [thing["metadata"] for thing in rendered(kubectl, overlay) if is_account(thing)]
    assert len(accounts) == (2 if overlay.name == "ocicat-cluster" else 1)
    kinds = ",".join(f"{kind.plural}.{kind.group}" if kind.group else kind.plural for kind in AGENT_KINDS)
    for account in accounts:
        who = f"--as=system:serviceaccount:{account['namespace']}:{account['name']}"
        assert "platform.allow-kube-dns" in kubectl(f"get {kinds} -A -o name {who}")
        for path in (source.path for kind in AGENT_KINDS for source in sources_of(kind)):
            said = kubectl.run(f"get --raw {path}?limit=1 {who}")
            assert said.code == 0 or "NotFound" in said.err, said.err
        assert "orbidden" in kubectl.refused(f"get secrets -A {who}")
        assert "orbidden" in kubectl.refused(f"create namespace x {who}")
        may = kubectl.run(f"auth can-i create events -A {who}").out.strip()
        assert may == ("yes" if account["name"] == "ocicat-agent" else "no")


def is_account(thing: dict[str, Any]) -> bool:
    return thing["kind"] == "ServiceAccount"


# --- keys ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `deploy/certificates` has made."""
    folder = tmp_path_factory.mktemp("made") / "keys"
    subprocess.run([DEPLOY / "certificates", folder], check=True, capture_output=True)
    return folder


def test_keys_are_for_their_owner_alone_and_never_overwritten(keys):
    assert {path.stat().st_mode & 0o077 for path in [keys, *keys.iterdir()]} == {0}
    before = (keys / "ca.key").read_bytes()
    again = subprocess.run([DEPLOY / "certificates", keys], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "authority already" in again.stderr
    assert (keys / "ca.key").read_bytes() == before


def arguments_with(keys: Path, name: str, container: dict[str, Any]) -> list[str]:
    """Return a container's arguments, with the files that the Secret of these keys would mount."""
    files = {"ca.crt": "ca.crt", "tls.crt": f"{name}.crt", "tls.key": f"{name}.key"}
    given = container["args"][1:]
    for mounted, made in files.items():
        given = [argument.replace(f"/keys/{mounted}", str(keys / made)) for argument in given]
    return given


def test_the_hub_takes_flows_of_who_has_a_key_and_of_nobody_else(kubectl, keys, tmp_path):
    """The hub runs as its manifest says, but on free ports; the agent's channel is made as the agent does."""
    things = rendered(kubectl, DEPLOY / "overlays/ocicat-cluster")
    named = {container["name"]: container for container in containers(things)}
    given = arguments_with(keys, "hub", named["hub"])
    free = [re.sub(r":(8081|7443)$", ":0", argument) for argument in given]
    files = [argument.partition("=")[2] for argument in arguments_with(keys, "agent", named["agent"])]
    hub = RealHub(tmp_path, *free)
    try:
        address = f"127.0.0.1:{hub.grpc.rpartition(':')[2]}"
        assert asyncio.run(pushed(FlowServer(address, TlsFiles(*files), SERVER_NAME))) == 1
        assert [flow["action"] for flow in hub.flows()] == ["Deny"]
        for without in (FlowServer(address), FlowServer(address, TlsFiles(*files), "goldmane.elsewhere")):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                asyncio.run(pushed(without))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        hub.stop()


async def pushed(server: FlowServer) -> int:
    """Push one record over a channel of the agent's making; return the acknowledged sequence."""

    async def batches() -> AsyncIterator[pb.FlowBatch]:
        yield pb.FlowBatch(flows=[flow_of(denied_record())], sequence=1, sender="test")

    async with server.channel() as channel:
        async for reply in stubs.FlowBatchesStub(channel).Push(batches(), timeout=20):
            return int(reply.sequence)
    return 0


def test_the_commands_of_the_page_make_the_secrets_and_apply_all(kubectl, tmp_path):
    """docs/howto/deploy.md, "ocicat enforces", as it stands."""
    page = (ROOT / "docs/howto/deploy.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```sh\n(deploy/certificates.*?)^```", page, re.M | re.S)
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    path = f"{kubectl.path.parent}:{os.environ['PATH']}"
    subprocess.run(["sh", "-euc", block], cwd=tmp_path, env={**kubectl.environment, "PATH": path}, check=True)
    made = yaml.safe_load(kubectl("get secret -n calico-system goldmane-key-pair -o yaml"))
    assert set(made["data"]) == {"ca.crt", "tls.crt", "tls.key"}
    for thing in rendered(kubectl, DEPLOY / "overlays/ocicat-cluster"):
        for volume in thing["spec"]["template"]["spec"]["volumes"] if thing["kind"] in WORKLOADS else []:
            if "secret" in volume:
                kubectl(f"get secret -n calico-system {volume['secret']['secretName']}")


# --- a console for many -------------------------------------------------------------------------------------

LOGIN = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../deploy/overlays/ocicat-cluster]
components: [../deploy/components/login]
"""


@pytest.fixture
def open_console(tmp_path: Path) -> Path:
    """An overlay of one's own, with the component for logging in."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(LOGIN)
    return tmp_path / "mine"


def as_account(kubectl: Kubectl, name: str, folder: Path) -> Path:
    """Return a kubeconfig with a token of a service account."""
    path = folder / f"{name}.kubeconfig"
    shutil.copy(kubectl.environment["KUBECONFIG"], path)
    token = kubectl(f"create token -n calico-system {name}").strip()
    kubectl(f"config --kubeconfig {path} set-credentials {name} --token={token}")
    kubectl(f"config --kubeconfig {path} set-context --current --user={name}")
    return path


def test_an_open_console_shows_each_user_the_flows_of_their_namespaces(kubectl, open_console, tmp_path):
    """The hub runs as the rendered manifest says, with no other rights than the manifest gives it."""
    kubectl(f"apply -k {open_console}")
    hubs = [c for c in containers(rendered(kubectl, open_console)) if c["name"] == "hub"]
    given = [re.sub(r"0\.0\.0\.0:8081,\[::\]:8081", "0.0.0.0:0", words) for words in hubs[0]["args"][1:]]
    given = [words for words in given if not words.startswith(("--tls", "--grpc"))]
    kubectl("create serviceaccount reader -n default")
    kubectl("create rolebinding reader -n default --clusterrole=ocicat-hub --serviceaccount=default:reader")
    token = kubectl("create token reader").strip()
    hub = RealHub(tmp_path, *given, "--kubeconfig", str(as_account(kubectl, "ocicat-hub", tmp_path)))
    try:
        url = f"http://127.0.0.1:{hub.url.rpartition(':')[2]}"
        record = flow_record()
        key = msgspec.structs.replace(record.key, source_namespace="default", dest_namespace="default")
        hub.push([denied_record(), msgspec.structs.replace(record, key=key)])
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
        assert httpx.get(f"{url}/api/v1/flows", trust_env=False).status_code == 401
        seen = httpx.get(
            f"{url}/api/v1/flows", headers={"Authorization": f"Bearer {token}"}, trust_env=False
        ).json()
        assert {item["dest_namespace"] for item in seen["items"]} == {"default"}
    finally:
        hub.stop()


# --- the image ----------------------------------------------------------------------------------------------


def test_the_image_takes_files_and_extras_that_exist():
    """Nothing here builds images; what can be checked is that it asks for nothing that is not there."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    sources = [
        word for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M) for word in line.split()[:-1]
    ]
    assert sources[1:] == ["dist/ocicat-*.whl"]
    assert (ROOT / sources[0]).is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (asked,) = re.findall(r"\.whl\)\[(.+)\]", text)
    assert set(asked.split(",")) <= set(project["optional-dependencies"])
    assert re.findall(r'ENTRYPOINT \["(.+)"\]', text) == ["ocicat"]
    assert "UNTESTED" in text
