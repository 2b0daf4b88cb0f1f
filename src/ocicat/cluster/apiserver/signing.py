"""Approval of certificate requests, and their signing. Source: the issue on RBAC; workshop 2.3.

Upstream signs in a controller, a moment after the approval; here it is one step, since the authority's key
is the API server's own.
"""

import base64
import datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from ocicat.cluster.apiserver.access import Access
from ocicat.cluster.apiserver.call import Call
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.apiserver.credentials import signed
from ocicat.cluster.apiserver.objects import Context, Objects
from ocicat.cluster.apiserver.reading import Reading
from ocicat.cluster.apiserver.writing import Writing
from ocicat.cluster.resources import certrequests, patches
from ocicat.cluster.resources.bodies import Body
from ocicat.cluster.resources.cells import part
from ocicat.cluster.resources.rbac import MASTERS, Ask, User
from ocicat.cluster.resources.times import rfc3339

_SIGNER: Final = Context(User("system:kube-controller-manager", (MASTERS,)), "csrsigning")


class Signing:
    """The signer of one API server."""

    def __init__(
        self, core: Core, access: Access, objects: Objects, reading: Reading, writing: Writing, keys: Path
    ) -> None:
        """Use the authority whose key is in the folder `keys`."""
        self._core: Final = core
        self._access: Final = access
        self._objects: Final = objects
        self._reading: Final = reading
        self._writing: Final = writing
        self._keys: Final = keys

    async def approval(self, call: Call) -> web.Response:
        """Answer a request for `approval`; what is approved is signed. Raises ApiError."""
        if call.info.verb == "get":
            return self._reading.get(call)
        stored = self._objects.existing(call.kind, "", call.info.name)
        signer = str(part(stored.thing, "spec.signerName"))
        self._access.check(call.user, Ask("approve", certrequests.GROUP, "signers", name=signer))
        if call.info.verb == "update":
            answer = await self._writing.update(call, "approval")
        else:
            answer = await self._writing.patch(call, "approval")
        self._sign(call)
        return answer

    def _sign(self, call: Call) -> None:
        thing = self._objects.existing(call.kind, "", call.info.name).thing
        if not certrequests.is_to_be_signed(thing):
            return
        now_ns = self._core.now_ns()
        refused = certrequests.refused_usages(thing)
        if refused:
            failed = {
                "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": refused,
                "lastUpdateTime": rfc3339(now_ns), "lastTransitionTime": rfc3339(now_ns),
            }  # fmt: skip
            status: dict[str, Any] = {"conditions": [*part(thing, "status.conditions"), failed]}
        else:
            now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC)
            lasts_s = part(thing, "spec.expirationSeconds")
            pem = signed(self._keys, certrequests.request_of(thing), now, lasts_s)
            status = {"certificate": base64.b64encode(pem).decode()}
        body = Body({"status": status})
        self._objects.patch(call.kind, "", call.info.name, patches.MERGE, body, _SIGNER, "status")
