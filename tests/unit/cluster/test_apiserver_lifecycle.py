"""What a server does besides answering: kubeconfigs, more sockets, events that end, certificates."""

import datetime
import socket
import stat

import aiohttp
import pytest
import yaml
from cryptography import x509

from ocicat.cluster.apiserver.credentials import (
    KubeconfigError,
    ensure_credentials,
    kubeconfig,
    merge_kubeconfig,
)
from support.apiserver import serving

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "ocicat", "cluster": {"server": "https://x"}}],
    "users": [{"name": "ocicat", "user": {"token": "t"}}],
    "contexts": [{"name": "ocicat", "context": {"cluster": "ocicat", "user": "ocicat"}}],
    "current-context": "ocicat",
}


def test_certificates_last_are_renewed_and_follow_the_names(tmp_path):
    first = ensure_credentials(tmp_path, ["localhost", "127.0.0.1"], NOW)
    served = (tmp_path / "server.crt").read_bytes()
    again = ensure_credentials(tmp_path, ["localhost"], NOW)
    assert (again.ca_pem, again.token) == (first.ca_pem, first.token)
    assert (tmp_path / "server.crt").read_bytes() == served
    ensure_credentials(tmp_path, ["localhost", "fd00::1"], NOW)
    renamed = (tmp_path / "server.crt").read_bytes()
    assert renamed != served
    ensure_credentials(tmp_path, ["localhost"], NOW + datetime.timedelta(days=340))
    renewed = x509.load_pem_x509_certificate((tmp_path / "server.crt").read_bytes())
    assert renewed.not_valid_after_utc > NOW + datetime.timedelta(days=600)


def test_secrets_are_their_owners_alone(tmp_path):
    ensure_credentials(tmp_path / "pki", ["localhost"], NOW)
    for path in (tmp_path / "pki").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_kubeconfig_is_merged_into_another(tmp_path):
    path = tmp_path / "config"
    other = {
        "clusters": [{"name": "prod", "cluster": {}}, {"name": "ocicat", "cluster": {"server": "old"}}],
        "contexts": [{"name": "prod", "context": {}}],
        "current-context": "prod",
        "preferences": {"colors": True},
    }
    path.write_text(yaml.safe_dump(other))
    merge_kubeconfig(path, CONFIG)
    found = yaml.safe_load(path.read_text())
    assert [row["name"] for row in found["clusters"]] == ["prod", "ocicat"]
    assert found["clusters"][1] == CONFIG["clusters"][0]
    assert [row["name"] for row in found["contexts"]] == ["prod", "ocicat"]
    assert (found["users"], found["current-context"]) == (CONFIG["users"], "ocicat")
    assert found["preferences"] == {"colors": True}
    merge_kubeconfig(path, CONFIG)
    assert yaml.safe_load(path.read_text()) == found


def test_a_kubeconfig_is_made_where_there_is_none(tmp_path):
    merge_kubeconfig(tmp_path / "new" / "config", CONFIG)
    assert yaml.safe_load((tmp_path / "new" / "config").read_text()) == CONFIG


@pytest.mark.parametrize("text", ["[1]", "clusters: 7", "clusters: [7]", "{", "word"])
def test_what_is_no_kubeconfig_stays_as_it_is(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match="nothing was written"):
        merge_kubeconfig(path, CONFIG)
    assert path.read_text() == text


async def test_the_kubeconfig_of_a_server_leads_to_it(tmp_path):
    async with serving(tmp_path) as client:
        found = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        assert found == kubeconfig(client.server.credentials, "ocicat", client.server.url)
        assert stat.S_IMODE((tmp_path / "kubeconfig").stat().st_mode) == 0o600


async def test_one_server_on_several_sockets(tmp_path):
    async with serving(tmp_path) as client:
        listening = socket.create_server(("127.0.0.1", 0))
        await client.server.listen(listening)
        port = listening.getsockname()[1]
        assert await client("GET", f"https://127.0.0.1:{port}/version") == await client("GET", "/version")
    with pytest.raises(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session:
            await session.get(f"https://127.0.0.1:{port}/version")


async def test_events_end(tmp_path):
    def event(name, seen):
        involved = {"kind": "Pod", "name": "p", "namespace": "default"}
        return {"metadata": {"name": name}, "involvedObject": involved, "lastTimestamp": seen}

    async with serving(tmp_path) as client:
        path = "/api/v1/namespaces/default/events"
        await client("POST", path, event("old", "2020-01-01T00:00:00Z"))
        await client("POST", path, event("new", "2999-01-01T00:00:00Z"))
        client.server._forget_events()
        assert [row["metadata"]["name"] for row in (await client("GET", path))["items"]] == ["new"]
