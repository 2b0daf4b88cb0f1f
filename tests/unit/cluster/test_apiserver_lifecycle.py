"""What a server does besides answering: kubeconfigs, more sockets, events that end, certificates."""

import datetime
import socket
import stat

import aiohttp
import pytest
import yaml
from cryptography import x509

from ocicat.cluster.apiserver.credentials import ensure_credentials, kubeconfig
from support.apiserver import serving

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


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
