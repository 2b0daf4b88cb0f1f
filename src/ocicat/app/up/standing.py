"""How a cluster stands, in lines for people: asked from its API."""

from typing import Any

import msgspec

from ocicat.app.up.places import Places
from ocicat.cluster.client import connect
from ocicat.cluster.controllers.things import condition, is_ready, phase_of


class Standing(msgspec.Struct, frozen=True):
    """What is to be said, and whether all is well."""

    lines: tuple[str, ...]
    well: bool


async def standing(places: Places) -> Standing:
    """Return how a cluster stands. Raises UnreachableError where it runs and does not answer."""
    owner = places.owner()
    if owner is None:
        return Standing((f"{places.folder.name} is not running",), well=False)
    client = connect(str(places.kubeconfig))
    try:
        nodes: list[dict[str, Any]] = msgspec.json.decode(await client.get("/api/v1/nodes"))["items"]
        pods: list[dict[str, Any]] = msgspec.json.decode(await client.get("/api/v1/pods"))["items"]
    finally:
        await client.close()
    lines = [
        f"{places.folder.name} runs (process {owner}), {client.server}",
        f"KUBECONFIG={places.kubeconfig}",
        f"console: {places.console_file.read_text()}",
    ]
    well = True
    for node in nodes:
        ready = condition(node, "Ready")
        good = ready is not None and ready.get("status") == "True"
        well = well and good
        lines.append(f"node {node['metadata']['name']}: {'ready' if good else 'NOT READY'}")
    unready = [pod for pod in pods if not is_ready(pod) and phase_of(pod) != "Succeeded"]
    lines.append(f"pods: {len(pods) - len(unready)} of {len(pods)} ready")
    for pod in unready:
        metadata = pod["metadata"]
        lines.append(f"  {metadata['namespace']}/{metadata['name']}: {phase_of(pod) or 'Pending'}")
    return Standing(tuple(lines), well and not unready)
