"""The keys of the flow API within a cluster: its own authority, the hub's certificate, and the agents'."""

import datetime
from typing import Final

from ocicat.app.agent.hub import SERVER_NAME
from ocicat.app.up.places import Places
from ocicat.cluster.apiserver.credentials import client_certificate, ensure_server

_NAMES: Final = (SERVER_NAME, "goldmane.calico-system", "goldmane")
AGENT: Final = "ocicat-agent"


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
