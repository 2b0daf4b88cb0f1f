"""`NodeConnector`: what the API server asks of the node that runs a pod — logs, exec, attach, port-forward.

The API server routes and authorizes; who runs pods takes over the request from there, with the raw connection
where a stream is wanted. Without a node every such request is refused as a real cluster refuses it.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from ocicat.cluster.resources.errors import ApiError, bad_request

PARTS = ("log", "exec", "attach", "portforward")


class NodeConnector(Protocol):
    """The way to the pods of this cluster."""

    async def serve(self, pod: Mapping[str, Any], part: str, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the request for `part` (one of PARTS) of a pod that has a node.

        `request.transport` is the connection; after a `101` it belongs to the connector until this returns.

        Raises:
            ApiError: the node cannot do it (no such container, not running, ...).
        """


class NoNode:
    """The connector of a cluster without nodes."""

    async def serve(self, pod: Mapping[str, Any], part: str, request: web.BaseRequest) -> web.StreamResponse:
        """Refuse. Raises ApiError (503)."""
        node = (pod.get("spec") or {}).get("nodeName")
        raise ApiError("ServiceUnavailable", f"the node {node} does not answer: this cluster runs no pods")


def check_reachable(pod: Mapping[str, Any]) -> None:
    """Refuse a pod that no node has yet. Raises ApiError (400)."""
    if not (pod.get("spec") or {}).get("nodeName"):
        name = pod["metadata"]["name"]
        raise bad_request(f"pod {name} does not have a host assigned")
