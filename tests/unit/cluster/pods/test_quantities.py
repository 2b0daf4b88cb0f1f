"""Amounts of CPU and memory (the Kubernetes API reference of v1.32, Quantity)."""

from fractions import Fraction
from typing import Any

import pytest

from ocicat.cluster.pods.quantities import amount, resource_of, service_class


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("100m", Fraction(1, 10)),
        ("2", Fraction(2)),
        (3, Fraction(3)),
        ("1.5", Fraction(3, 2)),
        ("64Mi", Fraction(64 * 1024**2)),
        ("1k", Fraction(1000)),
        ("1e3", Fraction(1000)),
        ("1E", Fraction(10**18)),
        ("5E-1", Fraction(1, 2)),
        ("10n", Fraction(1, 10**8)),
    ],
)
def test_amounts(text: object, wanted: Fraction) -> None:
    assert amount(text) == wanted


@pytest.mark.parametrize("text", ["1e30000000", "1E-999999999", "1e19"])
def test_an_exponent_beyond_meaning_is_refused_before_it_is_computed(text: str) -> None:
    with pytest.raises(ValueError, match="too large an exponent"):
        amount(text)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1Q", "abc", "1ki", "--1"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        amount(text)


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ({"resource": "limits.cpu"}, "2"),  # 1500m, rounded up
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "limits.memory", "divisor": "0"}, str(64 << 20)),
        ({"resource": "requests.cpu"}, "0"),
        # what a container may use as much of as the node has
        ({"resource": "limits.ephemeral-storage"}, "0"),
    ],
)
def test_resources_of_a_container(reference: dict[str, Any], wanted: str) -> None:
    container = {"resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}}
    assert resource_of(container, reference, {"cpu": "4"}) == wanted


def test_without_a_limit_it_is_the_nodes() -> None:
    assert resource_of({}, {"resource": "limits.cpu"}, {"cpu": "4"}) == "4"


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ([{}], "BestEffort"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"requests": {"memory": "1Gi"}}], "Burstable"),
        ([{"requests": {"example.com/card": "1"}}], "BestEffort"),
    ],
)
def test_quality_of_service(resources: list[dict[str, Any]], wanted: str) -> None:
    pod = {"spec": {"containers": [{"name": str(i), "resources": row} for i, row in enumerate(resources)]}}
    assert service_class(pod) == wanted
