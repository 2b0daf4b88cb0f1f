"""Fixtures that more than one folder of tests uses, and how long the property tests search.

`pytest --hypothesis-profile=soak --timeout=0 tests/property/test_loader_fuzz.py` searches for about an hour;
what it finds is kept in `.hypothesis` and tried first by the next run.
"""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "support.console",
    "support.hub",
    "support.whisker",
    "support.flowapi",
    "support.kernel",
    "support.coroutines",
    "support.kubectl",
    "support.podcluster",
    "support.user",
    "support.wheel",
]

# No deadline anywhere: a test never depends on how fast the machine is.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, print_blob=True)
settings.register_profile(
    "soak", deadline=None, print_blob=True, max_examples=100_000, suppress_health_check=list(HealthCheck)
)
settings.load_profile("ci" if os.environ.get("CI") else "default")
