"""How much a test tries: little in an ordinary run, much under `make soak` (the profile `soak`)."""

from hypothesis import settings


def bounded(ordinary: int, soak: int) -> int:
    """Return how often to try. To be asked when tests are collected, or run."""
    return soak if settings.get_current_profile_name() == "soak" else ordinary
