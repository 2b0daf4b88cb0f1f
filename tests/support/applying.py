"""Objects from standard input into a cluster: `python -m support.applying KUBECONFIG < objects.json`.

Each line is `{"path": collection, "object": …}`; an object that exists is replaced, and its status, which the
API takes only by the subresource, is written too.
"""

import asyncio
import json
import sys
from typing import Any

from ocicat.cluster.client import ApiClient, ApiError, connect


async def apply(client: ApiClient, path: str, thing: dict[str, Any]) -> None:
    """Create or replace one object of a collection."""
    named = f"{path}/{thing['metadata']['name']}"
    try:
        known = json.loads(await client.post(path, thing))
    except ApiError as error:
        if error.code != 409:
            raise
        known = json.loads(await client.get(named))
        thing["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"]
        known = json.loads(await client.put(named, thing))
    if "status" in thing and thing["kind"] == "Pod":
        await client.put(f"{named}/status", {**known, "status": thing["status"]})


async def _run(kubeconfig: str) -> None:
    client = connect(kubeconfig)
    for line in sys.stdin:
        item = json.loads(line)
        await apply(client, item["path"], item["object"])
    await client.close()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
