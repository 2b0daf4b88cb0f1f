"""How a cluster stands, in lines for people: asked from its API."""

import asyncio
from typing import Any

import msgspec

from ocicat.app.agent.status import AgentUnreachableError, ask_status, socket_path
from ocicat.app.up.places import Places
from ocicat.cluster.client import connect
from ocicat.cluster.controllers.things import condition, is_ready, phase_of


def _enforced(places: Places, node: str) -> tuple[bool, str]:
    """Return whether a node's agent enforces everything, and what to say of it. Blocks."""
    try:
        found = ask_status(socket_path(places.agents, node))
    except AgentUnreachableError:
        return False, "its agent does NOT ANSWER"
    kernel, lacking = found.enforcement, len(found.lacking)
    says = f"{kernel.policies} policies on {kernel.endpoints} pods"
    if found.ok:
        return True, f"{says} are enforced"
    why = f"{lacking} things are NOT ENFORCED" if lacking else kernel.error or "not all is known yet"
    return False, f"{says}, {why}; see ocicat agent --node {node} --home {places.agents} status"


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
        name = node["metadata"]["name"]
        enforced, says = await asyncio.to_thread(_enforced, places, name)
        well = well and enforced
        lines.append(f"node {name}: {'ready' if good else 'NOT READY'}; {says}")
    unready = [pod for pod in pods if not is_ready(pod) and phase_of(pod) != "Succeeded"]
    lines.append(f"pods: {len(pods) - len(unready)} of {len(pods)} ready")
    for pod in unready:
        metadata = pod["metadata"]
        lines.append(f"  {metadata['namespace']}/{metadata['name']}: {phase_of(pod) or 'Pending'}")
    return Standing(tuple(lines), well and not unready)
