"""The keys within a cluster: of the flow API (its own authority, the hub's and the agents' certificates), and
of nodes and agents at the API server.
"""

import base64
import datetime
from collections.abc import Sequence
from typing import Final

import msgspec

from ocicat.app.agent.hub import SERVER_NAME
from ocicat.app.up.places import Places
from ocicat.cluster.apiserver.credentials import client_certificate, ensure_server
from ocicat.cluster.pods.network import API_PORT, WORLD_ADDRESSES

_NAMES: Final = (SERVER_NAME, "goldmane.calico-system", "goldmane")
AGENT: Final = "ocicat-agent"
"""The user that every agent is, for the hub and for the API server."""
INNER_URL: Final = f"https://{WORLD_ADDRESSES[0]}:{API_PORT}"
"""The API server, as nodes and agents reach it."""


def flow_keys(places: Places, now_ns: int) -> dict[str, bytes]:
    """Make the keys where they are absent or near their end; return the hub's files by name.

    The agents' are left in the folder `places.keys`. Raises OSError where it cannot be written.
    """
    now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC)
    folder = places.keys
    folder.mkdir(exist_ok=True, mode=0o700)
    ensure_server(folder, _NAMES, now, SERVER_NAME)
    certificate, key = client_certificate(folder, AGENT, (), now)
    for name, data in (("agent.crt", certificate), ("agent.key", key)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(data)
    return {
        "ca.crt": (folder / "ca.crt").read_bytes(),
        "tls.crt": (folder / "server.crt").read_bytes(),
        "tls.key": (folder / "server.key").read_bytes(),
    }


def kubeconfig_of(places: Places, user: str, groups: Sequence[str], now_ns: int) -> bytes:
    """Return a kubeconfig for the API server within the cluster's network, with a certificate for `user`."""
    now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC)
    pki = places.api / "pki"
    certificate, key = client_certificate(pki, user, groups, now)
    authority = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
    named = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(key).decode(),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": places.name, "cluster": {"server": INNER_URL, "certificate-authority-data": authority}}
        ],
        "users": [{"name": user, "user": named}],
        "contexts": [{"name": places.name, "context": {"cluster": places.name, "user": user}}],
        "current-context": places.name,
    }
    return msgspec.yaml.encode(config)
