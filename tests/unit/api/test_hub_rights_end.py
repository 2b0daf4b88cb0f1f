"""How long a right that was taken away still shows: a minute. Source: docs/howto/expose-the-hub.md."""

import json
from typing import Any, cast

import pytest

from ocicat.api.door import SIGHT_NS, ClusterDoor
from ocicat.cluster.client import ApiClient
from ocicat.cluster.reviewer import TOKENS, ClusterReviewer
from support.clocks import FakeTimer

MINUTE_S = 60


class Api:
    """A cluster with one user, who may list everything until that ends."""

    may = True

    async def post(self, path: str, body: Any) -> bytes:
        if path == TOKENS:
            return json.dumps({"status": {"authenticated": True, "user": {"username": "ann"}}}).encode()
        return json.dumps({"status": {"allowed": self.may}}).encode()


@pytest.mark.parametrize("last_s", range(1, MINUTE_S))
async def test_a_right_that_was_taken_away_ends_within_a_minute_whenever_its_holder_asks(last_s: int) -> None:
    """What is known lasts longest for who asks just before the cluster's answer is forgotten."""
    api, timer = Api(), FakeTimer()
    door = ClusterDoor(ClusterReviewer(cast("ApiClient", api), timer), set, timer)

    async def sees() -> bool:
        visitor = await door.visitor("t")
        assert visitor is not None
        return visitor.sight.everything

    assert await sees()
    api.may = False
    await timer.advance(last_s)
    await sees()
    await timer.advance(MINUTE_S - last_s)
    assert not await sees()


async def test_what_is_known_is_not_asked_again() -> None:
    api, timer = Api(), FakeTimer()
    door = ClusterDoor(ClusterReviewer(cast("ApiClient", api), timer), set, timer)
    assert (await door.visitor("t")) is not None
    api.may = False
    await timer.advance(SIGHT_NS / 1e9)
    visitor = await door.visitor("t")
    assert visitor is not None
    assert visitor.sight.everything
