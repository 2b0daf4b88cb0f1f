"""Where the hub is: as set, else the cluster's Service for it. Source: spec/flows-and-console §1, §6."""

from collections.abc import Mapping
from typing import Final

from ocicat.api.channel import FlowServer, TlsFiles
from ocicat.app.settings import AgentSettings
from ocicat.model.kubernetes import Service

SERVICE: Final = ("calico-system", "goldmane")
PORT: Final = 7443
SERVER_NAME: Final = "goldmane.calico-system.svc"
"""The name in the certificate of the cluster's own hub, whatever address it is reached by."""


def hub_server(settings: AgentSettings, services: Mapping[tuple[str, str], Service]) -> FlowServer | None:
    """Return where flows go, or None where nobody takes them yet."""
    tls = TlsFiles(settings.tls_ca, settings.tls_certificate, settings.tls_key)
    if settings.hub:
        return FlowServer(settings.hub, tls, settings.tls_server_name)
    service = services.get(SERVICE)
    if service is None or service.spec.cluster_ip in ("", "None"):
        return None
    address = service.spec.cluster_ip
    host = f"[{address}]" if ":" in address else address
    return FlowServer(f"{host}:{PORT}", tls, settings.tls_server_name or SERVER_NAME)
