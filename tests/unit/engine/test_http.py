"""HTTP criteria: one row per sentence of spec/policy-semantics §6.8."""

import pytest

from ocicat.engine.http import http_matches, normalised_path
from ocicat.model.calico import HttpMatch, HttpPath


@pytest.mark.parametrize(
    ("methods", "method", "matches"),
    [
        ((), "GET", True),
        (("*",), "PATCH", True),
        (("GET",), "GET", True),
        (("GET",), "get", False),
        (("GET",), None, True),
    ],
    ids=["empty list", "star", "exact", "case-sensitive", "not seen"],
)
def test_methods(methods, method, matches):
    assert http_matches(HttpMatch(methods=methods), method, "/") is matches


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [
        (HttpPath(exact="/a"), "/a", True),
        (HttpPath(exact="/a"), "/a/", True),
        (HttpPath(exact="/a"), "/a/b", False),
        (HttpPath(exact="/a"), "/a?x=1", True),
        (HttpPath(exact="/a b"), "/a%20b", True),
        (HttpPath(prefix="/a"), "/a/b", True),
        (HttpPath(prefix="/a"), "/ab", False),
        (HttpPath(prefix="/"), "/anything", True),
        (HttpPath(prefix="/admin"), "/x/../admin", True),
        (HttpPath(prefix="/admin"), "/x\\..\\admin", True),
        (HttpPath(prefix="/admin"), "//admin;v=1//", True),
        (HttpPath(prefix="/admin"), "/%252e%252e/admin", False),
        (HttpPath(prefix="/"), "no-slash", False),
        (HttpPath(prefix="/"), None, True),
    ],
)
def test_paths(rule, path, matches):
    assert http_matches(HttpMatch(paths=(rule,)), "GET", path) is matches


@pytest.mark.parametrize("path", ["/%252f", "/%255C", "/%00", "/%252E", "relative", ""])
def test_a_path_that_cannot_be_normalised_matches_nothing(path):
    assert normalised_path(path) is None


def test_dots_never_climb_above_the_root():
    assert normalised_path("/../../a/./b/..") == "/a"
