"""Delays double, are bounded, and differ between clients."""

from ocicat.base.backoff import Backoff


def test_delays_double_up_to_the_longest():
    backoff = Backoff(1.0, 10.0, lambda: 0.0)
    assert [backoff.delay_s() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_success_begins_anew():
    backoff = Backoff(1.0, 10.0, lambda: 0.0)
    backoff.delay_s()
    backoff.delay_s()
    backoff.reset()
    assert backoff.delay_s() == 1


def test_chance_shortens_a_delay_by_up_to_a_half():
    backoff = Backoff(4.0, 10.0, lambda: 0.5)
    assert backoff.delay_s() == 3
