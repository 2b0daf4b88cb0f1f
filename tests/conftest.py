"""Fixtures that more than one folder of tests uses."""

pytest_plugins = ["support.kernel", "support.coroutines", "support.kubectl"]
