"""What controllers say: once, and the same again as a higher count."""

import pytest

from ocicat.cluster.client import ApiError, UnreachableError
from ocicat.cluster.controllers.actions import Say
from ocicat.cluster.controllers.telling import Teller
from support.clocks import FakeTimer

ABOUT = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}}


class Api:
    """Keeps what is written; `gone` are events that have been deleted."""

    def __init__(self):
        self.posted, self.patched, self.gone = [], [], set()
        self.refuses = self.is_away = False

    async def post(self, path, body):
        if self.refuses:
            raise ApiError(403, "Forbidden", "the namespace is going")
        self.posted.append((path, body["message"], body["metadata"]["name"]))
        return b"{}"

    async def patch(self, path, body):
        if self.is_away:
            raise UnreachableError("nobody answers")
        if path.rpartition("/")[2] in self.gone:
            raise ApiError(404, "NotFound", "gone")
        self.patched.append((path, body["count"]))
        return b"{}"


async def test_the_same_thing_again_is_counted():
    api = Api()
    teller = Teller(api, FakeTimer(), lambda: 0.5)
    for _ in range(3):
        await teller.say(Say(ABOUT, "Failed", "no room"))
    await teller.say(Say(ABOUT, "Failed", "no light"))
    assert [message for _, message, _ in api.posted] == ["no room", "no light"]
    name = api.posted[0][2]
    assert api.patched == [(f"/api/v1/namespaces/n/events/{name}", count) for count in (2, 3)]
    api.gone.add(name)
    await teller.say(Say(ABOUT, "Failed", "no room"))
    assert [message for _, message, _ in api.posted] == ["no room", "no light", "no room"]


async def test_a_refusal_is_no_error_and_is_tried_again_another_time():
    api = Api()
    api.refuses = True
    teller = Teller(api, FakeTimer(), lambda: 0.5)
    await teller.say(Say(ABOUT, "Failed", "no room"))
    api.refuses = False
    await teller.say(Say(ABOUT, "Failed", "no room"))
    assert len(api.posted) == 1
    assert not api.patched


async def test_an_event_is_counted_on_after_the_server_was_away():
    api = Api()
    teller = Teller(api, FakeTimer(), lambda: 0.5)
    await teller.say(Say(ABOUT, "Failed", "no room"))
    api.is_away = True
    with pytest.raises(UnreachableError):
        await teller.say(Say(ABOUT, "Failed", "no room"))
    api.is_away = False
    await teller.say(Say(ABOUT, "Failed", "no room"))
    assert len(api.posted) == 1
    assert [count for _, count in api.patched] == [2]


async def test_what_is_remembered_is_bounded():
    api = Api()
    teller = Teller(api, FakeTimer(), lambda: 0.5)
    for number in range(600):
        await teller.say(Say(ABOUT, "Failed", str(number)))
    await teller.say(Say(ABOUT, "Failed", "0"))
    await teller.say(Say(ABOUT, "Failed", "599"))
    assert len(api.posted) == 601, "the oldest is forgotten"
    assert len(api.patched) == 1, "the newest is not"
