"""Rights of containers (the Kubernetes API reference of v1.32, SecurityContext)."""

from typing import Any

import pytest

from ocicat.cluster.pods.security import RefusedError, Rights, rights_of

NET_RAW, NET_ADMIN, CHOWN = 13, 12, 0


def rights(own: dict[str, Any], whole: dict[str, Any] | None = None) -> Rights:
    pod = {"spec": {"securityContext": whole or {}}}
    return rights_of(pod, {"name": "c", "securityContext": own})


def test_what_containers_have_where_nothing_is_said() -> None:
    found = rights({})
    assert (found.user, found.group, found.read_only, found.no_new_privileges) == (0, 0, False, False)
    assert len(found.capabilities) == 14
    assert {NET_RAW, CHOWN} <= set(found.capabilities)
    assert NET_ADMIN not in found.capabilities


def test_a_containers_word_is_stronger_than_its_pods() -> None:
    """ "The value specified in SecurityContext takes precedence" """
    whole = {"runAsUser": 1, "runAsGroup": 2}
    assert (rights({"runAsUser": 7}, whole).user, rights({"runAsUser": 7}, whole).group) == (7, 2)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"drop": ["ALL"]}, ()),
        ({"drop": ["ALL"], "add": ["NET_RAW"]}, (NET_RAW,)),
        ({"drop": ["all"], "add": ["CAP_NET_ADMIN", "chown"]}, (CHOWN, NET_ADMIN)),
    ],
)
def test_capabilities(asked: dict[str, Any], wanted: tuple[int, ...]) -> None:
    assert rights({"capabilities": asked}).capabilities == wanted


def test_all_of_them() -> None:
    assert rights({"privileged": True}).capabilities == tuple(range(41))
    assert rights({"capabilities": {"add": ["ALL"]}}).capabilities == tuple(range(41))


@pytest.mark.parametrize(
    ("own", "whole", "why"),
    [
        ({"runAsNonRoot": True}, {}, "its image runs as root"),
        ({}, {"runAsNonRoot": True}, "its image runs as root"),
        ({"capabilities": {"add": ["NET_MAGIC"]}}, {}, "unknown capability NET_MAGIC"),
    ],
)
def test_what_is_refused(own: dict[str, Any], whole: dict[str, Any], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        rights(own, whole)


def test_non_root_is_kept_by_a_user_that_is_not() -> None:
    assert rights({"runAsNonRoot": True}, {"runAsUser": 5}).user == 5
    assert rights({"runAsNonRoot": False}, {"runAsNonRoot": True}).user == 0
